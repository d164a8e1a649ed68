//! The delivery of one push that nothing in memory answers, and what is learnt from its outcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::guard::Judgement;
use super::lane::{Lane, Refused};
use super::memory::Memory;
use super::plan::Plan;
use super::report::{Ending, Fate};
use super::retry::{self, Attempted, Delivery};
use super::table::Key;
use super::verdict::Settlement;
use crate::providers::{Cause, Outcome, Push, Retry};
use crate::telemetry::logs;

/// One push on its way, with what its steps need.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The plan it began under, and ends by.
    pub plan: Arc<Plan>,
    /// The lane of its app.
    pub lane: Arc<Lane>,
    /// What to send.
    pub push: Push,
    /// The key of its device.
    pub device: Key,
    /// When it must be settled.
    pub deadline: Instant,
}

impl Walk {
    /// Delivers, if there is a place in flight and the circuit lets it, with its repeats.
    pub async fn deliver(&self, memory: &Memory, worker: usize) -> Ending {
        let lane = &self.lane;
        let started = Instant::now();
        let _place = match lane.enter(self.deadline) {
            Ok(place) => place,
            Err(Refused { cause, retry_after }) => {
                lane.app.metrics.shed(cause);
                return Ending::shed(retry_after, cause);
            }
        };
        let leave = match lane.circuit.enter(started) {
            Ok(leave) => leave,
            Err(retry_after) => {
                lane.app.metrics.shed("circuit");
                return Ending::shed(retry_after, "circuit");
            }
        };
        let (push, retry) = (&self.push, &self.plan.config.retry);
        let Attempted { delivery, attempts } =
            retry::deliver(lane, worker, push, self.deadline, retry, leave).await;
        let (settlement, fate, reason) = match delivery {
            Delivery::Outcome(outcome) => {
                let outcome = self.believe(memory, outcome);
                let reason = self.settled(&outcome, attempts, started.elapsed());
                (Settlement::of(&outcome), Fate::of(&outcome), reason)
            }
            Delivery::DeadlinePassed => {
                let took = started.elapsed();
                lane.app.metrics.settled("transient", "deadline", took);
                (Settlement::DeadlinePassed, Fate::Transient, "deadline")
            }
        };
        Ending {
            settlement,
            fate,
            reason,
            attempts,
            took: started.elapsed(),
        }
    }

    /// Remembers what an outcome says of the pushkey; withholds a rejection that looks like ours.
    fn believe(&self, memory: &Memory, outcome: Outcome) -> Outcome {
        let now = memory.now();
        match &outcome {
            Outcome::Accepted => self.lane.guard.accepted(self.device, now),
            Outcome::Rejected(cause) => match self.lane.guard.rejected(self.device, now) {
                Judgement::PassOn => {
                    let pushkey_ts = self.push.device().pushkey_ts;
                    memory.rejections.remember(self.device, pushkey_ts, now);
                }
                Judgement::Withhold(wrong) => {
                    for device in wrong {
                        memory.rejections.forget(device);
                    }
                    return withheld(cause);
                }
            },
            Outcome::Transient { .. } | Outcome::Permanent(_) => {}
        }
        outcome
    }

    /// Counts what came of it, and says why it came to that.
    fn settled(&self, outcome: &Outcome, attempts: u32, took: Duration) -> &'static str {
        let app = &self.lane.app;
        let cause = outcome.cause();
        let reason = cause.map_or("", |cause| cause.reason);
        app.metrics.settled(outcome.as_str(), reason, took);
        if let Some(cause) = cause.filter(|cause| cause.alarm) {
            self.lane.alarms.raise(&app.metrics, app.provider, cause);
        }
        tracing::debug!(
            outcome = outcome.as_str(),
            reason = cause.map(|cause| cause.reason),
            detail = cause.and_then(|cause| cause.detail.as_deref()),
            attempts,
            ms = logs::whole_ms(took),
            "push settled",
        );
        reason
    }
}

fn withheld(rejection: &Cause) -> Outcome {
    let reason = rejection.reason;
    let cause = Cause::alarm("mass_rejection_guard").with_detail(format!(
        "most pushkeys of this app would be rejected ({reason}): check platform, topic and \
         project; nothing is rejected until the share falls or the app's configuration changes"
    ));
    let retry = Retry::Useless;
    Outcome::Transient { cause, retry }
}
