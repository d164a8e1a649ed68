//! What a run is doing, on one line of a terminal; nothing where standard error is none.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};

use super::watch::Sample;

/// Width of the bar, in characters.
const BAR: usize = 20;

/// One line of a terminal.
pub(crate) struct Progress {
    is_terminal: bool,
    scenario: &'static str,
    run: RefCell<String>,
    phase: RefCell<String>,
}

impl Progress {
    /// Makes it for standard error.
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            scenario,
            run: RefCell::default(),
            phase: RefCell::default(),
        }
    }

    /// Tells which of several runs comes now.
    pub(crate) fn run(&self, name: &str) {
        self.run.replace(name.to_owned());
        self.say("starting");
    }

    /// Tells which phase of a run comes now.
    pub(crate) fn phase(&self, name: &str) {
        self.phase.replace(name.to_owned());
    }

    /// Shows how far the phase is, and the latest sample.
    pub(crate) fn show(&self, done: f64, sample: &Sample) {
        if !self.is_terminal {
            return;
        }
        let filled = (0..BAR).filter(|&at| share(at) < done).count();
        let bar: String = (0..BAR).map(|at| if at < filled { '█' } else { '░' }).collect();
        let p99 = sample.latency.iter().flatten().map(|it| it.p99);
        let p99 = p99.fold(0.0, f64::max);
        self.say(&format!(
            "{} {bar} {:.0}/s, {:.0} failed/s, p99 {p99:.1} ms, {:.2} cores, {:.0} MiB",
            self.phase.borrow(),
            sample.settled,
            sample.failed,
            sample.gateway_cores,
            sample.resident_mib,
        ));
    }

    fn say(&self, what: &str) {
        if self.is_terminal {
            let run = self.run.borrow();
            let name = if run.is_empty() { self.scenario } else { &run };
            // Erases to the end of the line (ECMA-48, EL).
            let _ = write!(io::stderr(), "\r\x1b[K{name}: {what}");
        }
    }

    /// Leaves the line empty.
    pub(crate) fn clear(&self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Where a character of the bar stands, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a few characters")]
fn share(at: usize) -> f64 {
    at as f64 / BAR as f64
}
