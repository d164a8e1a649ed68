//! The delivery of one push that nothing in memory answers, and what is learnt from its outcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ending::{Ending, Fate};
use super::guard::Judgement;
use super::lane::{Lane, Refused};
use super::memory::Memory;
use super::plan::Plan;
use super::retry::{self, Attempted, Delivery};
use super::state::Replicas;
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
    /// When it began. What memory knows, it knows of that moment: clocks are not free.
    pub began: Instant,
    /// When it must be settled.
    pub deadline: Instant,
}

impl Walk {
    /// Delivers, if there is a place in flight and the circuit lets it, with its repeats.
    pub async fn deliver(
        &self,
        memory: &Memory,
        replicas: Option<&Replicas>,
        worker: usize,
    ) -> Ending {
        let lane = &self.lane;
        let _place = match lane.enter(self.began, self.deadline) {
            Ok(place) => place,
            Err(Refused { cause, retry_after }) => {
                lane.app.metrics.shed(cause);
                return Ending::shed(retry_after, cause);
            }
        };
        let leave = match lane.circuit.enter(self.began) {
            Ok(leave) => leave,
            Err(retry_after) => {
                lane.app.metrics.shed("circuit");
                return Ending::shed(retry_after, "circuit");
            }
        };
        let Attempted { delivery, attempts, ended } = retry::deliver(
            lane,
            worker,
            &self.push,
            self.began,
            self.deadline,
            &self.plan.config.retry,
            leave,
        )
        .await;
        let took = ended.saturating_duration_since(self.began);
        match delivery {
            Delivery::Outcome(outcome) => {
                let outcome = self.believe(memory, replicas, outcome, ended);
                self.settled(outcome, attempts, took)
            }
            Delivery::DeadlinePassed => {
                let (settlement, reason) = (Settlement::DeadlinePassed, "deadline");
                lane.app.metrics.settled("transient", reason, took);
                Ending { attempts, took, ..Ending::at_once(settlement, Fate::Transient, reason) }
            }
        }
    }

    /// Remembers what an outcome says of the pushkey; withholds a rejection that looks like ours.
    fn believe(
        &self,
        memory: &Memory,
        replicas: Option<&Replicas>,
        outcome: Outcome,
        ended: Instant,
    ) -> Outcome {
        let now = memory.tick(ended);
        match &outcome {
            Outcome::Accepted => self.lane.guard.accepted(self.device, now),
            Outcome::Rejected(cause) => match self.lane.guard.rejected(self.device, now) {
                Judgement::PassOn => {
                    let pushkey_ts = self.push.device().pushkey_ts;
                    memory.rejections.remember(self.device, pushkey_ts, now);
                }
                Judgement::Withhold(wrong) => {
                    for &device in &wrong {
                        memory.rejections.forget(device);
                    }
                    if let Some(replicas) = replicas {
                        replicas.forget(wrong);
                    }
                    return withheld(cause);
                }
            },
            Outcome::Transient { .. } | Outcome::Permanent(_) => {}
        }
        outcome
    }

    /// Counts what came of it, and tells it.
    fn settled(&self, outcome: Outcome, attempts: u32, took: Duration) -> Ending {
        let app = &self.lane.app;
        let (settlement, fate) = (Settlement::of(&outcome), Fate::of(&outcome));
        let cause = outcome.into_cause();
        let reason = cause.as_ref().map_or("", |cause| cause.reason);
        app.metrics.settled(fate.as_str(), reason, took);
        if let Some(cause) = cause.as_ref().filter(|cause| cause.alarm) {
            self.lane.alarms.raise(&app.metrics, app.provider, cause);
        }
        let detail = cause.and_then(|cause| cause.detail);
        tracing::debug!(
            outcome = fate.as_str(),
            reason = (!reason.is_empty()).then_some(reason),
            detail = detail.as_deref(),
            attempts,
            ms = logs::whole_ms(took),
            "push settled",
        );
        Ending { settlement, fate, reason, detail, attempts, took }
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
