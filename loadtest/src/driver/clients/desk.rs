//! Where the connections of one thread get their next notification, and report what came of it.
//!
//! Three ways of sending: as fast as answers come (closed); when it is due, whether or not earlier
//! ones were answered (paced); and as homeservers do (pushers): each device's events one after the
//! other, a failed one repeated after 1, 2, 4 s, the device's later ones waiting behind it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::line::Answer;
use super::tally::micros;
use super::{Plan, Shared, TICK};

/// The longest wait before a repeat: `HttpPusher.MAX_BACKOFF_SEC` of Synapse.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// One notification to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) number: u64,
    /// When it was due: what its latency is measured from.
    pub(super) due: Instant,
}

/// A device whose events come one after the other.
struct Pusher {
    /// Its next wait.
    wait: Duration,
    /// What comes after the one under way.
    later: VecDeque<Job>,
}

/// The desk of one thread.
pub(super) struct Desk {
    shared: Arc<Shared>,
    thread: usize,
    ready: RefCell<VecDeque<Job>>,
    idle: RefCell<Vec<Waker>>,
    /// Pushers with something under way or waiting.
    pushers: RefCell<HashMap<usize, Pusher>>,
    repeats: RefCell<BinaryHeap<Reverse<(Instant, u64, Instant)>>>,
    under_way: Cell<usize>,
    /// When the schedule was last looked at, and the part of a notification due then.
    looked: Cell<Instant>,
    credit: Cell<f64>,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>, thread: usize) -> Self {
        // On the grid of the clock, but no sooner than now: opening connections takes its time.
        let ticks = shared.started.elapsed().as_micros() / TICK.as_micros();
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        let looked = Cell::new(shared.started + TICK * ticks);
        Self {
            shared,
            thread,
            ready: RefCell::default(),
            idle: RefCell::default(),
            pushers: RefCell::default(),
            repeats: RefCell::default(),
            under_way: Cell::new(0),
            looked,
            credit: Cell::new(0.0),
        }
    }

    /// Waits for the next notification; none when the load is over.
    pub(super) async fn next(&self) -> Option<Job> {
        std::future::poll_fn(|cx| {
            if let Some(job) = self.take() {
                self.under_way.set(self.under_way.get() + 1);
                return Poll::Ready(Some(job));
            }
            if self.is_over() {
                return Poll::Ready(None);
            }
            self.idle.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn take(&self) -> Option<Job> {
        if let Some(job) = self.ready.borrow_mut().pop_front() {
            return Some(job);
        }
        if !self.shared.plan.is_closed() || self.shared.stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let within = number < self.shared.end_number;
        within.then(|| Job {
            number: self.shared.again.get(index(number)).copied().unwrap_or(number),
            due: Instant::now(),
        })
    }

    /// Returns whether nothing is under way and nothing will come.
    fn is_over(&self) -> bool {
        if self.shared.plan.is_closed() {
            return true;
        }
        self.shared.stop.load(Ordering::Relaxed)
            && self.under_way.get() == 0
            && self.pushers.borrow().is_empty()
            && self.ready.borrow().is_empty()
    }

    /// Looks at the clock: what is due now becomes ready.
    pub(super) fn tick(&self) {
        let now = Instant::now();
        self.arrivals(now);
        loop {
            let mut repeats = self.repeats.borrow_mut();
            if repeats.peek().is_none_or(|Reverse((at, ..))| *at > now) {
                break;
            }
            if let Some(Reverse((_, number, due))) = repeats.pop() {
                drop(repeats);
                self.make_ready(Job { number, due });
            }
        }
        if self.is_over() {
            self.idle.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Makes the notifications of the time since the last look, each due at the end of its tick,
    /// however late this thread may be.
    fn arrivals(&self, now: Instant) {
        let rate = self.shared.rate() / self.shared.threads_as_f64();
        while self.looked.get() + TICK <= now {
            let tick = self.looked.get() + TICK;
            self.looked.set(tick);
            if self.shared.stop.load(Ordering::Relaxed) {
                continue;
            }
            let mut credit = self.credit.get() + rate * TICK.as_secs_f64();
            while credit >= 1.0 {
                credit -= 1.0;
                let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
                self.arrive(Job { number, due: tick });
            }
            self.credit.set(credit);
        }
    }

    fn arrive(&self, job: Job) {
        if let Some(first_wait) = self.shared.plan.repeats() {
            let pusher = self.shared.bodies.pusher(job.number);
            let mut pushers = self.pushers.borrow_mut();
            if let Some(pusher) = pushers.get_mut(&pusher) {
                pusher.later.push_back(job);
                return;
            }
            let new = Pusher { wait: first_wait, later: VecDeque::new() };
            pushers.insert(pusher, new);
        }
        self.make_ready(job);
    }

    fn make_ready(&self, job: Job) {
        self.ready.borrow_mut().push_back(job);
        if let Some(idle) = self.idle.borrow_mut().pop() {
            idle.wake();
        }
    }

    /// Writes the request of a notification.
    pub(super) fn write(&self, number: u64, request: &mut Vec<u8>) {
        self.shared.bodies.write(number, request);
    }

    /// Notes what came of a notification that was sent at `sent`.
    pub(super) fn settle(&self, job: Job, sent: Instant, answer: Option<Answer>) {
        self.under_way.set(self.under_way.get() - 1);
        let now = Instant::now();
        let group = self.shared.bodies.group(job.number);
        let mut tally = self.shared.tally(self.thread);
        tally.groups[group].note(answer, now - job.due, now - sent);
        drop(tally);
        let settled = matches!(answer, Some(Answer::Settled | Answer::Rejected));
        if answer == Some(Answer::Settled) && self.shared.bodies.is_event(job.number) {
            self.shared.ledger.promise(job.number);
        }
        if self.shared.plan.repeats().is_some() {
            self.settle_pusher(job, settled, now);
        } else if !settled {
            self.shared.failures().push(job.number);
        }
    }

    fn settle_pusher(&self, job: Job, settled: bool, now: Instant) {
        let key = self.shared.bodies.pusher(job.number);
        let mut pushers = self.pushers.borrow_mut();
        let Some(pusher) = pushers.get_mut(&key) else {
            return;
        };
        if !settled {
            let at = now + pusher.wait;
            pusher.wait = LONGEST_WAIT.min(2 * pusher.wait);
            self.shared.repeated.fetch_add(1, Ordering::Relaxed);
            self.repeats.borrow_mut().push(Reverse((at, job.number, job.due)));
            return;
        }
        pusher.wait = self.shared.plan.repeats().unwrap_or_default();
        match pusher.later.pop_front() {
            Some(next) => {
                drop(pushers);
                self.make_ready(next);
            }
            None => {
                pushers.remove(&key);
            }
        }
    }

    /// Notes how late the driver is with a notification: its thread was, or no connection was free.
    pub(super) fn note_lateness(&self, due: Instant, sent: Instant) {
        if let Plan::Paced { .. } = self.shared.plan {
            let late = micros(sent.saturating_duration_since(due));
            self.shared.tally(self.thread).lateness.saturating_record(late);
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
