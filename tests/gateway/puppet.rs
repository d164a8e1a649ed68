//! A provider on strings: each push meets the fate that the test wrote for its pushkey.
//!
//! It stands where a vendor's provider stands, behind the same public traits, for what no simulated
//! vendor can bring about: panics, and pushes that are held, or
//! stop their worker thread, until the test lets them go.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use peregrine::providers::{
    App, Blueprint, Cause, Common, Credential, Outcome, Provider, Push, Retry,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::helpers::{OwnApp, PATIENCE, Setup};

/// What becomes of a push, by the first word of its pushkey: `held-3` is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accepted,
    Rejected,
    Dropped,
    Failed,
    Held,
    Wedged,
    Panics,
    Shouts,
}

impl Fate {
    fn of(pushkey: &str) -> Self {
        match pushkey.split('-').next() {
            Some("rejected") => Self::Rejected,
            Some("dropped") => Self::Dropped,
            Some("failed") => Self::Failed,
            Some("held") => Self::Held,
            Some("wedged") => Self::Wedged,
            Some("panics") => Self::Panics,
            Some("shouts") => Self::Shouts,
            _ => Self::Accepted,
        }
    }
}

/// A handle on the provider; clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Puppet(Arc<Strings>);

struct Strings {
    arrivals: watch::Sender<Vec<ThreadId>>,
    built_on: Mutex<Vec<ThreadId>>,
    cannot_be_built: AtomicBool,
    failed_builds: AtomicU64,
    panics_once: AtomicBool,
    let_go: watch::Sender<bool>,
    wedge: Mutex<()>,
}

impl Puppet {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Strings {
            arrivals: watch::Sender::default(),
            built_on: Mutex::default(),
            cannot_be_built: AtomicBool::new(false),
            failed_builds: AtomicU64::new(0),
            panics_once: AtomicBool::new(false),
            let_go: watch::Sender::new(false),
            wedge: Mutex::default(),
        }))
    }

    /// Returns the app, with these keys of every app. Every reload finds it `changed`, or never.
    pub(crate) fn app(&self, pattern: &str, keys: Value, changes: bool) -> OwnApp {
        self.app_of("puppet", pattern, keys, changes)
    }

    /// Returns the app, as one of this provider.
    pub(crate) fn app_of(
        &self,
        provider: &'static str,
        pattern: &str,
        keys: Value,
        changes: bool,
    ) -> OwnApp {
        let (puppet, pattern) = (self.clone(), pattern.to_owned());
        let version = Mutex::new(0);
        Arc::new(move |metrics| {
            let mut version = version.lock().unwrap();
            *version += u64::from(changes);
            let common: Common = serde_json::from_value(keys.clone()).unwrap();
            let metrics = metrics.app(&pattern, provider);
            App::new(&pattern, provider, common, puppet.clone(), metrics, *version)
        })
    }

    /// Waits until `count` pushes arrived in all, and returns on which threads.
    pub(crate) async fn arrivals(&self, count: usize) -> Vec<ThreadId> {
        let mut arrivals = self.0.arrivals.subscribe();
        let enough = arrivals.wait_for(|arrivals| arrivals.len() >= count);
        let arrivals = timeout(PATIENCE, enough).await.expect("the pushes arrive");
        arrivals.unwrap().clone()
    }

    /// Returns how many pushes arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.0.arrivals.borrow().len()
    }

    /// Returns the worker threads it was built on, in order.
    pub(crate) fn built_on(&self) -> Vec<ThreadId> {
        self.0.built_on.lock().unwrap().clone()
    }

    /// Accepts every push that is held.
    pub(crate) fn let_go(&self) {
        self.0.let_go.send_replace(true);
    }

    /// From now on a wedged push stops its worker thread, until what is returned is dropped.
    pub(crate) fn wedge(&self) -> MutexGuard<'_, ()> {
        self.0.wedge.lock().unwrap()
    }

    /// Panics whenever it is built, or no longer.
    pub(crate) fn cannot_be_built(&self, cannot: bool) {
        self.0.cannot_be_built.store(cannot, Ordering::SeqCst);
    }

    /// Returns how often it could not be built.
    pub(crate) fn failed_builds(&self) -> u64 {
        self.0.failed_builds.load(Ordering::SeqCst)
    }
}

impl Setup {
    /// Adds the app `app` of a puppet.
    pub(crate) fn puppet(self, puppet: &Puppet) -> Self {
        self.own(puppet.app("app", json!({}), false))
    }
}

impl Blueprint for Puppet {
    type Provider = Self;

    fn build(&self) -> Self {
        self.0.built_on.lock().unwrap().push(thread::current().id());
        if self.0.cannot_be_built.load(Ordering::SeqCst) {
            self.0.failed_builds.fetch_add(1, Ordering::SeqCst);
            panic_quietly();
        }
        self.clone()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

impl Provider for Puppet {
    fn send(&self, push: Push, _deadline: Instant) -> impl Future<Output = Outcome> + 'static {
        let fate = Fate::of(&push.device().pushkey);
        let here = thread::current().id();
        self.0.arrivals.send_modify(|arrivals| arrivals.push(here));
        if fate == Fate::Wedged {
            drop(self.0.wedge.lock());
        }
        let is_first = || !self.0.panics_once.swap(true, Ordering::SeqCst);
        match fate {
            Fate::Panics if is_first() => panic_quietly(),
            // Past the panic hook, for tests that read what it says.
            Fate::Shouts if is_first() => panic!("for {}", push.device().pushkey),
            _ => {}
        }
        let mut let_go = self.0.let_go.subscribe();
        async move {
            match fate {
                Fate::Held => {
                    let _ = let_go.wait_for(|&let_go| let_go).await;
                    Outcome::Accepted
                }
                Fate::Accepted | Fate::Wedged | Fate::Panics | Fate::Shouts => Outcome::Accepted,
                Fate::Rejected => Outcome::Rejected(Cause::new("unregistered")),
                Fate::Dropped => Outcome::Permanent(Cause::new("too_large")),
                Fate::Failed => Outcome::Transient {
                    cause: Cause::new("unavailable"),
                    retry: Retry::After(Duration::from_secs(3600)),
                },
            }
        }
    }
}

/// Panics without the panic hook, which would print what is expected.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("a test's panic"))
}

/// Returns how many different threads there are.
pub(crate) fn distinct(threads: impl IntoIterator<Item = ThreadId>) -> usize {
    threads.into_iter().collect::<HashSet<_>>().len()
}
