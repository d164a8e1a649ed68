//! `check --online`: whether each app's provider can be reached and takes its credentials, and
//! whether the proxy and the other home of the tables answer. Nothing is delivered. All is tried at
//! once, and each thing tried ends by itself.

use std::fmt;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;

use super::block_on;
use super::print::{Colour, Painted, Progress, counted};
use crate::config::Config;
use crate::providers::{App, Finding, probe};

/// Most apps tried at once: each may open two connections.
const AT_ONCE: usize = 64;

/// What was found about everything outside.
pub(super) struct Outside {
    /// About each app, in the order of the configuration.
    pub(super) apps: Vec<Online>,
    /// About the proxy, if there is one.
    pub(super) proxy: Option<Online>,
    /// About where replicas share their tables, if they do.
    pub(super) state: Option<Online>,
}

/// What was found about one app, or one other thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Online(Vec<Finding>);

/// Tries everything that a configuration needs outside.
///
/// # Errors
///
/// Returns why nothing can be tried.
pub(super) fn try_all(config: &Config) -> Result<Outside, String> {
    let count = counted(config.apps.len(), "app");
    let _progress = Progress::show(format_args!("asking the providers of {count} ..."));
    block_on(async {
        let apps = stream::iter(&config.apps).map(App::probe);
        let proxy = async { probe::try_proxy(config.proxied.as_deref()?).await };
        let apps = apps.buffered(AT_ONCE).map(Online).collect();
        let (apps, proxy, state) = tokio::join!(apps, proxy, config.home.probe());
        let alone = |finding| Online(vec![finding]);
        Ok(Outside { apps, proxy: proxy.map(alone), state: state.map(alone) })
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
        let width = self.0.iter().map(|finding| finding.tried.chars().count()).max();
        let width = width.unwrap_or_default();
        for Finding { tried, ok, detail, instead } in &self.0 {
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
