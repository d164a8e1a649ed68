//! What is asked on the command line. A scenario has its own defaults where nothing is said.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use super::scenarios::Scenario;

/// Puts a gateway under load against simulated providers, on loopback.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadtest")]
pub struct Options {
    /// What to measure.
    pub scenario: Scenario,
    /// How long, for `soak`, in minutes.
    pub minutes: Option<f64>,
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/peregrine")]
    pub gateway: PathBuf,
    /// Seconds of load that are measured; in `outage` and `overload`, of each phase.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 2.0)]
    pub warmup: f64,
    /// Connections that homeservers keep open, each with one request under way at most.
    #[arg(long, visible_alias = "in-flight")]
    pub connections: Option<usize>,
    /// The gateway's worker threads: one, if nothing is said; in `scale` and `tune` the most that
    /// are tried, else as many as there are cores.
    #[arg(long)]
    pub workers: Option<usize>,
    /// How long providers take to answer, in milliseconds.
    #[arg(long)]
    pub latency_ms: Option<u64>,
    /// Notifications a second, where a scenario has a fixed rate; else it is measured.
    #[arg(long)]
    pub rate: Option<f64>,
    /// The provider, where the scenario is not named after one.
    #[arg(long, value_enum, default_value_t = Kind::Apns)]
    pub provider: Kind,
    /// Apps in the gateway's configuration.
    #[arg(long)]
    pub apps: Option<usize>,
    /// How many of them get pushes.
    #[arg(long)]
    pub busy_apps: Option<usize>,
    /// Entries put into the table of duplicates, and as many into that of rejections, before
    /// anything is measured.
    #[arg(long, default_value_t = 0)]
    pub entries: u64,
    /// What notifications carry.
    #[arg(long, value_enum, default_value_t = Payload::Ids)]
    pub payload: Payload,
    /// A folder of bodies that a homeserver sent, for `mixed`: one JSON file each.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/homeserver_bodies"))]
    pub bodies: PathBuf,
    /// `pool.actors` of every app.
    #[arg(long)]
    pub actors: Option<usize>,
    /// `pool.connections` of every app.
    #[arg(long)]
    pub pool_connections: Option<usize>,
    /// `inflight_request_limit` of every app.
    #[arg(long)]
    pub inflight_limit: Option<usize>,
    /// The wait before a failed notification is repeated, in milliseconds; it doubles with every
    /// failure. Synapse's is a second.
    #[arg(long, default_value_t = 1000)]
    pub repeat_ms: u64,
    /// Threads that play the homeservers; else one for every two workers.
    #[arg(long)]
    pub client_threads: Option<usize>,
    /// Rounds, where settings are compared.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Where reports go.
    #[arg(long, default_value = "target/loadtest")]
    pub out: PathBuf,
    /// The commit under test, for the report.
    #[arg(long, default_value = "unknown")]
    pub commit: String,
}

impl Options {
    /// Returns how long a phase lasts, if the scenario's usual is `usual` seconds.
    pub(crate) fn seconds_or(&self, usual: f64) -> Duration {
        seconds(self.seconds.unwrap_or(usual))
    }

    /// Returns how long a load runs before it is measured.
    pub(crate) fn warmup(&self) -> Duration {
        seconds(self.warmup)
    }

    /// Returns how long providers take to answer, if the scenario's usual is `usual` milliseconds.
    pub(crate) fn latency_or(&self, usual: u64) -> Duration {
        Duration::from_millis(self.latency_ms.unwrap_or(usual))
    }

    /// Returns the gateway's worker threads.
    pub(crate) fn workers(&self) -> usize {
        self.workers.unwrap_or(1).max(1)
    }

    /// Returns how many threads play the homeservers.
    pub(crate) fn client_threads(&self) -> usize {
        self.client_threads.unwrap_or(self.workers() / 2).max(1)
    }
}

/// A duration of so many seconds, none for what is no duration.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A provider, with its way of writing pushkeys and its simulated peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Apple.
    Apns,
    /// Google.
    Fcm,
    /// Browsers.
    Webpush,
    /// Phones without Google.
    Unifiedpush,
}

impl Kind {
    /// Every provider.
    pub(crate) const ALL: [Self; 4] = [Self::Apns, Self::Fcm, Self::Webpush, Self::Unifiedpush];

    /// Returns the value of `type` in a configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
            Self::Unifiedpush => "unifiedpush",
        }
    }
}

/// What notifications carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// What Synapse sends to pushers with `format: event_id_only`.
    Ids,
    /// An encrypted message whole, as Synapse sends it to other pushers.
    Full,
}
