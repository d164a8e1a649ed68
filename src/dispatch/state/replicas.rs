//! The other replicas: what they know of a push before it is sent, and what they are told of it.
//!
//! Each event is claimed before it is sent, so that of two copies at two replicas one is sent. The
//! other waits for what comes of it, as a copy in the same process does; a claim ends soon after
//! the deadline of its push, so one whose replica died holds a repeat back for no longer than that.
//! A replica's own claims hold nothing back: in one process copies join before they get here.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::link::Link;
use super::scripts::{self, Answer, Told};
use super::server::Redis;
use super::{Question, Refusal};
use crate::dispatch::ending::Ending;
use crate::dispatch::limits::Limits;
use crate::dispatch::table::Key;
use crate::dispatch::verdict::Settlement;

/// Upper bounds of the waits between two looks at an event that is under way elsewhere: the first,
/// doubling, and the last.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// The other replicas, seen from one worker thread.
#[derive(Debug)]
pub struct Replicas {
    link: Rc<Link>,
}

impl Replicas {
    /// Begins to open a connection.
    pub fn new(redis: &Arc<Redis>) -> Self {
        Self { link: Rc::new(Link::open(redis.clone())) }
    }

    /// Claims the event of a push and takes it from the rate limit, unless another replica knows
    /// that it need not or may not be sent. Where Redis does not answer, this process's limits
    /// decide alone.
    ///
    /// # Errors
    ///
    /// Returns why the push is not to be sent.
    pub async fn admit(&self, question: Question<'_>, limits: &Limits) -> Result<(), Refusal> {
        let limited = |retry_after| Refusal::RateLimited { retry_after };
        let mut wait = FIRST_LOOK;
        loop {
            let answer = self
                .link
                .ask(|scripts| scripts.ask(question))
                .await
                .and_then(|answer| Answer::of(&answer));
            return match answer {
                None => limits.take(question.device, Instant::now()).map_err(limited),
                Some(Answer::Go) => {
                    // For the time when Redis does not answer.
                    let _ = limits.take(question.device, Instant::now());
                    Ok(())
                }
                Some(Answer::Limited(retry_after)) => Err(limited(retry_after)),
                Some(Answer::Dead) => Err(Refusal::Dead),
                Some(Answer::Delivered) => Err(Refusal::Delivered),
                Some(Answer::UnderWay) if Instant::now() + wait >= question.deadline => {
                    Err(Refusal::DeadlinePassed)
                }
                Some(Answer::UnderWay) => {
                    sleep(wait).await;
                    wait = (2 * wait).min(LAST_LOOK);
                    continue;
                }
            };
        }
    }

    /// Tells what came of a push that was admitted. Awaited before the homeserver is answered: its
    /// repeat at another replica must find a delivered event.
    pub async fn tell(&self, question: Question<'_>, ending: &Ending) {
        let told = if ending.settlement == Settlement::Rejected {
            Told::Rejected
        } else if question.event.is_none() {
            return;
        } else if ending.is_accepted() {
            Told::Accepted
        } else {
            Told::Failed
        };
        self.link.ask::<u8>(|scripts| scripts.tell(question, told)).await;
    }

    /// Forgets pushkeys whose rejection is not believed any more.
    pub fn forget(&self, devices: Vec<Key>) {
        let link = self.link.clone();
        actix_rt::spawn(async move {
            for device in devices {
                link.ask::<u8>(|_| scripts::forget(device)).await;
            }
        });
    }
}
