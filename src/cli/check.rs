//! `check`: what is wrong with the configuration, where, and what to write instead.
//!
//! Shows each app and how long its credentials last when nothing is wrong.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{WRONG_CONFIGURATION, environment};
use crate::config::{self, Loaded, Report};
use crate::providers::{App, Credential};
use crate::telemetry::Metrics;

/// How to check.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// For people or for machines [default: text on a terminal, else json]
    #[arg(long)]
    format: Option<Format>,
}

/// For people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Checks the configuration and prints what there is to say.
pub(super) fn run(options: &super::Options, check: &Options) -> ExitCode {
    let loaded = config::load(&options.config(), &environment, &Metrics::new());
    let result = Checked::new(&loaded);
    let otherwise = if io::stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    };
    match check.format.unwrap_or(otherwise) {
        Format::Text => super::print(&result.to_string()),
        Format::Json => match serde_json::to_string_pretty(&result) {
            Ok(json) => super::print(&(json + "\n")),
            Err(error) => eprintln!("cannot write the result as JSON: {error}"),
        },
    }
    if result.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG_CONFIGURATION)
    }
}

/// What `check` found.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
    apps: Vec<CheckedApp<'a>>,
}

/// An app as `check` shows it.
#[derive(Serialize)]
struct CheckedApp<'a> {
    app_id: &'a str,
    r#type: &'static str,
    credentials: Vec<CheckedCredential<'a>>,
}

/// A credential as `check` shows it.
#[derive(Serialize)]
struct CheckedCredential<'a> {
    description: &'a str,
    #[serde(serialize_with = "date")]
    expires: Option<SystemTime>,
}

impl<'a> Checked<'a> {
    fn new(loaded: &'a Result<Loaded, Report>) -> Self {
        match loaded {
            Ok(Loaded { config, warnings }) => Self {
                ok: true,
                report: warnings,
                apps: config.apps.iter().map(CheckedApp::new).collect(),
            },
            Err(report) => Self {
                ok: false,
                report,
                apps: Vec::new(),
            },
        }
    }
}

impl<'a> CheckedApp<'a> {
    fn new(app: &'a App) -> Self {
        let credential = |credential: &'a Credential| CheckedCredential {
            description: &credential.description,
            expires: credential.expires,
        };
        Self {
            app_id: &app.pattern,
            r#type: app.provider,
            credentials: app.credentials.iter().map(credential).collect(),
        }
    }
}

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        for app in &self.apps {
            writeln!(f, "{} ({})", app.app_id, app.r#type)?;
            for credential in &app.credentials {
                let CheckedCredential {
                    description,
                    expires,
                } = credential;
                match expires {
                    Some(at) => writeln!(f, "  {description}, {}", Lasting(*at))?,
                    None => writeln!(f, "  {description}")?,
                }
            }
        }
        let file = &self.report.file;
        let warnings = counted(self.report.warnings(), "warning");
        if self.ok {
            writeln!(
                f,
                "{file} is good: {}, {warnings}",
                counted(self.apps.len(), "app")
            )
        } else {
            writeln!(
                f,
                "{file} is wrong: {}, {warnings}",
                counted(self.report.errors(), "error")
            )
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// How long a credential lasts, seen from now.
struct Lasting(SystemTime);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = utc(self.0) else {
            return f.write_str("does not expire");
        };
        let day = at.date();
        match (at - OffsetDateTime::now_utc()).whole_days() {
            _ if at < OffsetDateTime::now_utc() => write!(f, "EXPIRED on {day}"),
            days => write!(f, "expires on {day}, in {days} days"),
        }
    }
}

/// Returns the time in UTC; `None` if it is past the calendar's end.
fn utc(at: SystemTime) -> Option<OffsetDateTime> {
    let seconds = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()
}

/// Writes a time as RFC 3339 has it.
#[expect(clippy::ref_option, reason = "serde asks for this signature")]
fn date<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let date = at.and_then(utc).and_then(|at| at.format(&Rfc3339).ok());
    date.serialize(serializer)
}
