//! What a run showed: for people on a terminal, for scripts as JSON, for looking at as one HTML
//! file.

mod html;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::machine::Machine;
use super::rig::Rig;
use super::watch::Timeline;

/// What a scenario found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    /// The question it answers.
    pub(crate) question: String,
    /// How it was measured.
    pub(crate) method: Vec<String>,
    /// The figures that answer it.
    pub(crate) figures: Vec<Figure>,
    /// Figures side by side.
    pub(crate) tables: Vec<Table>,
    /// What to write into the configuration.
    pub(crate) advice: Option<Advice>,
    /// The loads, one for each rig.
    pub(crate) runs: Vec<Run>,
    /// Promises that were not kept. Empty is good.
    pub(crate) broken: Vec<String>,
}

/// A figure with its name and unit.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What it says, where the name is not enough.
    pub(crate) note: String,
}

/// Figures side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The row that is recommended, if one is.
    pub(crate) best: Option<usize>,
}

/// What to write into the configuration, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Advice {
    pub(crate) yaml: String,
    pub(crate) reasons: Vec<String>,
}

/// The loads on one rig.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) name: String,
    /// The gateway's configuration.
    pub(crate) config: String,
    pub(crate) timeline: Timeline,
    pub(crate) truth: Counted,
}

/// What became of the notifications: as the clients and the providers counted it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counted {
    /// Notifications made.
    pub(crate) sent: u64,
    /// Distinct events that providers accepted.
    pub(crate) delivered: u64,
    /// Badge updates made, which have no event, and how many of them providers accepted: some
    /// phones want none.
    pub(crate) badges_sent: u64,
    pub(crate) badges: u64,
    /// Answered 200, and never arrived.
    pub(crate) lost: u64,
    /// Accepted by a provider once more.
    pub(crate) doubled: u64,
    /// Pushkeys rejected while something was measured.
    pub(crate) rejected: u64,
    /// Answers that asked for a repeat.
    pub(crate) failed: u64,
    /// Requests that broke a provider's rules.
    pub(crate) refused: u64,
    /// Connections to providers.
    pub(crate) connections: u64,
}

/// Whether an event may arrive twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubles {
    /// Connections broke: it cannot be known what the provider saw.
    Possible,
    /// Nothing broke.
    Never,
}

impl Run {
    /// Closes a rig's books.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway is gone.
    pub(crate) fn close(name: &str, rig: &mut Rig, timeline: Timeline) -> io::Result<Self> {
        rig.gateway.process.lives()?;
        let truth = rig.truth();
        let phases = || timeline.phases.iter();
        Ok(Self {
            name: name.to_owned(),
            config: rig.config.clone(),
            truth: Counted {
                sent: rig.sent(),
                delivered: truth.arrived,
                badges_sent: rig.bodies.badges(rig.sent()),
                badges: truth.without_id,
                lost: truth.lost,
                doubled: truth.doubled,
                rejected: phases().map(|phase| phase.rejected).sum(),
                failed: phases().flat_map(|phase| phase.failed.values()).sum(),
                refused: rig.peers().map(|peer| peer.refused() as u64).sum(),
                connections: rig.peers().map(|peer| peer.connections_opened() as u64).sum(),
            },
            timeline,
        })
    }
}

impl Findings {
    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: String, note: &str) {
        self.figures.push(Figure { name: name.to_owned(), value, note: note.to_owned() });
    }

    /// Adds a run, and every promise it did not keep.
    pub(crate) fn keep(&mut self, run: Run, doubles: Doubles) {
        let Counted { delivered, badges, lost, doubled, rejected, refused, .. } = run.truth;
        let mut promise = |broken: bool, what: String| {
            if broken {
                self.broken.push(format!("{}: {what}", run.name));
            }
        };
        promise(delivered + badges == 0, "nothing was delivered".to_owned());
        promise(lost > 0, format!("{lost} events were answered with 200 and never arrived"));
        promise(
            doubled > 0 && doubles == Doubles::Never,
            format!("{doubled} events arrived twice, and no connection broke"),
        );
        promise(
            rejected > 0,
            format!("{rejected} pushkeys were rejected that no provider had rejected"),
        );
        promise(refused > 0, format!("{refused} requests broke a provider's rules"));
        self.runs.push(run);
    }
}

/// A report whole.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    scenario: &'static str,
    commit: String,
    machine: Machine,
    #[serde(flatten)]
    findings: Findings,
    truth: Counted,
}

impl Report {
    pub(crate) fn new(
        scenario: &'static str,
        commit: &str,
        machine: Machine,
        findings: Findings,
    ) -> Self {
        let mut truth = Counted::default();
        for run in &findings.runs {
            truth.sent += run.truth.sent;
            truth.delivered += run.truth.delivered;
            truth.badges_sent += run.truth.badges_sent;
            truth.badges += run.truth.badges;
            truth.lost += run.truth.lost;
            truth.doubled += run.truth.doubled;
            truth.rejected += run.truth.rejected;
            truth.failed += run.truth.failed;
            truth.refused += run.truth.refused;
            truth.connections += run.truth.connections;
        }
        Self { scenario, commit: commit.to_owned(), machine, findings, truth }
    }

    /// Returns whether every promise was kept.
    pub(crate) fn is_good(&self) -> bool {
        self.findings.broken.is_empty()
    }

    /// Returns the table for a terminal.
    pub(crate) fn text(&self) -> String {
        table::text(self)
    }

    /// Writes JSON and HTML into a folder; returns the files.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<[PathBuf; 2]> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string(self).map_err(io::Error::other)?;
        let files = ["json", "html"].map(|kind| folder.join(format!("{}.{kind}", self.scenario)));
        fs::write(&files[0], &json)?;
        fs::write(&files[1], html::page(self.scenario, &json))?;
        Ok(files)
    }
}
