//! The walk of a notification over its devices: what routes and memory answer, and what has to be
//! delivered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::badges::{Placed, Turn};
use super::config::UnknownAppId;
use super::delivery::Walk;
use super::duplicates::{Leader, Sighting};
use super::lane::Lane;
use super::memory::Memory;
use super::plan::Plan;
use super::routes::Routed;
use super::status::{Fate, Settled};
use super::supervisor::Notify;
use super::table::Key;
use super::verdict::{Settlement, Verdict};
use crate::matrix::{Device, SELF_TEST_EVENT_ID};
use crate::providers::{Cause, Push};

/// When to try again after what is soon over: a restart, or too many badges that wait.
const SOON: Duration = Duration::from_secs(1);

/// Delivers notifications on one worker thread.
#[derive(Debug)]
pub struct Dispatcher {
    plan: RefCell<Arc<Plan>>,
    memory: Arc<Memory>,
    worker: usize,
}

impl Dispatcher {
    /// Makes the dispatcher of one worker thread.
    pub fn new(plan: Arc<Plan>, memory: Arc<Memory>, worker: usize) -> Self {
        Self {
            plan: RefCell::new(plan),
            memory,
            worker,
        }
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
    pub async fn notify(self: Rc<Self>, notify: Notify) -> Verdict {
        let plan = self.plan();
        let Some(_unsettled) = self.memory.begin() else {
            for device in &notify.request.devices {
                if let Routed::To(lane) = plan.routes.find(&device.app_id) {
                    let lane = &plan.lanes[lane];
                    lane.app.metrics.shed("draining");
                    self.note(Some(lane), device, Fate::Shed, "draining");
                }
            }
            return Verdict::Shed { retry_after: SOON };
        };
        let deadline = notify.received + plan.config.deadline();
        let request = notify.request;
        let devices = &request.devices;
        let pushkeys = devices.iter().map(|device| &device.pushkey);
        let mut keys = devices.iter().map(|device| self.memory.keys.device(device));
        let push = |i, key| {
            let push = Push::new(request.clone(), i)?;
            Some(self.push(&plan, push, key, deadline))
        };
        if devices.len() == 1 {
            let settlement = match keys.next().and_then(|key| push(0, key)) {
                Some(push) => push.await,
                None => Settlement::Done,
            };
            return Verdict::fold(pushkeys.zip([settlement]));
        }
        // The same device twice in one request is one push.
        let mut first: HashMap<Key, usize> = HashMap::with_capacity(devices.len());
        let mut pushes = Vec::with_capacity(devices.len());
        let mut place = Vec::with_capacity(devices.len());
        for (i, key) in keys.enumerate() {
            place.push(*first.entry(key).or_insert_with(|| {
                pushes.extend(push(i, key));
                pushes.len() - 1
            }));
        }
        let settlements = join_all(pushes).await;
        Verdict::fold(pushkeys.zip(place.into_iter().map(|place| settlements[place])))
    }

    /// Takes one push as far as memory and routes can; what is left is delivered.
    async fn push(
        self: &Rc<Self>,
        plan: &Arc<Plan>,
        push: Push,
        device: Key,
        deadline: Instant,
    ) -> Settlement {
        let memory = &self.memory;
        let Device {
            app_id,
            pushkey,
            pushkey_ts,
            ..
        } = push.device();
        if push.device().has_oversized_app_id() {
            self.note(None, push.device(), Fate::Rejected, "app_id_too_long");
            return Settlement::Rejected;
        }
        let lane = match route(plan, app_id) {
            Ok(lane) => lane.clone(),
            Err(settlement) => {
                let (fate, reason) = lost(settlement);
                self.note(None, push.device(), fate, reason);
                return settlement;
            }
        };
        let metrics = &lane.app.metrics;
        if push.device().has_impossible_pushkey() {
            metrics.settled("rejected", "undecodable_pushkey", Duration::ZERO);
            let (lane, reason) = (Some(&*lane), "undecodable_pushkey");
            self.note(lane, push.device(), Fate::Rejected, reason);
            return Settlement::Rejected;
        }
        if memory.rejections.is_dead(device, *pushkey_ts, memory.now()) {
            metrics.rejected_from_memory();
            let settled = Settled {
                known_since: memory.rejected_since(device),
                ..Settled::new(Some(&lane), pushkey, Fate::RejectedFromMemory, "known_dead")
            };
            memory.recents.note(self.worker, &settled);
            return Settlement::Rejected;
        }
        let notification = push.notification();
        let (event_id, is_badge_only) =
            (notification.event_id.clone(), notification.is_badge_only());
        let walk = Walk {
            plan: plan.clone(),
            lane: lane.clone(),
            push,
            device,
            deadline,
        };
        if is_badge_only {
            return self.badge(walk).await;
        }
        let Some(event_id) = event_id.filter(|id| id != SELF_TEST_EVENT_ID) else {
            return self.event(&walk, None).await;
        };
        let event = memory.keys.event(device, &event_id);
        match memory.duplicates.sight(event, memory.now()) {
            Sighting::Delivered => {
                metrics.duplicate();
                walk.note(memory, self.worker, Fate::Duplicate, "delivered_before");
                Settlement::Done
            }
            Sighting::UnderWay(copy) => {
                metrics.duplicate();
                walk.note(memory, self.worker, Fate::Duplicate, "under_way");
                let settlement = timeout_at(deadline, copy.settlement()).await;
                settlement.unwrap_or(Settlement::DeadlinePassed)
            }
            Sighting::First(leader) => self.event(&walk, Some(leader)).await,
        }
    }

    /// Takes note of a push that goes no further.
    fn note(&self, lane: Option<&Lane>, device: &Device, fate: Fate, reason: &'static str) {
        let settled = Settled::new(lane, &device.pushkey, fate, reason);
        self.memory.recents.note(self.worker, &settled);
    }

    /// An event push: over the rate limit it is the homeserver that waits, and nothing is lost.
    async fn event(&self, walk: &Walk, leader: Option<Leader>) -> Settlement {
        let memory = &self.memory;
        let delivered = match memory.limits.take(walk.device) {
            Ok(()) => {
                if walk.push.notification().counts.is_some() {
                    memory.badges.supersede(walk.device);
                }
                walk.deliver(memory, self.worker).await
            }
            Err(retry_after) => {
                walk.lane.app.metrics.rate_limited();
                walk.note(memory, self.worker, Fate::RateLimited, "rate_limit");
                Settlement::RateLimited { retry_after }.into()
            }
        };
        if let Some(leader) = leader {
            leader.finish(delivered.settlement, delivered.accepted, memory.now());
        }
        delivered.settlement
    }

    /// A badge-only push: one that must wait is answered at once, and the latest is sent later.
    async fn badge(self: &Rc<Self>, walk: Walk) -> Settlement {
        let (memory, metrics) = (&self.memory, &walk.lane.app.metrics);
        let coalesce = Duration::from_millis(walk.plan.config.badge_coalesce_ms);
        if memory.badges.replace(walk.device, &walk.push) {
            return Settlement::Done;
        }
        let wait = if coalesce.is_zero() {
            match memory.limits.take(walk.device) {
                Ok(()) => return walk.deliver(memory, self.worker).await.settlement,
                Err(wait) => {
                    metrics.rate_limited();
                    walk.note(memory, self.worker, Fate::RateLimited, "badge_waits");
                    wait
                }
            }
        } else {
            coalesce
        };
        match memory.badges.place(walk.device, walk.push.clone()) {
            Placed::Replaced => {}
            Placed::First(turn) => {
                // Counted before the answer is given, so that a drain does not miss it.
                let promise = memory.begin_later();
                let later = self.clone().badge_later(turn, walk.device, wait);
                actix_rt::spawn(async move {
                    later.await;
                    drop(promise);
                });
            }
            Placed::Full => {
                metrics.shed("in_flight");
                walk.note(memory, self.worker, Fate::Shed, "in_flight");
                return Settlement::Shed { retry_after: SOON };
            }
        }
        Settlement::Done
    }

    /// Waits until the limit allows a push, and sends the latest that came meanwhile. What was
    /// promised is kept in a shutdown too, limit or not.
    async fn badge_later(self: Rc<Self>, turn: Turn, device: Key, mut wait: Duration) {
        let memory = &self.memory;
        while !memory.sleep_unless_draining(wait).await && turn.is_needed() {
            match memory.limits.take(device) {
                Ok(()) => break,
                Err(longer) => wait = longer,
            }
        }
        let Some(push) = turn.take() else {
            return;
        };
        // The app may have another lane by now, or none.
        let plan = self.plan();
        if let Ok(lane) = route(&plan, &push.device().app_id) {
            let walk = Walk {
                lane: lane.clone(),
                deadline: Instant::now() + plan.config.deadline(),
                plan,
                push,
                device,
            };
            walk.deliver(memory, self.worker).await;
        }
    }
}

/// Returns what becomes of a push for which there is no lane, and why.
fn lost(settlement: Settlement) -> (Fate, &'static str) {
    match settlement {
        Settlement::Rejected => (Fate::Rejected, "unknown_app_id"),
        _ => (Fate::Transient, "unroutable_app_id"),
    }
}

/// Finds the lane of an app_id, or what to say where there is none.
fn route<'a>(plan: &'a Plan, app_id: &str) -> Result<&'a Arc<Lane>, Settlement> {
    match plan.routes.find(app_id) {
        Routed::To(lane) => Ok(&plan.lanes[lane]),
        Routed::Ambiguous(lane) => {
            let Lane { app, alarms, .. } = &*plan.lanes[lane];
            let cause = Cause::alarm("ambiguous_app_id")
                .with_detail("another app matches this app_id as well: name it exactly in `apps`");
            alarms.raise(&app.metrics, app.provider, &cause);
            Err(Settlement::ProviderFailed)
        }
        Routed::Unknown => Err(match plan.config.unknown_app_id {
            UnknownAppId::Reject => {
                tracing::warn!(app_id, "no app has this app_id: its pushkey is rejected");
                Settlement::Rejected
            }
            UnknownAppId::Error => {
                tracing::error!(app_id, "no app has this app_id: the request fails");
                Settlement::ProviderFailed
            }
        }),
    }
}
