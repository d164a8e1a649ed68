//! The provider actor: takes pushes, hands each to its provider, and tells of its own end.
//!
//! Each push is a task of its own (`ResponseFuture`): futures in the actor's own context would all
//! be polled on every wake. In-flight limits are kept in front, by the lane: an async handler
//! leaves the mailbox at once, so a mailbox is no back-pressure.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::{
    Actor, ActorContext as _, Addr, AsyncContext as _, Context, Handler, Message, Recipient,
    ResponseFuture,
};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::outcome::{Cause, Outcome};
use super::push::Push;

/// Messages that may wait in an actor's mailbox before they are started.
const MAILBOX_CAPACITY: usize = 16_384;

/// How one push reaches one vendor. Built on the thread where it stays.
pub trait Provider: Clone + Unpin + 'static {
    /// Sends one push; must end at `deadline`, and may be dropped at any point before.
    fn send(&self, push: Push, deadline: Instant) -> impl Future<Output = Outcome> + 'static;
}

/// Asks a provider actor to make one attempt.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Outcome")]
pub struct Deliver {
    /// What to send.
    pub push: Push,
    /// When the attempt must have ended.
    pub deadline: Instant,
    /// The actor's number for it, see [`Pulse`].
    pub number: u64,
}

/// Where a provider actor stands: the lane it serves, and which of the lane's actors it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The lane's name in this process.
    pub lane: u64,
    /// The actor's index in the lane.
    pub actor: usize,
    /// Never the same twice in one process: tells an old actor's end from a new one's.
    pub generation: u64,
}

/// Whether a provider actor moves, as those see it who wait for it.
#[derive(Debug, Default)]
pub struct Pulse {
    numbers: AtomicU64,
    begun: AtomicU64,
    done: AtomicU64,
}

impl Pulse {
    /// Numbers a push for this actor, in the order in which it takes them.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns the number up to which it has begun.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Returns how many pushes it has answered.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// Tells the supervisor that a provider actor has ended, or has to be given up.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Down {
    /// Which.
    pub seat: Seat,
    /// Whether it panicked; otherwise it stopped moving.
    pub panicked: bool,
}

/// Ends the actor after one of its tasks panicked: its state cannot be trusted any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct TaskPanicked;

/// An actor around one provider.
#[derive(Debug)]
pub struct ProviderActor<P: Provider> {
    provider: P,
    supervisor: Recipient<Down>,
    seat: Seat,
    pulse: Arc<Pulse>,
    panicked: bool,
    /// Its own address, which its tasks share and which keeps it alive as long as there are any:
    /// one that the context makes for each of them costs two allocations.
    address: Weak<Addr<Self>>,
}

impl<P: Provider> ProviderActor<P> {
    /// Makes an actor that tells `supervisor` of its end and shows its `pulse`.
    pub fn new(provider: P, supervisor: Recipient<Down>, seat: Seat, pulse: Arc<Pulse>) -> Self {
        Self { provider, supervisor, seat, pulse, panicked: false, address: Weak::new() }
    }
}

impl<P: Provider> Actor for ProviderActor<P> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }

    /// Runs after a stop and after a panic in a handler alike.
    fn stopped(&mut self, _ctx: &mut Self::Context) {
        let panicked = self.panicked || std::thread::panicking();
        self.supervisor.do_send(Down { seat: self.seat, panicked });
    }
}

impl<P: Provider> Handler<Deliver> for ProviderActor<P> {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, deliver: Deliver, ctx: &mut Self::Context) -> Self::Result {
        let provider = self.provider.clone();
        let this = self.address.upgrade().unwrap_or_else(|| {
            let this = Rc::new(ctx.address());
            self.address = Rc::downgrade(&this);
            this
        });
        let pulse = self.pulse.clone();
        pulse.begun.fetch_max(deliver.number, Ordering::Relaxed);
        Box::pin(async move {
            // `send` itself runs inside, so that a panic in it is caught as well.
            let attempt = async move { provider.send(deliver.push, deliver.deadline).await };
            let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
            pulse.done.fetch_add(1, Ordering::Relaxed);
            outcome.unwrap_or_else(|_| {
                this.do_send(TaskPanicked);
                Outcome::backoff(Cause::local("actor_panic"))
            })
        })
    }
}

impl<P: Provider> Handler<TaskPanicked> for ProviderActor<P> {
    type Result = ();

    fn handle(&mut self, _: TaskPanicked, ctx: &mut Self::Context) {
        self.panicked = true;
        ctx.stop();
    }
}
