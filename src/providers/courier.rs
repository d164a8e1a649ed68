//! What providers with connections have in common: each worker thread has one courier that makes
//! the attempts, and whoever sends holds on to it.

use std::rc::Rc;

use tokio::time::Instant;

use super::actor::Provider;
use super::outcome::Outcome;
use super::push::Push;

/// Brings pushes to one vendor, over connections of its own. Built on the thread where it stays.
pub trait Courier: 'static {
    /// Makes one attempt; an `Err` is the outcome of a push that was not answered.
    fn deliver(
        &self,
        push: &Push,
        deadline: Instant,
    ) -> impl Future<Output = Result<Outcome, Outcome>>;
}

impl<C: Courier> Provider for Rc<C> {
    fn send(&self, push: Push, deadline: Instant) -> impl Future<Output = Outcome> + 'static {
        let courier = self.clone();
        async move {
            match courier.deliver(&push, deadline).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        }
    }
}
