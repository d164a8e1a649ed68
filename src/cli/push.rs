//! One push as commands show it: where its `app_id` leads, and what came of it.

use std::fmt;

use serde::Serialize;

use crate::config::Config;
use crate::dispatch::routes::{Routed, Routes};
use crate::providers::{App, Outcome};

/// Where an `app_id` leads.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Route<'a> {
    r#match: Match,
    /// The app's name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
}

/// How an app was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Match {
    Exact,
    Glob,
    None,
    Ambiguous,
}

impl<'a> Route<'a> {
    /// Finds the app of an `app_id`, and its index.
    pub(super) fn find(app_id: &str, routes: &Routes, config: &'a Config) -> (Self, Option<usize>) {
        let to = |how, app: &'a App| Self {
            r#match: how,
            app: Some(&app.pattern),
            r#type: Some(app.provider),
        };
        match routes.find(app_id) {
            Routed::To(index) => {
                let app = &config.apps[index];
                let is_exact = app.pattern == app_id;
                let how = if is_exact { Match::Exact } else { Match::Glob };
                (to(how, app), Some(index))
            }
            Routed::Ambiguous(index) => (to(Match::Ambiguous, &config.apps[index]), None),
            Routed::Unknown => {
                let route = Self { r#match: Match::None, app: None, r#type: None };
                (route, None)
            }
        }
    }
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.r#match {
            Match::Exact => "by its name",
            Match::Glob => "by its pattern",
            Match::Ambiguous => "and to another app: its configuration is ambiguous",
            Match::None => return f.write_str("none: no app has this app_id"),
        };
        let (app, kind) = (self.app.unwrap_or_default(), self.r#type.unwrap_or_default());
        write!(f, "{app} ({kind}), {how}")
    }
}

/// What came of a push, or of one attempt.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Came {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Came {
    /// Takes over an outcome.
    pub(super) fn of(outcome: &Outcome) -> Self {
        let cause = outcome.cause();
        Self {
            outcome: outcome.as_str(),
            reason: cause.map(|cause| cause.reason),
            detail: cause.and_then(|cause| cause.detail.as_deref().map(str::to_owned)),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outcome)?;
        if let Some(reason) = self.reason {
            write!(f, ": {reason}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}
