//! The lookout: samples every app once a second, and reports when somebody asks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::data::Status;
use super::report;
use crate::dispatch::memory::Memory;
use crate::dispatch::plan::Plan;

/// Time between two samples: the status page's second hand, and all that an idle gateway does.
pub const STEP: Duration = Duration::from_secs(1);

/// Looks at the lanes of one gateway.
#[derive(Debug)]
pub struct Lookout {
    process: Process,
    steps: Mutex<Steps>,
}

#[derive(Debug)]
struct Steps {
    count: u64,
    last: Instant,
}

/// What somebody wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// Only samples after this one.
    pub since: Option<u64>,
    /// Only recent outcomes of this pushkey.
    pub pushkey_hash: Option<u32>,
}

/// What stays as it is while the process runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    pub(super) workers: usize,
    began: Instant,
    /// The wall clock at `began`.
    began_at: SystemTime,
}

impl Lookout {
    /// Begins to count steps, of a gateway with this many worker threads.
    pub fn new(workers: usize) -> Self {
        let began = Instant::now();
        let process = Process { workers, began, began_at: SystemTime::now() };
        Self { process, steps: Mutex::new(Steps { count: 0, last: began }) }
    }

    /// Takes a sample of every lane.
    pub fn sample(&self, plan: &Plan) {
        let now = Instant::now();
        // Held meanwhile, so that a report shows all lanes up to the same step.
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = now.duration_since(steps.last).as_secs_f64();
        steps.count += 1;
        steps.last = now;
        for lane in &plan.lanes {
            lane.record.sample(seconds);
        }
    }

    /// Reports what is known.
    pub fn report(&self, plan: &Plan, memory: &Memory, query: Query) -> Status {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        report::write(plan, memory, self.process, steps.count, query)
    }
}

impl Process {
    /// Returns when the process began.
    pub(super) fn began(self) -> u64 {
        self.at(self.began)
    }

    /// Returns how long the process runs.
    pub(super) fn uptime(self) -> Duration {
        self.began.elapsed()
    }

    /// Returns a moment as milliseconds since the epoch.
    pub(super) fn at(self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.began);
        milliseconds(self.began_at + since)
    }
}

/// Returns a time as milliseconds since the epoch.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
