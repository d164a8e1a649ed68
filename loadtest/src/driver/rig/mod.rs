//! A gateway between simulated providers and a place for clients: what every scenario stands on.

mod config;
mod fill;
mod provider;
mod sample;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::bodies::{Addressee, Bodies, Recorded};
use super::clients::{Load, Order, Plan};
use super::gateway::Gateway;
use super::options::{Kind, Options, Payload};
use crate::peers::{Ledger, Peer, Truth, pki};
pub(crate) use config::{Pool, Protection};
use provider::Provider;
pub(crate) use sample::Sample;

/// What a rig is to be.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// What tells it from other rigs of the run.
    pub(crate) name: String,
    /// The types of apps; each has all of the numbers below.
    pub(crate) kinds: Vec<Kind>,
    /// Apps in the configuration.
    pub(crate) apps: usize,
    /// How many of them get pushes.
    pub(crate) busy_apps: usize,
    /// Simulated providers, each with a thread of its own; apps are spread over them.
    pub(crate) peers: usize,
    /// How many requests Apple takes at once from who has not pushed yet, if not one.
    pub(crate) first_streams: Option<u32>,
    /// How long they take to answer.
    pub(crate) latency: Duration,
    /// The gateway's worker threads.
    pub(crate) workers: usize,
    /// Entries in the tables of duplicates and of rejections before anything is measured.
    pub(crate) entries: u64,
    /// What notifications carry, if not recorded bodies.
    pub(crate) payload: Payload,
    /// Bodies that a homeserver sent; none to send one kind of event only.
    pub(crate) recorded: Vec<Recorded>,
    /// The actors and connections of every app.
    pub(crate) pool: Pool,
    /// What goes into `delivery`.
    pub(crate) protection: Protection,
    /// How notifications are counted apart.
    pub(crate) groups: Groups,
    /// How many devices get the notifications in all, if not every one there is.
    pub(crate) pushers: Option<usize>,
    /// The threads that play the homeservers.
    pub(crate) client_threads: usize,
}

/// How notifications are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Not at all.
    One,
    /// By the type of their app.
    Kinds,
    /// The first app, and all others.
    FirstApp,
}

impl Setup {
    /// Takes what the command line says, for apps of one type.
    pub(crate) fn new(options: &Options, kind: Kind) -> Self {
        let busy_apps = options.busy_apps.unwrap_or(1).max(1);
        Self {
            name: kind.name().to_owned(),
            kinds: vec![kind],
            apps: options.apps.unwrap_or(1).max(busy_apps),
            busy_apps,
            peers: 1,
            first_streams: None,
            latency: options.latency_or(0),
            workers: options.workers(),
            entries: options.entries,
            payload: options.payload,
            recorded: Vec::new(),
            pool: Pool {
                actors: options.actors,
                connections: options.pool_connections,
                inflight_limit: options.inflight_limit,
            },
            protection: Protection::default(),
            groups: Groups::One,
            pushers: None,
            client_threads: options.client_threads(),
        }
    }
}

/// A gateway between simulated providers.
pub(crate) struct Rig {
    /// The gateway.
    pub(crate) gateway: Gateway,
    /// What is sent.
    pub(crate) bodies: Arc<Bodies>,
    /// The names of the groups that are counted apart.
    pub(crate) groups: Vec<String>,
    /// How it is configured.
    pub(crate) config: String,
    ledger: Arc<Ledger>,
    providers: Vec<Provider>,
    next_number: AtomicU64,
    client_threads: usize,
    /// Holds keys and configuration; removed at the end.
    _folder: TempDir,
}

impl Rig {
    /// Starts providers and gateway, and fills the gateway's tables.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway cannot be started.
    pub(crate) fn start(options: &Options, setup: &Setup) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger = Arc::new(Ledger::default());
        let mut providers = Vec::new();
        for &kind in &setup.kinds {
            for _ in 0..setup.peers.min(setup.apps) {
                let at = folder.path().join(format!("provider{}", providers.len()));
                fs::create_dir(&at)?;
                let provider = Provider::start(kind, setup.first_streams, &at, &ledger)?;
                provider.peer.latency(setup.latency);
                providers.push(provider);
            }
        }
        let _ = pki::write_ca(folder.path());
        let apps = apps(setup, &providers);
        let config = config::yaml(setup, &apps);
        let file = folder.path().join("config.yaml");
        fs::write(&file, &config)?;
        let gateway =
            Gateway::start(&options.gateway, &file, &log_file(&options.out, &setup.name)?)?;
        let busy: Vec<Addressee> = apps
            .iter()
            .filter(|app| app.number < setup.busy_apps)
            .map(|app| app.addressee.clone())
            .collect();
        let bodies = if setup.recorded.is_empty() {
            Bodies::new(setup.payload, &busy)
        } else {
            Bodies::of(&setup.recorded, &busy)
        };
        let bodies = match setup.pushers {
            Some(pushers) => bodies.with_pushers(pushers),
            None => bodies,
        };
        let rig = Self {
            gateway,
            bodies: Arc::new(bodies),
            groups: groups(setup),
            config,
            ledger,
            providers,
            next_number: AtomicU64::new(0),
            client_threads: setup.client_threads,
            _folder: folder,
        };
        if setup.entries > 0 {
            rig.fill(setup.entries, &busy)?;
        }
        Ok(rig)
    }

    /// Begins a load over so many connections.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway cannot be reached, or the connections cannot be had.
    pub(crate) fn load(&self, plan: Plan, connections: usize) -> io::Result<Load> {
        Load::start(&self.order(plan, connections))
    }

    /// Begins to send notifications again that failed, over so many connections.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway cannot be reached, or the connections cannot be had.
    pub(crate) fn again(&self, failed: Vec<u64>, connections: usize) -> io::Result<Load> {
        let mut order = self.order(Plan::Closed, connections);
        order.again = failed;
        Load::start(&order)
    }

    fn order(&self, plan: Plan, connections: usize) -> Order {
        Order {
            gateway: self.gateway.address,
            bodies: Arc::clone(&self.bodies),
            groups: self.groups.len(),
            ledger: Arc::clone(&self.ledger),
            plan,
            connections,
            threads: self.client_threads,
            first_number: self.next_number.load(Ordering::Relaxed),
            limit: None,
            again: Vec::new(),
        }
    }

    /// Ends a load: waits for what is under way. Returns the notifications that failed for good.
    ///
    /// # Errors
    ///
    /// Returns an error if the clients could not do their work.
    pub(crate) fn end(&self, load: Load) -> io::Result<Vec<u64>> {
        load.stop();
        self.next_number.fetch_max(load.next_number(), Ordering::Relaxed);
        load.finish()
    }

    /// Returns how many notifications were made so far.
    pub(crate) fn sent(&self) -> u64 {
        self.next_number.load(Ordering::Relaxed)
    }

    /// Returns the simulated providers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.providers.iter().map(|provider| &provider.peer)
    }

    /// Returns what arrived, and what did not.
    pub(crate) fn truth(&self) -> Truth {
        self.ledger.truth()
    }
}

/// One app of the configuration.
pub(crate) struct App {
    /// Its number among those of its type.
    number: usize,
    /// Its keys, without indentation.
    keys: String,
    addressee: Addressee,
}

fn apps(setup: &Setup, providers: &[Provider]) -> Vec<App> {
    let mut apps = Vec::new();
    for (kind_number, &kind) in setup.kinds.iter().enumerate() {
        let own: Vec<&Provider> = providers.iter().filter(|it| it.kind == kind).collect();
        for number in 0..setup.apps {
            let provider = own[number % own.len()];
            apps.push(App {
                number,
                keys: provider.keys.clone(),
                addressee: Addressee {
                    app_id: format!("org.example.{}.{number}", kind.name()),
                    devices: provider.devices.clone(),
                    group: match setup.groups {
                        Groups::One => 0,
                        Groups::Kinds => kind_number,
                        Groups::FirstApp => usize::from(number > 0),
                    },
                },
            });
        }
    }
    apps
}

fn groups(setup: &Setup) -> Vec<String> {
    match setup.groups {
        Groups::One => vec!["all".to_owned()],
        Groups::Kinds => setup.kinds.iter().map(|it| it.name().to_owned()).collect(),
        Groups::FirstApp => vec!["the failing app".to_owned(), "the other apps".to_owned()],
    }
}

/// Returns where the gateway's log goes.
fn log_file(out: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(out)?;
    Ok(out.join(format!("gateway.{}.log", name.replace(' ', "-"))))
}
