//! The homeservers' side: threads with keep-alive connections that send numbered notifications.

mod desk;
mod homeservers;
mod line;
mod tally;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::bodies::Bodies;
use super::usage;
use crate::peers::Ledger;
pub(crate) use tally::{Counts, Tally, histogram};

/// How often a thread looks what is due. Finer than a timer of tokio, which knows milliseconds.
pub(crate) const TICK: Duration = Duration::from_micros(500);

/// Files that are open besides connections: peers, gateway, runtimes.
const OTHER_FILES: usize = 128;

/// How notifications are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// Each connection sends the next when its last is answered.
    Closed,
    /// So many a second, whether or not earlier ones were answered.
    Paced {
        /// Notifications a second.
        rate: f64,
    },
    /// So many a second, each device's one after the other, failed ones repeated until they are
    /// settled.
    Pushers {
        /// Notifications a second.
        rate: f64,
        /// The wait before the first repeat; it doubles with every failure.
        first_wait: Duration,
    },
}

impl Plan {
    fn is_closed(self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Returns the wait before the first repeat, if failed notifications are repeated.
    fn repeats(self) -> Option<Duration> {
        match self {
            Self::Pushers { first_wait, .. } => Some(first_wait),
            _ => None,
        }
    }
}

/// What a load is made of.
#[derive(Clone)]
pub(crate) struct Order {
    /// The gateway.
    pub(crate) gateway: SocketAddr,
    /// What is sent.
    pub(crate) bodies: Arc<Bodies>,
    /// How many groups are counted apart.
    pub(crate) groups: usize,
    /// Where promises are noted.
    pub(crate) ledger: Arc<Ledger>,
    /// How it is sent.
    pub(crate) plan: Plan,
    /// Over how many connections.
    pub(crate) connections: usize,
    /// By how many threads.
    pub(crate) threads: usize,
    /// The number of the first notification.
    pub(crate) first_number: u64,
    /// How many notifications there are at most.
    pub(crate) limit: Option<u64>,
    /// Notifications to send again, instead of new ones.
    pub(crate) again: Vec<u64>,
}

/// What the threads of a load share.
struct Shared {
    started: Instant,
    plan: Plan,
    threads: usize,
    bodies: Arc<Bodies>,
    ledger: Arc<Ledger>,
    next_number: AtomicU64,
    end_number: u64,
    /// Notifications to send again: then the numbers above are places in here.
    again: Vec<u64>,
    rate: AtomicU64,
    stop: AtomicBool,
    repeated: AtomicU64,
    failures: Mutex<Vec<u64>>,
    tallies: Vec<Mutex<Tally>>,
}

impl Shared {
    fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    fn threads_as_f64(&self) -> f64 {
        self.threads as f64
    }

    fn tally(&self, thread: usize) -> MutexGuard<'_, Tally> {
        let tally = &self.tallies[thread];
        tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<u64>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load that is on.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Load {
    /// Opens all connections and begins.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway cannot be reached, or so many connections cannot be had.
    pub(crate) fn start(order: &Order) -> io::Result<Self> {
        let files = usage::open_files_limit();
        // Those of the gateway are files of another process.
        if order.connections + OTHER_FILES > files {
            return Err(io::Error::other(format!(
                "cannot open {} connections: the limit of open files is {files}; raise it with \
                 `ulimit -n`, or take fewer `--connections`",
                order.connections
            )));
        }
        let threads = order.threads.min(order.connections).max(1);
        let rate = match order.plan {
            Plan::Closed => 0.0,
            Plan::Paced { rate } | Plan::Pushers { rate, .. } => rate,
        };
        let (first_number, limit) = match order.again.len() {
            0 => (order.first_number, order.limit),
            count => (0, Some(count as u64)),
        };
        let end_number = limit.map_or(u64::MAX, |limit| first_number + limit);
        let shared = Arc::new(Shared {
            started: Instant::now(),
            plan: order.plan,
            threads,
            bodies: Arc::clone(&order.bodies),
            ledger: Arc::clone(&order.ledger),
            next_number: AtomicU64::new(first_number),
            end_number,
            again: order.again.clone(),
            rate: AtomicU64::new(rate.to_bits()),
            stop: AtomicBool::new(false),
            repeated: AtomicU64::new(0),
            failures: Mutex::default(),
            tallies: (0..threads).map(|_| Mutex::new(Tally::new(order.groups))).collect(),
        });
        let (ready, started) = mpsc::channel();
        let mut handles = Vec::new();
        for thread in 0..threads {
            let (shared, ready) = (Arc::clone(&shared), ready.clone());
            let numbers: Vec<usize> = (thread..order.connections).step_by(threads).collect();
            let gateway = order.gateway;
            let run = move || homeservers::play(&shared, thread, gateway, &numbers, ready);
            let builder = thread::Builder::new().name(format!("client {thread}"));
            handles.push(builder.spawn(run)?);
        }
        drop(ready);
        // Ends when every thread has its connections, or has failed.
        while started.recv().is_ok() {}
        let load = Self { shared, threads: handles };
        if load.threads.iter().any(JoinHandle::is_finished) && end_number == u64::MAX {
            load.finish()?;
            return Err(io::Error::other("the clients ended before the load began"));
        }
        Ok(load)
    }

    /// Sends so many a second from now on.
    pub(crate) fn set_rate(&self, rate: f64) {
        self.shared.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Takes what was seen since this was last asked.
    pub(crate) fn take(&self) -> Tally {
        let groups = self.shared.tally(0).groups.len();
        let mut all = Tally::new(groups);
        for thread in 0..self.shared.threads {
            let empty = Tally::new(groups);
            let seen = std::mem::replace(&mut *self.shared.tally(thread), empty);
            all.add(&seen);
        }
        all
    }

    /// Returns the number after the last notification made so far.
    pub(crate) fn next_number(&self) -> u64 {
        let next = self.shared.next_number.load(Ordering::Relaxed);
        next.min(self.shared.end_number)
    }

    /// Returns how often a notification was repeated.
    pub(crate) fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::Relaxed)
    }

    /// Makes no more notifications; what was made is still sent, repeated, answered.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Returns whether everything that was made is settled.
    pub(crate) fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Stops, waits for the end, and returns the notifications that failed and were not repeated.
    ///
    /// # Errors
    ///
    /// Returns an error if a thread could not do its work.
    pub(crate) fn finish(self) -> io::Result<Vec<u64>> {
        self.stop();
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| io::Error::other("a thread of clients fell"))??;
        }
        Ok(std::mem::take(&mut *self.shared.failures()))
    }
}
