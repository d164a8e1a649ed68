//! The supervisor of one worker thread: takes notifications from the front desk, starts this
//! thread's provider actors, and rebuilds those that fall.
//!
//! actix's own `Supervisor` does not survive a panic: it closes the mailbox for good. Here the
//! fallen actor tells of its end ([`Down`]) and a new one is built after a backoff, in the same
//! seat.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, AsyncContext as _, Context, Handler, Message, MessageResult, Recipient, ResponseFuture,
};
use tokio::time::{Instant, sleep};
use tracing::{Instrument as _, Span};

use super::dispatcher::Dispatcher;
use super::ending::Notified;
use super::lane::Lane;
use super::memory::Memory;
use super::plan::Plan;
use crate::matrix::NotifyRequest;
use crate::providers::actor::Down;

/// Notifications that may wait for the supervisor before they are started.
const MAILBOX_CAPACITY: usize = 65_536;

/// Upper bound of the wait before the first rebuild; doubles with each fall.
const FIRST_REBUILD: Duration = Duration::from_millis(200);

/// Upper bound of every wait before a rebuild.
const LAST_REBUILD: Duration = Duration::from_secs(30);

/// Time without a fall after which the backoff starts anew.
const QUIET: Duration = Duration::from_secs(60);

/// Asks the supervisor to deliver a notification to all its devices.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Notified")]
pub struct Notify {
    /// What to deliver.
    pub request: Arc<NotifyRequest>,
    /// When the request was received whole: the deadline counts from here.
    pub received: Instant,
    /// Whether somebody wants to know what came of each device.
    pub reported: bool,
    /// The trace of the request; its pushes become part of it.
    pub span: Span,
}

/// Puts a reloaded plan in force.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Adopt(pub Arc<Plan>);

/// Asks whether the thread moves: the answer is that there is one.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Beat;

/// Asks for a new actor in an empty seat.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct Rebuild {
    lane: u64,
    actor: usize,
}

/// The supervisor of one worker thread.
#[derive(Debug)]
pub struct Supervisor {
    dispatcher: Rc<Dispatcher>,
    falls: RefCell<HashMap<(u64, usize), Falls>>,
}

/// How often and when an actor fell lately.
#[derive(Debug, Clone, Copy)]
struct Falls {
    count: u32,
    last: Instant,
    rebuilding: bool,
}

impl Supervisor {
    /// Makes the supervisor of worker thread `worker`.
    pub fn new(plan: Arc<Plan>, memory: Arc<Memory>, worker: usize) -> Self {
        let dispatcher = Rc::new(Dispatcher::new(plan, memory, worker));
        Self { dispatcher, falls: RefCell::default() }
    }

    /// Seats this thread's actors of every lane; those that sit stay.
    fn seat_all(&self, ctx: &Context<Self>) {
        for lane in &self.dispatcher.plan().lanes {
            for actor in lane.seats.actors_on(self.dispatcher.worker()) {
                self.seat(lane, actor, ctx);
            }
        }
    }

    fn seat(&self, lane: &Lane, actor: usize, ctx: &Context<Self>) {
        let supervisor: Recipient<Down> = ctx.address().recipient();
        // A provider that cannot even be built must not take the supervisor down with it.
        let seated = catch_unwind(AssertUnwindSafe(|| {
            lane.seats.seat(&lane.app, actor, supervisor);
        }));
        if seated.is_err() {
            lane.app.metrics.actor_restarted("panic");
            tracing::warn!(app = lane.app.pattern, "cannot build a provider actor yet");
            self.rebuild_later(lane.id(), actor, ctx);
        }
    }

    fn rebuild_later(&self, lane: u64, actor: usize, ctx: &Context<Self>) {
        let Some(wait) = self.next_wait(lane, actor) else {
            return;
        };
        let supervisor = ctx.address();
        actix_rt::spawn(async move {
            sleep(wait).await;
            supervisor.do_send(Rebuild { lane, actor });
        });
    }

    /// Returns the wait before the next rebuild of a seat, unless one is under way.
    fn next_wait(&self, lane: u64, actor: usize) -> Option<Duration> {
        let now = Instant::now();
        let mut falls = self.falls.borrow_mut();
        let falls =
            falls.entry((lane, actor)).or_insert(Falls { count: 0, last: now, rebuilding: false });
        if falls.rebuilding {
            return None;
        }
        if now.duration_since(falls.last) > QUIET {
            falls.count = 0;
        }
        let bound = FIRST_REBUILD.saturating_mul(1 << falls.count.min(16)).min(LAST_REBUILD);
        *falls = Falls { count: falls.count + 1, last: now, rebuilding: true };
        Some(bound.mul_f64(fastrand::f64()))
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.seat_all(ctx);
    }
}

impl Handler<Notify> for Supervisor {
    type Result = ResponseFuture<Notified>;

    /// Each notification is a task of its own and ends even if the homeserver goes away meanwhile.
    fn handle(&mut self, notify: Notify, _ctx: &mut Self::Context) -> Self::Result {
        let span = notify.span.clone();
        Box::pin(self.dispatcher.clone().notify(notify).instrument(span))
    }
}

impl Handler<Down> for Supervisor {
    type Result = MessageResult<Down>;

    fn handle(&mut self, down: Down, ctx: &mut Self::Context) -> Self::Result {
        // An actor of an earlier plan ended because nobody needs it any more.
        if let Some(lane) = self.dispatcher.plan().lane(down.seat.lane)
            && lane.seats.vacate(down.seat)
        {
            lane.app.metrics.actor_restarted(if down.panicked { "panic" } else { "wedged" });
            let (app, panicked) = (&lane.app.pattern, down.panicked);
            tracing::warn!(app, panicked, "a provider actor fell: a new one is being built");
            self.rebuild_later(down.seat.lane, down.seat.actor, ctx);
        }
        MessageResult(())
    }
}

impl Handler<Rebuild> for Supervisor {
    type Result = ();

    fn handle(&mut self, rebuild: Rebuild, ctx: &mut Self::Context) {
        let seat = (rebuild.lane, rebuild.actor);
        if let Some(falls) = self.falls.borrow_mut().get_mut(&seat) {
            falls.rebuilding = false;
        }
        if let Some(lane) = self.dispatcher.plan().lane(rebuild.lane) {
            self.seat(lane, rebuild.actor, ctx);
        }
    }
}

impl Handler<Beat> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Beat, _ctx: &mut Self::Context) -> Self::Result {}
}

impl Handler<Adopt> for Supervisor {
    type Result = ();

    fn handle(&mut self, Adopt(plan): Adopt, ctx: &mut Self::Context) {
        self.falls.borrow_mut().retain(|(lane, _), _| plan.lane(*lane).is_some());
        self.dispatcher.adopt(plan);
        self.seat_all(ctx);
    }
}
