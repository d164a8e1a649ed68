//! The record of one app: its counts, its errors, its last minutes. A reload that changes the app
//! hands it on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::errors::Errors;
use super::history::History;
use super::recents::Settled;
use super::tally::{Fates, Tally};

/// The record of one app, shared by all worker threads.
#[derive(Debug)]
pub struct Record {
    /// What went wrong.
    pub errors: Errors,
    tally: Tally,
    history: Mutex<History>,
}

impl Record {
    /// Begins an empty record of this many worker threads.
    pub fn new(workers: usize) -> Self {
        Self { errors: Errors::default(), tally: Tally::new(workers), history: Mutex::default() }
    }

    /// Counts a settled push.
    pub(super) fn count(&self, worker: usize, settled: &Settled<'_>, now: Instant) {
        let ending = settled.ending;
        self.tally.count(worker, ending.fate, ending.took);
        if ending.fate.is_error() {
            let detail = ending.detail.as_deref();
            self.errors.note(ending.fate, ending.reason, detail, now);
        }
    }

    /// Adds a step of so many seconds to the history, if anything ever happened.
    pub(super) fn sample(&self, seconds: f64) {
        if let Some(fates) = self.tally.fates() {
            let latencies = || self.tally.latencies();
            self.history().sample(fates, latencies, seconds);
        }
    }

    /// Returns pushes by fate since the beginning.
    pub(super) fn totals(&self) -> Fates {
        self.tally.fates().unwrap_or_default()
    }

    /// Returns the last minutes.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
