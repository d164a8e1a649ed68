//! `check`: what is wrong with the configuration, where, and what to write instead.
//!
//! Shows each app and how long its credentials last when nothing is wrong, and (`--online`) whether
//! its provider takes them.

use std::fmt;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::online::{self, Online};
use super::print::{self, Colour, FormatOption, Painted, counted};
use super::{WRONG_CONFIGURATION, environment};
use crate::config::{self, Loaded, Report};
use crate::providers::{App, Credential};
use crate::telemetry::Metrics;

/// How to check.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Reach every provider with its credentials too; delivers nothing
    #[arg(long)]
    online: bool,

    #[command(flatten)]
    format: FormatOption,
}

/// Checks the configuration and prints what there is to say.
pub(super) fn run(options: &super::Options, check: &Options) -> ExitCode {
    let loaded = config::load(&options.config(), &environment, &Metrics::new());
    let mut result = Checked::new(&loaded);
    if let (true, Ok(Loaded { config, .. })) = (check.online, &loaded) {
        match online::try_all(&config.apps, &config.home) {
            Ok((found, state)) => result.add(found, state),
            Err(error) => {
                print::err(format_args!("{error}\n"));
                return ExitCode::FAILURE;
            }
        }
    }
    check.format.result(&result);
    match &loaded {
        Ok(_) if result.ok => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(WRONG_CONFIGURATION),
    }
}

/// What `check` found.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
    apps: Vec<CheckedApp<'a>>,
    /// Where replicas share their tables, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Online>,
}

/// An app as `check` shows it.
#[derive(Serialize)]
struct CheckedApp<'a> {
    app_id: &'a str,
    r#type: &'static str,
    credentials: Vec<CheckedCredential<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Online>,
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
                state: None,
            },
            Err(report) => Self {
                ok: false,
                report,
                apps: Vec::new(),
                state: None,
            },
        }
    }

    /// Adds what was found online, app by app.
    fn add(&mut self, found: Vec<Online>, state: Option<Online>) {
        for (app, online) in self.apps.iter_mut().zip(found) {
            app.online = Some(online);
        }
        self.state = state;
        self.ok = self.failures() == 0;
    }

    /// Returns how many things went wrong online.
    fn failures(&self) -> usize {
        let apps = self.apps.iter().filter_map(|app| app.online.as_ref());
        apps.chain(&self.state).map(Online::failures).sum()
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
            online: None,
        }
    }
}

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        for app in &self.apps {
            let title = format!("{} ({})", app.app_id, app.r#type);
            writeln!(f, "{}", Painted(Colour::Head, title))?;
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
            if let Some(online) = &app.online {
                write!(f, "{online}")?;
            }
        }
        if let Some(state) = &self.state {
            write!(f, "{}\n{state}", Painted(Colour::Head, "state"))?;
        }
        let file = &self.report.file;
        let warnings = counted(self.report.warnings(), "warning");
        if self.report.errors() > 0 {
            let errors = counted(self.report.errors(), "error");
            return writeln!(f, "{file} is wrong: {errors}, {warnings}");
        }
        let apps = counted(self.apps.len(), "app");
        writeln!(f, "{file} is good: {apps}, {warnings}")?;
        let failures = self.failures();
        if failures > 0 {
            let failures = counted(failures, "failure");
            return writeln!(f, "{} online", Painted(Colour::Bad, failures));
        }
        Ok(())
    }
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
