//! The delivery of one push that nothing in memory answers, and what is learnt from its outcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::guard::Judgement;
use super::lane::{Lane, Refused};
use super::memory::Memory;
use super::plan::Plan;
use super::retry::{self, Delivery};
use super::status::{Fate, Settled};
use super::table::Key;
use super::verdict::Settlement;
use crate::providers::{Cause, Outcome, Push, Retry};
use crate::telemetry::logs::ShortHash;

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

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// For the homeserver.
    pub settlement: Settlement,
    /// Whether the provider took it.
    pub accepted: bool,
}

impl From<Settlement> for Delivered {
    fn from(settlement: Settlement) -> Self {
        Self {
            settlement,
            accepted: false,
        }
    }
}

impl Walk {
    /// Delivers, if there is a place in flight and the circuit lets it, with its repeats.
    pub async fn deliver(&self, memory: &Memory, worker: usize) -> Delivered {
        let lane = &self.lane;
        let started = Instant::now();
        let _place = match lane.enter(self.deadline) {
            Ok(place) => place,
            Err(Refused { cause, retry_after }) => {
                lane.app.metrics.shed(cause);
                self.note(memory, worker, Fate::Shed, cause);
                return Settlement::Shed { retry_after }.into();
            }
        };
        let leave = match lane.circuit.enter(started) {
            Ok(leave) => leave,
            Err(retry_after) => {
                lane.app.metrics.shed("circuit");
                self.note(memory, worker, Fate::Shed, "circuit");
                return Settlement::Shed { retry_after }.into();
            }
        };
        let (push, retry) = (&self.push, &self.plan.config.retry);
        let delivery = retry::deliver(lane, worker, push, self.deadline, retry, leave).await;
        let outcome = match delivery {
            Delivery::Outcome(outcome) => self.believe(memory, outcome),
            Delivery::DeadlinePassed => {
                let took = started.elapsed();
                lane.app.metrics.settled("transient", "deadline", took);
                let settled = self.as_settled(Fate::Transient, "deadline");
                memory.recents.note(worker, &Settled { took, ..settled });
                return Settlement::DeadlinePassed.into();
            }
        };
        self.settled(&outcome, started.elapsed(), memory, worker);
        Delivered {
            settlement: match outcome {
                Outcome::Accepted | Outcome::Permanent(_) => Settlement::Done,
                Outcome::Rejected(_) => Settlement::Rejected,
                Outcome::Transient { .. } => Settlement::ProviderFailed,
            },
            accepted: outcome == Outcome::Accepted,
        }
    }

    /// Takes note of what came of it without an attempt.
    pub fn note(&self, memory: &Memory, worker: usize, fate: Fate, reason: &'static str) {
        memory.recents.note(worker, &self.as_settled(fate, reason));
    }

    fn as_settled(&self, fate: Fate, reason: &'static str) -> Settled<'_> {
        Settled::new(Some(&self.lane), &self.push.device().pushkey, fate, reason)
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

    /// Counts and logs what came of it.
    fn settled(&self, outcome: &Outcome, took: Duration, memory: &Memory, worker: usize) {
        let (app, push) = (&self.lane.app, &self.push);
        let cause = outcome.cause();
        let reason = cause.map_or("", |cause| cause.reason);
        let detail = cause.and_then(|cause| cause.detail.as_deref());
        app.metrics.settled(outcome.as_str(), reason, took);
        let settled = Settled {
            detail,
            took,
            ..self.as_settled(Fate::of(outcome), reason)
        };
        memory.recents.note(worker, &settled);
        if let Some(cause) = cause.filter(|cause| cause.alarm) {
            self.lane.alarms.raise(&app.metrics, app.provider, cause);
        }
        tracing::debug!(
            app = %app.pattern,
            pushkey = %ShortHash(&push.device().pushkey),
            event_id = push.notification().event_id.as_deref().unwrap_or_default(),
            outcome = outcome.as_str(),
            reason,
            detail = detail.unwrap_or_default(),
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "push settled",
        );
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
