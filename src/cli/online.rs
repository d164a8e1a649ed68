//! `check --online`: whether each app's provider can be reached and takes its credentials. Nothing
//! is delivered. All apps are tried at once, and each thing tried ends by itself.

use std::fmt;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;

use super::block_on;
use super::print::{Colour, Painted, Progress, counted};
use crate::dispatch::Home;
use crate::providers::{App, Finding};

/// Most apps tried at once: each may open two connections.
const AT_ONCE: usize = 64;

/// What was found about one app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Online(Vec<Finding>);

/// Tries every app, and the other home of the tables if they have one.
///
/// # Errors
///
/// Returns why nothing can be tried.
pub(super) fn try_all(apps: &[App], home: &Home) -> Result<(Vec<Online>, Option<Online>), String> {
    let count = counted(apps.len(), "app");
    let _progress = Progress::show(format_args!("asking the providers of {count} ..."));
    block_on(async {
        let probes = stream::iter(apps).map(App::probe).buffered(AT_ONCE);
        let (found, state) = tokio::join!(probes.collect::<Vec<_>>(), home.probe());
        let state = state.map(|finding| Online(vec![finding]));
        Ok((found.into_iter().map(Online).collect(), state))
    })
}

impl Online {
    /// Returns how many things went wrong.
    pub(super) fn failures(&self) -> usize {
        self.0.iter().filter(|finding| !finding.ok).count()
    }
}

impl fmt::Display for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "  {}      nothing to reach", Painted(Colour::Good, "ok"));
        }
        let width = self
            .0
            .iter()
            .map(|finding| finding.tried.chars().count())
            .max();
        let width = width.unwrap_or_default();
        for Finding {
            tried,
            ok,
            detail,
            instead,
        } in &self.0
        {
            // Padded by hand: what paints has a width too.
            let (word, gap) = if *ok {
                (Painted(Colour::Good, "ok"), "    ")
            } else {
                (Painted(Colour::Bad, "FAILED"), "")
            };
            let line = format!("{tried:width$}  {detail}");
            writeln!(f, "  {word}{gap}  {}", line.trim_end())?;
            if !instead.is_empty() {
                writeln!(f, "          {instead}")?;
            }
        }
        Ok(())
    }
}
