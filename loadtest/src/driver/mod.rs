//! The load driver: simulated providers, the gateway as a child process, and homeservers that send.
//!
//! Everything is on loopback and ends by itself. The figures of a run come from three sides: the
//! clients (answers and latency), the kernel (the gateway's CPU time), and the simulated provider
//! (what really arrived, and whether twice).

mod client;
mod gateway;
mod report;
mod scenario;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use gateway::Gateway;
use report::Report;
use scenario::Scenario;

/// Puts a gateway under load against simulated providers, on loopback.
#[derive(Debug, Parser)]
#[command(name = "loadtest")]
pub struct Options {
    /// What to measure.
    pub scenario: Name,
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/peregrine")]
    pub gateway: PathBuf,
    /// Seconds of load that are measured.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 2)]
    pub warmup: u64,
    /// Connections that homeservers keep open, each with one request under way.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// The gateway's worker threads.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// How long the provider takes to answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub latency_ms: u64,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Notifications with ids only, to APNs.
    Apns,
    /// Notifications with ids only, to FCM.
    Fcm,
}

/// Runs one scenario and returns its report as text.
///
/// # Errors
///
/// Returns an error if the gateway cannot be started or reached.
pub fn run(options: &Options) -> io::Result<String> {
    let scenario = Scenario::new(options)?;
    let gateway = Gateway::start(&options.gateway, scenario.config())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let sequence = Arc::default();
    let load = |seconds| {
        let duration = Duration::from_secs(seconds);
        runtime.block_on(client::closed_loop(
            gateway.address,
            options.connections,
            duration,
            &scenario.body(),
            &sequence,
        ))
    };
    load(options.warmup)?;
    scenario.forget();
    let before = gateway.cpu_time()?;
    let seen = load(options.seconds)?;
    let cpu = gateway.cpu_time()?.saturating_sub(before);
    let resident_kib = gateway.resident_kib()?;
    Ok(Report {
        options,
        seen: &seen,
        cpu,
        resident_kib,
        truth: scenario.truth(),
    }
    .to_string())
}
