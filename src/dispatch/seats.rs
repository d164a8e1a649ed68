//! The seats of one lane: its provider actors over all worker threads.
//!
//! An actor's address is never held outside, so that a rebuilt actor needs no re-wiring.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actix::Recipient;
use actix::dev::RecipientRequest;
use tokio::time::Instant;

use crate::providers::actor::{Deliver, Down, Pulse, Seat};
use crate::providers::{App, Push};

/// Names lanes and the actors in them: never the same twice in one process, so that word of an
/// actor's end cannot be taken for its successor's.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The seats of one lane, shared by all worker threads.
#[derive(Debug)]
pub struct Seats {
    lane: u64,
    slots: Vec<Slot>,
    next: AtomicUsize,
    taken: AtomicBool,
}

/// A seat for one provider actor.
#[derive(Debug)]
struct Slot {
    worker: usize,
    current: RwLock<Option<Occupant>>,
}

/// Who sits in a slot, or sat there last.
#[derive(Debug)]
struct Occupant {
    generation: u64,
    /// `None` after its end.
    address: Option<Recipient<Deliver>>,
    pulse: Arc<Pulse>,
    supervisor: Recipient<Down>,
}

/// A push in the hands of an actor.
#[expect(missing_debug_implementations, reason = "actix's request has none")]
pub struct HandedOver {
    /// What comes of it; an error if the actor ended before it began.
    pub reply: RecipientRequest<Deliver>,
    /// Whose hands.
    pub seat: Seat,
    /// Whether that actor moves.
    pub pulse: Arc<Pulse>,
    /// Its number for the push.
    pub number: u64,
    /// How many it had answered before.
    pub done: u64,
}

impl Slot {
    fn read(&self) -> RwLockReadGuard<'_, Option<Occupant>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Occupant>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self) -> bool {
        let current = self.read();
        current.as_ref().is_some_and(|it| it.address().is_some())
    }
}

impl Occupant {
    fn address(&self) -> Option<&Recipient<Deliver>> {
        self.address.as_ref().filter(|address| address.connected())
    }
}

impl Seats {
    /// Makes empty seats, one on each of these worker threads.
    pub fn new(workers: impl Iterator<Item = usize>) -> Self {
        let slot = |worker| Slot { worker, current: RwLock::default() };
        Self {
            lane: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            slots: workers.map(slot).collect(),
            next: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
        }
    }

    /// Returns the lane's name in this process.
    pub fn lane(&self) -> u64 {
        self.lane
    }

    /// Returns which of the lane's actors belong on `worker`.
    pub fn actors_on(&self, worker: usize) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter(move |(_, slot)| slot.worker == worker).map(|(actor, _)| actor)
    }

    /// Starts an actor of the app on the current thread and seats it, unless one sits there.
    pub fn seat(&self, app: &App, actor: usize, supervisor: Recipient<Down>) {
        let Some(slot) = self.slots.get(actor).filter(|slot| !slot.is_up()) else {
            return;
        };
        let generation = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { lane: self.lane, actor, generation };
        let pulse = Arc::new(Pulse::default());
        // Not under the lock: pushes on other threads look here meanwhile.
        let address = app.start(supervisor.clone(), seat, pulse.clone());
        *slot.write() = Some(Occupant { generation, address: Some(address), pulse, supervisor });
        self.taken.store(true, Ordering::Relaxed);
    }

    /// Clears a seat after its actor's end. Returns whether the actor was the current one.
    pub fn vacate(&self, seat: Seat) -> bool {
        let Some(slot) = self.slots.get(seat.actor) else {
            return false;
        };
        let gone = slot.write().take_if(|it| it.generation == seat.generation);
        gone.is_some()
    }

    /// Gives up an actor that does not move any more, and has its supervisor build a new one.
    /// Pushes go elsewhere from now on, even if that supervisor's thread stands still as well.
    pub fn give_up(&self, seat: Seat) {
        let Some(slot) = self.slots.get(seat.actor) else {
            return;
        };
        let mut current = slot.write();
        let occupant = current.as_mut();
        if let Some(wedged) = occupant.filter(|it| it.generation == seat.generation)
            && wedged.address.take().is_some()
        {
            let panicked = false;
            wedged.supervisor.do_send(Down { seat, panicked });
        }
    }

    /// Whether at least one actor can take pushes.
    pub fn is_up(&self) -> bool {
        self.slots.iter().any(Slot::is_up)
    }

    /// Returns how many actors can take pushes.
    pub fn up(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_up()).count()
    }

    /// Returns how many seats there are.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Whether an actor ever sat here.
    pub fn were_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Hands a push to an actor, one on `worker` if there is one; `None` while all are down.
    pub fn hand_over(&self, worker: usize, push: &Push, deadline: Instant) -> Option<HandedOver> {
        let count = self.slots.len();
        let turn = if count > 1 { self.next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let slots = || (0..count).map(|i| turn.wrapping_add(i) % count);
        let is_here = |&actor: &usize| self.slots[actor].worker == worker;
        let here = slots().filter(is_here);
        let elsewhere = slots().filter(|actor| !is_here(actor));
        here.chain(elsewhere).find_map(|actor| {
            let current = self.slots[actor].read();
            let occupant = current.as_ref()?;
            let address = occupant.address()?;
            let pulse = occupant.pulse.clone();
            let (number, done) = (pulse.number(), pulse.done());
            let deliver = Deliver { push: push.clone(), deadline, number };
            Some(HandedOver {
                reply: address.send(deliver),
                seat: Seat { lane: self.lane, actor, generation: occupant.generation },
                pulse,
                number,
                done,
            })
        })
    }
}
