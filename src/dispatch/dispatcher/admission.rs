//! Whether a push may go out: this replica's rate limit, and what other replicas know.

use tokio::time::Instant;

use super::Dispatcher;
use crate::dispatch::delivery::Walk;
use crate::dispatch::ending::{Ending, Fate};
use crate::dispatch::state::{Question, Refusal};
use crate::dispatch::table::Key;
use crate::dispatch::verdict::Settlement;

impl Dispatcher {
    pub(super) async fn deliver(&self, walk: &Walk) -> Ending {
        walk.deliver(&self.memory, self.replicas.as_ref(), self.worker).await
    }

    /// Takes a push from the rate limit, unless another replica knows better.
    pub(super) async fn admit(&self, push: Question<'_>, now: Instant) -> Result<(), Refusal> {
        let limits = &self.memory.limits;
        match &self.replicas {
            // In a box, so that the walk is no larger for those who are alone.
            Some(replicas) => Box::pin(replicas.admit(push, limits)).await,
            None => limits
                .take(push.device, now)
                .map_err(|retry_after| Refusal::RateLimited { retry_after }),
        }
    }

    /// Tells the other replicas what came of a push.
    pub(super) async fn tell(&self, push: Question<'_>, ending: &Ending) {
        if let Some(replicas) = &self.replicas {
            Box::pin(replicas.tell(push, ending)).await;
        }
    }
}

/// Returns what other replicas may know of a push.
pub(super) fn asked(walk: &Walk, event: Option<Key>) -> Question<'_> {
    Question {
        device: walk.device,
        pushkey_ts: walk.push.device().pushkey_ts,
        event,
        config: &walk.plan.config,
        deadline: walk.deadline,
    }
}

/// Counts a push that is not sent, and says what comes of it.
pub(super) fn refused(walk: &Walk, refusal: Refusal) -> Ending {
    let metrics = &walk.lane.app.metrics;
    match refusal {
        Refusal::RateLimited { retry_after } => {
            metrics.rate_limited();
            let settlement = Settlement::RateLimited { retry_after };
            Ending::at_once(settlement, Fate::RateLimited, "")
        }
        Refusal::Dead => {
            metrics.rejected_from_memory();
            Ending::at_once(Settlement::Rejected, Fate::RejectedFromMemory, "")
        }
        Refusal::Delivered => {
            metrics.duplicate();
            Ending::at_once(Settlement::Done, Fate::Duplicate, "delivered_before")
        }
        Refusal::DeadlinePassed => {
            metrics.duplicate();
            Ending::at_once(Settlement::DeadlinePassed, Fate::Duplicate, "under_way")
        }
    }
}
