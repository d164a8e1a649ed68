//! The walk of a notification over its devices: what routes and memory answer, and what has to be
//! delivered.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::badges::{Placed, Turn};
use super::config::UnknownAppId;
use super::delivery::Walk;
use super::duplicates::{Leader, Sighting};
use super::ending::{Ending, Fate, Notified, Report};
use super::lane::Lane;
use super::memory::Memory;
use super::plan::Plan;
use super::routes::Routed;
use super::state::{Question, Refusal, Replicas};
use super::status::Settled;
use super::supervisor::Notify;
use super::table::Key;
use super::verdict::{Settlement, Verdict};
use crate::matrix::{Device, SELF_TEST_EVENT_ID};
use crate::providers::{Cause, Push};
use crate::telemetry::logs::{self, ShortHash};

/// When to try again after what is soon over: a restart, or too many badges that wait.
const SOON: Duration = Duration::from_secs(1);

/// What comes of no push.
const NOTHING: Ending = Ending::at_once(Settlement::Done, Fate::Permanent, "");

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
        Self {
            plan: RefCell::new(plan),
            replicas: memory.home.replicas(),
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
    pub async fn notify(self: Rc<Self>, notify: Notify) -> Notified {
        let plan = self.plan();
        let Some(_unsettled) = self.memory.begin() else {
            return self.draining(plan, notify);
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
        if let [_] = devices[..] {
            let ending = match keys.next().and_then(|key| push(0, key)) {
                Some(push) => push.await,
                None => NOTHING,
            };
            let verdict = Verdict::fold(pushkeys.zip([ending.settlement]));
            let report = notify.reported.then(|| vec![ending]);
            let report = report.map(|it| Report::new(plan, request.clone(), it));
            return Notified { verdict, report };
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
        let endings = join_all(pushes).await;
        let settlements = place.iter().map(|&place| endings[place].settlement);
        let verdict = Verdict::fold(pushkeys.zip(settlements));
        let report = notify.reported.then(|| {
            let endings = each_device(&endings, &place);
            Report::new(plan, request.clone(), endings)
        });
        Notified { verdict, report }
    }

    /// Walks with one push to its end, as a part of the request's trace.
    async fn push(
        self: &Rc<Self>,
        plan: &Arc<Plan>,
        push: Push,
        device: Key,
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
        let walk = self.walk(plan, push, device, deadline);
        let ending = walk.instrument(span.clone()).await;
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
        deadline: Instant,
    ) -> Ending {
        let (lane, ending) = match lane_of(plan, push.device()) {
            Ok(lane) => {
                let walk = Walk {
                    plan: plan.clone(),
                    lane: lane.clone(),
                    push: push.clone(),
                    device,
                    deadline,
                };
                (Some(&**lane), self.walk_on(walk).await)
            }
            Err(ending) => (None, ending),
        };
        self.note(lane, push.device(), Some(device), &ending);
        ending
    }

    /// Takes note of a push that goes no further.
    fn note(&self, lane: Option<&Lane>, device: &Device, key: Option<Key>, ending: &Ending) {
        let known = key.filter(|_| ending.fate == Fate::RejectedFromMemory);
        let settled = Settled {
            lane,
            pushkey: &device.pushkey,
            ending,
            known_since: known.and_then(|key| self.memory.rejected_since(key)),
        };
        self.memory.recents.note(self.worker, &settled);
    }

    /// Takes one push as far as memory can; what is left is delivered.
    async fn walk_on(self: &Rc<Self>, walk: Walk) -> Ending {
        let memory = &self.memory;
        let (push, lane, device, deadline) = (&walk.push, &walk.lane, walk.device, walk.deadline);
        let metrics = &lane.app.metrics;
        if push.device().has_impossible_pushkey() {
            let reason = "undecodable_pushkey";
            metrics.settled("rejected", reason, Duration::ZERO);
            return Ending::at_once(Settlement::Rejected, Fate::Rejected, reason);
        }
        if memory
            .rejections
            .is_dead(device, push.device().pushkey_ts, memory.now())
        {
            metrics.rejected_from_memory();
            return Ending::at_once(Settlement::Rejected, Fate::RejectedFromMemory, "");
        }
        let notification = push.notification();
        let (event_id, is_badge_only) =
            (notification.event_id.clone(), notification.is_badge_only());
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
                Ending::at_once(Settlement::Done, Fate::Duplicate, "delivered_before")
            }
            Sighting::UnderWay(copy) => {
                metrics.duplicate();
                let began = Instant::now();
                let settlement = timeout_at(deadline, copy.settlement()).await;
                let settlement = settlement.unwrap_or(Settlement::DeadlinePassed);
                Ending {
                    took: began.elapsed(),
                    ..Ending::at_once(settlement, Fate::Duplicate, "under_way")
                }
            }
            Sighting::First(leader) => self.event(&walk, Some(leader)).await,
        }
    }

    /// An event push: over the rate limit it is the homeserver that waits, and nothing is lost.
    async fn event(&self, walk: &Walk, leader: Option<Leader>) -> Ending {
        let memory = &self.memory;
        let asked = asked(walk, leader.as_ref().map(Leader::key));
        let admitted = self.admit(asked).await;
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
            leader.finish(ending.settlement, ending.is_accepted(), memory.now());
        }
        if admitted.is_ok() {
            self.tell(asked, &ending).await;
        }
        ending
    }

    /// A badge-only push: one that must wait is answered at once, and the latest is sent later.
    async fn badge(self: &Rc<Self>, walk: Walk) -> Ending {
        const COALESCED: Ending = Ending::at_once(Settlement::Done, Fate::Coalesced, "");
        let (memory, metrics) = (&self.memory, &walk.lane.app.metrics);
        let coalesce = Duration::from_millis(walk.plan.config.badge_coalesce_ms);
        if memory.badges.replace(walk.device, &walk.push) {
            return COALESCED;
        }
        let wait = if coalesce.is_zero() {
            match self.admit(asked(&walk, None)).await {
                Ok(()) => return self.deliver_badge(&walk).await,
                Err(Refusal::RateLimited { retry_after }) => {
                    metrics.rate_limited();
                    retry_after
                }
                Err(refusal) => return refused(&walk, refusal),
            }
        } else {
            coalesce
        };
        match memory.badges.place(walk.device, walk.push) {
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
                return Ending::shed(SOON, "in_flight");
            }
        }
        COALESCED
    }

    /// Waits until the limit allows a push, and sends the latest that came meanwhile. What was
    /// promised is kept in a shutdown too, limit or not.
    async fn badge_later(self: Rc<Self>, turn: Turn, device: Key, mut wait: Duration) {
        let memory = &self.memory;
        while !memory.sleep_unless_draining(wait).await && turn.is_needed() {
            let plan = self.plan();
            let push = Question {
                device,
                pushkey_ts: None,
                event: None,
                config: &plan.config,
                deadline: Instant::now(),
            };
            match self.admit(push).await {
                Ok(()) => break,
                Err(Refusal::RateLimited { retry_after }) => wait = retry_after,
                // Dead by now: nobody is to hear of it any more.
                Err(_) => return,
            }
        }
        let Some(push) = turn.take() else {
            return;
        };
        // The app may have another lane by now, or none.
        let plan = self.plan();
        if let Ok(lane) = lane_of(&plan, push.device()) {
            let walk = Walk {
                lane: lane.clone(),
                deadline: Instant::now() + plan.config.deadline(),
                plan: plan.clone(),
                push,
                device,
            };
            let ending = self.deliver_badge(&walk).await;
            self.note(Some(lane), walk.push.device(), Some(device), &ending);
        }
    }

    async fn deliver_badge(&self, walk: &Walk) -> Ending {
        let ending = self.deliver(walk).await;
        self.tell(asked(walk, None), &ending).await;
        ending
    }

    async fn deliver(&self, walk: &Walk) -> Ending {
        walk.deliver(&self.memory, self.replicas.as_ref(), self.worker)
            .await
    }

    /// Takes a push from the rate limit, unless another replica knows better.
    async fn admit(&self, push: Question<'_>) -> Result<(), Refusal> {
        let limits = &self.memory.limits;
        match &self.replicas {
            // In a box, so that the walk is no larger for those who are alone.
            Some(replicas) => Box::pin(replicas.admit(push, limits)).await,
            None => limits
                .take(push.device)
                .map_err(|retry_after| Refusal::RateLimited { retry_after }),
        }
    }

    /// Tells the other replicas what came of a push.
    async fn tell(&self, push: Question<'_>, ending: &Ending) {
        if let Some(replicas) = &self.replicas {
            Box::pin(replicas.tell(push, ending)).await;
        }
    }

    /// Sheds a notification because the gateway is shutting down.
    fn draining(&self, plan: Arc<Plan>, notify: Notify) -> Notified {
        let Notify {
            request, reported, ..
        } = notify;
        let ending = Ending::shed(SOON, "draining");
        for device in &request.devices {
            if let Ok(lane) = lane_of(&plan, device) {
                lane.app.metrics.shed("draining");
                self.note(Some(lane), device, None, &ending);
            }
        }
        let report = reported.then(|| vec![ending; request.devices.len()]);
        Notified {
            verdict: Verdict::Shed { retry_after: SOON },
            report: report.map(|it| Report::new(plan, request, it)),
        }
    }
}

/// Returns what other replicas may know of a push.
fn asked(walk: &Walk, event: Option<Key>) -> Question<'_> {
    Question {
        device: walk.device,
        pushkey_ts: walk.push.device().pushkey_ts,
        event,
        config: &walk.plan.config,
        deadline: walk.deadline,
    }
}

/// Counts a push that is not sent, and says what comes of it.
fn refused(walk: &Walk, refusal: Refusal) -> Ending {
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

/// Finds the lane of a device's app, or what to say where there is none.
fn lane_of<'a>(plan: &'a Plan, device: &Device) -> Result<&'a Arc<Lane>, Ending> {
    let rejected = Settlement::Rejected;
    if device.has_oversized_app_id() {
        return Err(Ending::at_once(
            rejected,
            Fate::UnknownApp,
            "app_id_too_long",
        ));
    }
    let app_id = &*device.app_id;
    match plan.routes.find(app_id) {
        Routed::To(lane) => Ok(&plan.lanes[lane]),
        Routed::Ambiguous(lane) => {
            let Lane { app, alarms, .. } = &*plan.lanes[lane];
            let cause = Cause::alarm("ambiguous_app_id")
                .with_detail("another app matches this app_id as well: name it exactly in `apps`");
            alarms.raise(&app.metrics, app.provider, &cause);
            let settlement = Settlement::ProviderFailed;
            Err(Ending::at_once(settlement, Fate::AmbiguousApp, ""))
        }
        Routed::Unknown => Err(Ending::at_once(unknown(plan, app_id), Fate::UnknownApp, "")),
    }
}

/// Says what an app_id means that no app has. Anyone can make them up, so the log is spared.
fn unknown(plan: &Plan, app_id: &str) -> Settlement {
    let due = plan.unknown_app_ids.is_due();
    match plan.config.unknown_app_id {
        UnknownAppId::Reject => {
            if let Some(left_out) = due {
                tracing::warn!(
                    app_id = logs::cut(app_id),
                    left_out,
                    "no app has this app_id: it is rejected"
                );
            }
            Settlement::Rejected
        }
        UnknownAppId::Error => {
            if let Some(left_out) = due {
                tracing::error!(
                    app_id,
                    left_out,
                    "no app has this app_id: the request fails"
                );
            }
            Settlement::ProviderFailed
        }
    }
}
