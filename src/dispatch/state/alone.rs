//! A build without Redis: there are no other replicas to ask.

use std::future::Ready;
use std::sync::Arc;

use rustls::RootCertStore;

use super::{Question, Refusal};
use crate::dispatch::config::StateConfig;
use crate::dispatch::ending::Ending;
use crate::dispatch::limits::Limits;
use crate::dispatch::table::Key;
use crate::fault::Fault;
use crate::providers::Finding;
use crate::telemetry::Metrics;

/// The other home of the tables, which this build has not.
#[derive(Debug)]
pub enum Redis {}

impl Redis {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// Returns what to do without it.
    pub fn new(_: &StateConfig, _: &Arc<RootCertStore>, _: &Arc<Metrics>) -> Result<Self, Fault> {
        Err(Fault::new(
            "state.backend",
            "`redis` is not in this build",
            "write `memory` and run one replica, or build with `--features redis`",
        ))
    }

    /// Tries nothing.
    pub fn probe(&self) -> Ready<Finding> {
        match *self {}
    }

    /// Has no trouble.
    pub fn is_down(&self) -> bool {
        match *self {}
    }

    /// Is none.
    pub fn is_same_as(&self, _: &Self) -> bool {
        match *self {}
    }
}

/// The other replicas, of which there are none.
#[derive(Debug)]
pub enum Replicas {}

impl Replicas {
    /// Opens nothing.
    pub fn new(redis: &Arc<Redis>) -> Self {
        match **redis {}
    }

    /// Asks nobody.
    pub fn admit(&self, _: Question<'_>, _: &Limits) -> Ready<Result<(), Refusal>> {
        match *self {}
    }

    /// Tells nobody.
    pub fn tell(&self, _: Question<'_>, _: &Ending) -> Ready<()> {
        match *self {}
    }

    /// Tells nobody.
    pub fn forget(&self, _: Vec<Key>) {
        match *self {}
    }
}
