//! Somebody who looks on: stands before a provider actor, passes every push on, and tells what came
//! of each attempt. For those who show an operator the steps of one push.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient, ResponseFuture};
use tokio::time::Instant;

use super::actor::Deliver;
use super::outcome::{Cause, Outcome};

/// Takes the outcome of one attempt, and how long it took.
pub type Observe = dyn Fn(&Outcome, Duration) + Send + Sync;

/// An actor before a provider actor.
pub struct Observer {
    actor: Recipient<Deliver>,
    observe: Arc<Observe>,
}

impl Observer {
    /// Stands before `actor`.
    pub fn new(actor: Recipient<Deliver>, observe: Arc<Observe>) -> Self {
        Self { actor, observe }
    }
}

impl Actor for Observer {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Observer {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) -> Self::Result {
        let (attempt, observe) = (self.actor.send(deliver), self.observe.clone());
        let started = Instant::now();
        Box::pin(async move {
            let down = |_| Outcome::backoff(Cause::local("actor_down"));
            let outcome = attempt.await.unwrap_or_else(down);
            observe(&outcome, started.elapsed());
            outcome
        })
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
