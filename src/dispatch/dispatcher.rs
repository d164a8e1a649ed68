//! The walk of a notification over its devices: what routes (`address`) and memory answer, what may
//! go out (`admission`), and what has to be delivered; `badge` has the pushes of unread counts
//! alone.

mod address;
mod admission;
mod badge;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;

use address::lane_of;
use admission::{asked, refused};

use super::delivery::Walk;
use super::duplicates::{Leader, Sighting};
use super::ending::{Ending, Fate, Notified, Report};
use super::lane::Lane;
use super::memory::Memory;
use super::plan::Plan;
use super::state::Replicas;
use super::status::Settled;
use super::supervisor::Notify;
use super::table::Key;
use super::verdict::{Settlement, Verdict};
use crate::matrix::{Device, SELF_TEST_EVENT_ID};
use crate::providers::Push;
use crate::telemetry::logs::{self, ShortHash};

/// When to try again after what is soon over: a restart, or too many badges that wait.
const SOON: Duration = Duration::from_secs(1);

/// Delivers notifications on one worker thread.
#[derive(Debug)]
pub struct Dispatcher {
    plan: RefCell<Arc<Plan>>,
    memory: Arc<Memory>,
    /// Where replicas share their tables, this thread's way to the others.
    replicas: Option<Replicas>,
    worker: usize,
}

impl Dispatcher {
    /// Makes the dispatcher of one worker thread.
    pub fn new(plan: Arc<Plan>, memory: Arc<Memory>, worker: usize) -> Self {
        Self { plan: RefCell::new(plan), replicas: memory.home.replicas(), memory, worker }
    }

    /// Returns the plan in force on this thread.
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.borrow().clone()
    }

    /// Puts another plan in force; pushes under way end by the old one.
    pub fn adopt(&self, plan: Arc<Plan>) {
        *self.plan.borrow_mut() = plan;
    }

    /// Returns which worker thread this is.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Delivers to all devices at once and folds what came of them.
    pub async fn notify(self: Rc<Self>, notify: Notify) -> Notified {
        let plan = self.plan();
        let began = Instant::now();
        let Some(_unsettled) = self.memory.begin() else {
            return self.draining(plan, notify, began);
        };
        let deadline = notify.received + plan.config.deadline();
        let request = notify.request;
        let devices = &request.devices;
        let pushkeys = devices.iter().map(|device| &device.pushkey);
        let mut keys = devices.iter().map(|device| self.memory.keys.device(device));
        if let [_] = devices[..]
            && let Some((key, push)) = keys.next().zip(Push::new(request.clone(), 0))
        {
            let ending = self.push(&plan, push, key, began, deadline).await;
            let verdict = Verdict::fold(pushkeys.zip([ending.settlement]));
            let report = notify.reported.then(|| vec![ending]);
            let report = report.map(|it| Report::new(plan, request, it));
            return Notified { verdict, report };
        }
        // The same device twice in one request is one push.
        let mut first: HashMap<Key, usize> = HashMap::with_capacity(devices.len());
        let mut pushes = Vec::with_capacity(devices.len());
        let mut place = Vec::with_capacity(devices.len());
        for (i, key) in keys.enumerate() {
            place.push(*first.entry(key).or_insert_with(|| {
                let push = Push::new(request.clone(), i);
                pushes.extend(push.map(|push| self.push(&plan, push, key, began, deadline)));
                pushes.len() - 1
            }));
        }
        let endings = join_all(pushes).await;
        let settlements = place.iter().map(|&place| endings[place].settlement);
        let verdict = Verdict::fold(pushkeys.zip(settlements));
        let report = notify.reported.then(|| {
            let endings = each_device(&endings, &place);
            Report::new(plan.clone(), request.clone(), endings)
        });
        Notified { verdict, report }
    }

    /// Walks with one push to its end, as a part of the request's trace.
    async fn push(
        self: &Rc<Self>,
        plan: &Arc<Plan>,
        push: Push,
        device: Key,
        began: Instant,
        deadline: Instant,
    ) -> Ending {
        let span = tracing::debug_span!(
            "push",
            app_id = logs::cut(&push.device().app_id),
            pushkey = %ShortHash(&push.device().pushkey),
            outcome = Empty,
            reason = Empty,
            attempts = Empty,
            otel.status_code = Empty,
        );
        let ending = self.walk(plan, push, device, began, deadline).instrument(span.clone()).await;
        if !span.is_disabled() {
            span.record("outcome", ending.fate.as_str());
            span.record("reason", ending.reason);
            span.record("attempts", ending.attempts);
            if !ending.settlement.is_settled() {
                span.record("otel.status_code", "ERROR");
            }
        }
        ending
    }

    /// Takes one push as far as memory and routes can; what is left is delivered.
    async fn walk(
        self: &Rc<Self>,
        plan: &Arc<Plan>,
        push: Push,
        device: Key,
        began: Instant,
        deadline: Instant,
    ) -> Ending {
        let (lane, ending) = match lane_of(plan, push.device()) {
            Ok(lane) => {
                let walk = Walk {
                    plan: plan.clone(),
                    lane: lane.clone(),
                    push: push.clone(),
                    device,
                    began,
                    deadline,
                };
                (Some(&**lane), self.walk_on(walk).await)
            }
            Err(ending) => (None, ending),
        };
        self.note(lane, push.device(), Some(device), &ending, began);
        ending
    }

    /// Takes note of what came of a push.
    fn note(
        &self,
        lane: Option<&Lane>,
        device: &Device,
        key: Option<Key>,
        ending: &Ending,
        began: Instant,
    ) {
        let known = key.filter(|_| ending.fate == Fate::RejectedFromMemory);
        let settled = Settled {
            lane,
            pushkey: &device.pushkey,
            ending,
            known_since: known.and_then(|key| self.memory.rejected_since(key)),
        };
        let now = began + ending.took;
        self.memory.recents.note(self.worker, &settled, now);
    }

    /// Takes one push as far as memory can; what is left is delivered.
    async fn walk_on(self: &Rc<Self>, walk: Walk) -> Ending {
        let memory = &self.memory;
        let (push, lane, device) = (&walk.push, &walk.lane, walk.device);
        let now = memory.tick(walk.began);
        let metrics = &lane.app.metrics;
        if push.device().has_impossible_pushkey() {
            let reason = "undecodable_pushkey";
            metrics.settled("rejected", reason, Duration::ZERO);
            return Ending::at_once(Settlement::Rejected, Fate::Rejected, reason);
        }
        if memory.rejections.is_dead(device, push.device().pushkey_ts, now) {
            metrics.rejected_from_memory();
            return Ending::at_once(Settlement::Rejected, Fate::RejectedFromMemory, "");
        }
        let notification = push.notification();
        if notification.is_badge_only() {
            // In a box, so that the walk of an event is no larger for it.
            return Box::pin(self.badge(walk)).await;
        }
        let event_id = notification.event_id.as_deref();
        let event_id = event_id.filter(|&id| id != SELF_TEST_EVENT_ID);
        let event = event_id.map(|id| memory.keys.event(device, id));
        let leader = match event.map(|event| memory.duplicates.sight(event, now)) {
            None => None,
            Some(Sighting::First(leader)) => Some(leader),
            Some(Sighting::Delivered) => {
                metrics.duplicate();
                let settlement = Settlement::Done;
                return Ending::at_once(settlement, Fate::Duplicate, "delivered_before");
            }
            Some(Sighting::UnderWay(copy)) => {
                metrics.duplicate();
                let settlement = timeout_at(walk.deadline, copy.settlement()).await;
                let settlement = settlement.unwrap_or(Settlement::DeadlinePassed);
                return Ending {
                    took: walk.began.elapsed(),
                    ..Ending::at_once(settlement, Fate::Duplicate, "under_way")
                };
            }
        };
        self.event(&walk, leader).await
    }

    /// An event push: over the rate limit it is the homeserver that waits, and nothing is lost.
    async fn event(&self, walk: &Walk, leader: Option<Leader>) -> Ending {
        let memory = &self.memory;
        let asked = asked(walk, leader.as_ref().map(Leader::key));
        let admitted = self.admit(asked, walk.began).await;
        let ending = match admitted {
            Ok(()) => {
                if walk.push.notification().counts.is_some() {
                    memory.badges.supersede(walk.device);
                }
                self.deliver(walk).await
            }
            Err(refusal) => refused(walk, refusal),
        };
        if let Some(leader) = leader {
            let now = memory.tick(walk.began + ending.took);
            leader.finish(ending.settlement, ending.is_accepted(), now);
        }
        if admitted.is_ok() {
            self.tell(asked, &ending).await;
        }
        ending
    }

    /// Sheds a notification because the gateway is shutting down.
    fn draining(&self, plan: Arc<Plan>, notify: Notify, now: Instant) -> Notified {
        let Notify { request, reported, .. } = notify;
        let ending = Ending::shed(SOON, "draining");
        for device in &request.devices {
            if let Ok(lane) = lane_of(&plan, device) {
                lane.app.metrics.shed("draining");
                self.note(Some(lane), device, None, &ending, now);
            }
        }
        let report = reported.then(|| vec![ending; request.devices.len()]);
        Notified {
            verdict: Verdict::Shed { retry_after: SOON },
            report: report.map(|it| Report::new(plan, request, it)),
        }
    }
}

/// Returns the ending of each device, where some share a place among the pushes.
fn each_device(endings: &[Ending], places: &[usize]) -> Vec<Ending> {
    let mut seen = 0;
    let each = places.iter().map(|&place| {
        if place == seen {
            seen += 1;
            return endings[place].clone();
        }
        let settlement = endings[place].settlement;
        Ending::at_once(settlement, Fate::Duplicate, "same_request")
    });
    each.collect()
}
