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

use super::online::{self, Online, Outside};
use super::print::{self, Colour, FormatOption, Painted, counted};
use super::{WRONG_CONFIGURATION, environment};
use crate::config::{self, Loaded, Report};
use crate::providers::{App, Credential};
use crate::telemetry::Metrics;

/// What the exit code says.
pub(super) const AFTER_HELP: &str = "\
Exit codes: 0 all is well, 1 (with --online) not everything answers as it should, 78 `serve` would \
not start.";

/// How to check.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Reach the proxy and every provider with their credentials too; delivers nothing
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
        match online::try_all(config) {
            Ok(outside) => result.add(outside),
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
    /// The proxy, if there is one and it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Online>,
    /// Where replicas share their tables, if they do and it was tried.
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
                proxy: None,
                state: None,
            },
            Err(report) => Self { ok: false, report, apps: Vec::new(), proxy: None, state: None },
        }
    }

    /// Adds what was found online, app by app.
    fn add(&mut self, found: Outside) {
        for (app, online) in self.apps.iter_mut().zip(found.apps) {
            app.online = Some(online);
        }
        self.proxy = found.proxy;
        self.state = found.state;
        self.ok = self.failures() == Some(0);
    }

    /// Returns how many things went wrong online; `None` if nothing was tried.
    fn failures(&self) -> Option<usize> {
        let apps = self.apps.iter().filter_map(|app| app.online.as_ref());
        let all = apps.chain(&self.proxy).chain(&self.state);
        all.map(Online::failures).reduce(|some, more| some + more)
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
                let CheckedCredential { description, expires } = credential;
                match expires {
                    Some(at) => writeln!(f, "  {description}, {}", Lasting(*at))?,
                    None => writeln!(f, "  {description}")?,
                }
            }
            if let Some(online) = &app.online {
                write!(f, "{online}")?;
            }
        }
        for (name, online) in [("proxy", &self.proxy), ("state", &self.state)] {
            if let Some(online) = online {
                write!(f, "{}\n{online}", Painted(Colour::Head, name))?;
            }
        }
        let file = &self.report.file;
        let warnings = counted(self.report.warnings(), "warning");
        if self.report.errors() > 0 {
            let (bad, errors) = (Painted(Colour::Bad, "is wrong"), self.report.errors());
            return writeln!(f, "{file} {bad}: {}, {warnings}", counted(errors, "error"));
        }
        let apps = counted(self.apps.len(), "app");
        let good = Painted(Colour::Good, "is good");
        match self.failures() {
            None => writeln!(f, "{file} {good}: {apps}, {warnings}"),
            Some(0) => writeln!(f, "{file} {good}: {apps}, {warnings}, 0 failures online"),
            Some(failures) => {
                let bad = Painted(Colour::Bad, "can be read but does not work");
                let failures = counted(failures, "failure");
                writeln!(f, "{file} {bad}: {apps}, {warnings}, {failures} online")
            }
        }
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
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()
}

/// Writes a time as RFC 3339 has it.
#[expect(clippy::ref_option, reason = "serde asks for this signature")]
fn date<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let date = at.and_then(utc).and_then(|at| at.format(&Rfc3339).ok());
    date.serialize(serializer)
}
