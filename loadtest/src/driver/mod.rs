//! The load driver: simulated providers, the gateway as a child process, and homeservers that send.
//!
//! Everything is on loopback and ends by itself. The figures of a run come from three sides: the
//! clients (answers and latency), the kernel (CPU time and memory), and the simulated providers
//! (what really arrived, and whether twice).
//!
//! The way of a run: `options` say what is asked, `scenarios` has one file for each answer; it
//! makes a `rig` (providers, gateway, and the `bodies` that are sent), puts `clients` on it, and
//! lets `watch` look; `report` shows what was found.

mod bodies;
mod clients;
mod figures;
mod gateway;
mod machine;
mod options;
mod process;
mod progress;
mod report;
mod rig;
mod scenarios;
mod usage;
mod watch;

use std::fmt::Write as _;
use std::io;

use machine::Machine;
pub use options::{Kind, Options, Payload};
use progress::Progress;
use report::Report;
pub use scenarios::Scenario;
pub use scenarios::limits::bare;

/// How a scenario ended.
#[derive(Debug)]
pub struct Outcome {
    /// The report as text.
    pub text: String,
    /// Whether every promise was kept.
    pub good: bool,
}

/// Runs one scenario and writes its reports.
///
/// # Errors
///
/// Returns an error if the gateway cannot be started or reached, or a report cannot be written.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let machine = Machine::look();
    let progress = Progress::new(options.scenario.name());
    let findings = options.scenario.run(options, &progress);
    progress.clear();
    let name = options.scenario.name();
    let report = Report::new(name, &options.commit, machine, findings?);
    let mut text = report.text();
    for file in report.write(&options.out)? {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<21}{}", "report", file.display());
    }
    Ok(Outcome { text, good: report.is_good() })
}
