//! `limits`: what a push costs at least, and how far from that the gateway is.
//!
//! The floor of a push is what the two halves of a gateway cost without a gateway between them:
//! `actix-web` taking the same POST and answering at once, and a bare `h2` client sending the same
//! request to the same simulated provider. Both are processes of their own (`bare`), measured in
//! turns with the gateway and with `HAProxy` merely forwarding the POST, so that a busy machine
//! is unfair to all of them alike. A `contestant` is one of these processes under load from
//! `homeservers`; `stages` sets providers and configurations up, `report` compares the medians.

pub mod bare;
mod contestant;
mod haproxy;
mod homeservers;
mod process;
mod report;
mod stages;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use contestant::{Contestant, Measured};
use report::Report;

/// What the entrance hands over to this module.
#[derive(Debug, Parser)]
#[command(name = "loadtest")]
pub enum Command {
    /// Measures the gateway against the least that a push can cost.
    Limits(Options),
    /// One half of a gateway, which `limits` starts.
    #[command(hide = true, subcommand)]
    Bare(bare::Half),
}

/// Measures the gateway against the least that a push can cost.
#[derive(Debug, Args)]
pub struct Options {
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/peregrine")]
    pub gateway: PathBuf,
    /// How often each contestant is measured; medians count.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 2)]
    pub seconds: u64,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64)]
    pub in_flight: usize,
}

/// Load before each measurement.
const WARM_UP: Duration = Duration::from_millis(500);

/// Obeys the command; returns what there is to print.
///
/// # Errors
///
/// Returns an error if a contestant cannot be started or reached.
pub fn run(command: &Command) -> io::Result<String> {
    match command {
        Command::Limits(options) => compare(options),
        Command::Bare(half) => bare::run(*half).map(|()| String::new()),
    }
}

/// Runs all rounds and returns the table.
fn compare(options: &Options) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let contestants = runtime.block_on(stages::set_up(options))?;
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); contestants.len()];
    for round in 1..=options.rounds.max(1) {
        eprintln!("round {round} of {}", options.rounds.max(1));
        for (contestant, measured) in contestants.iter().zip(&mut measured) {
            let duration = Duration::from_secs(options.seconds.max(1));
            let load = contestant.measure(options.in_flight, WARM_UP, duration);
            measured.push(runtime.block_on(load)?);
        }
    }
    let kinds = contestants.iter().map(Contestant::kind);
    Ok(Report::new(options, kinds.zip(measured).collect()).to_string())
}
