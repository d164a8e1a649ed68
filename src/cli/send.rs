//! `send`: one test notification on the real way, each step shown.
//!
//! What runs here is the supervisor of one worker thread with the provider actors of one app,
//! retries and all; only the HTTP listener is missing.

use std::fmt;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Actor as _;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tracing::Span;
use uuid::Uuid;

use super::print::{self, Colour, Format, FormatOption, Painted};
use super::push::{Came, Route};
use super::{block_on, start_log};
use crate::config::Config;
use crate::dispatch::routes::Routes;
use crate::dispatch::{Home, Memory, Notify, Plan, Supervisor};
use crate::http::Answer;
use crate::matrix::NotifyRequest;
use crate::providers::observer::Observe;
use crate::providers::{App, Outcome};
use crate::telemetry::config::MetricsConfig;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Example: peregrine send --app-id com.example.app.ios --pushkey \"$YOUR_OWN_PHONES_PUSHKEY\"

It goes to the provider from here, whether a gateway is running or not.

Exit codes: 0 the provider accepted it, 1 it did not, 78 wrong or missing configuration.";

/// What to send.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The pusher's `app_id`, which decides the app
    #[arg(long, value_name = "APP_ID", allow_hyphen_values = true)]
    app_id: String,

    /// The pusher's pushkey: the device's token, or (web push) its public key
    #[arg(long, value_name = "PUSHKEY", allow_hyphen_values = true)]
    pushkey: String,

    /// Send ids alone, as for pushers with the format `event_id_only`
    #[arg(long)]
    event_id_only: bool,

    /// The unread count to show
    #[arg(long, value_name = "N")]
    badge: Option<u64>,

    /// The pusher's data as a JSON object, such as '{"endpoint": "https://...", "auth": "..."}'
    #[arg(long, value_name = "JSON", value_parser = object)]
    data: Option<Map<String, Value>>,

    #[command(flatten)]
    format: FormatOption,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// Sends one notification and shows what comes of it.
pub(super) fn run(options: &super::Options, test: &Options) -> ExitCode {
    let config = match options.load() {
        Ok(loaded) => loaded.config,
        Err(wrong) => return wrong,
    };
    let request = match Answer::or_request(test.body().into(), config.http.max_body_bytes) {
        Ok(request) => request,
        Err(refused) => {
            print::err(format_args!("the gateway would refuse this: {}\n", refused.body));
            return ExitCode::FAILURE;
        }
    };
    // A test is no incident: nothing is reported.
    let telemetry = match start_log(&config.log, &MetricsConfig::default()) {
        Ok(telemetry) => telemetry,
        Err(failed) => return failed,
    };
    let routes = Routes::new(config.apps.iter().map(|app| app.pattern.as_str()));
    let (route, app) = Route::find(&test.app_id, &routes, &config);
    let steps =
        Arc::new(Steps { live: test.format.get() == Format::Text, taken: Mutex::default() });
    steps.say("route", route);
    // Its borrow of the configuration ends here.
    let route = serde_json::to_value(route).unwrap_or_default();
    let delivered = block_on(deliver(config, app, request, steps.clone()));
    telemetry.finish();
    let (answer, took) = match delivered {
        Ok(delivered) => delivered,
        Err(error) => {
            print::err(format_args!("{error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let attempts = std::mem::take(&mut *steps.taken.lock().unwrap_or_else(PoisonError::into_inner));
    let accepted = attempts.last().is_some_and(|last| last.accepted);
    let sent = Sent { accepted, route, attempts, answer, ms: milliseconds(took) };
    match test.format.get() {
        Format::Json => print::json(&sent),
        Format::Text => sent.conclude(&steps),
    }
    if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Options {
    /// Writes the notification as a homeserver does.
    fn body(&self) -> Vec<u8> {
        let mut notification = json!({
            "event_id": format!("$peregrine-send-{}", Uuid::new_v4().simple()),
            "room_id": "!peregrine-send:example.org",
            "prio": "high",
            "devices": [{
                "app_id": self.app_id,
                "pushkey": self.pushkey,
                "data": self.data,
            }],
        });
        if !self.event_id_only {
            notification["type"] = "m.room.message".into();
            notification["sender"] = "@peregrine:example.org".into();
            notification["sender_display_name"] = "peregrine".into();
            notification["room_name"] = "peregrine".into();
            notification["content"] =
                json!({"msgtype": "m.text", "body": "A test notification from peregrine"});
        }
        if let Some(unread) = self.badge {
            notification["counts"] = json!({ "unread": unread });
        }
        json!({ "notification": notification }).to_string().into()
    }
}

/// Delivers to the app with this index; without one, to nobody.
async fn deliver(
    config: Config,
    app: Option<usize>,
    request: NotifyRequest,
    steps: Arc<Steps>,
) -> Result<(Answer, Duration), String> {
    let observe: Arc<Observe> = Arc::new(move |outcome, took| steps.attempted(outcome, took));
    let apps = config.apps.into_iter().enumerate();
    let apps: Vec<App> = apps
        .filter(|(index, _)| Some(*index) == app)
        .map(|(_, app)| app.observed(observe.clone()))
        .collect();
    let plan = Arc::new(Plan::new(config.delivery, apps, 1, None));
    // A memory of its own: the notification is sent, whatever replicas know of the pushkey.
    let memory = Arc::new(Memory::new(&plan.config, Home::Memory));
    let supervisor = Supervisor::new(plan, memory, 0).start();
    let received = Instant::now();
    let notify =
        Notify { request: Arc::new(request), received, reported: false, span: Span::none() };
    let notified = supervisor.send(notify).await;
    let notified = notified.map_err(|error| format!("the supervisor ended: {error}"))?;
    Ok((Answer::to(notified.verdict), received.elapsed()))
}

/// What was done so far; shown at once where people look on.
struct Steps {
    live: bool,
    taken: Mutex<Vec<Attempt>>,
}

/// One attempt at the provider.
#[derive(Debug, Serialize)]
struct Attempt {
    #[serde(flatten)]
    came: Came,
    #[serde(skip)]
    accepted: bool,
    ms: u64,
}

impl Steps {
    fn attempted(&self, outcome: &Outcome, took: Duration) {
        let attempt = Attempt {
            came: Came::of(outcome),
            accepted: *outcome == Outcome::Accepted,
            ms: milliseconds(took),
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.say(
            &format!("attempt {}", taken.len() + 1),
            format_args!("{} after {} ms", attempt.came, attempt.ms),
        );
        taken.push(attempt);
    }

    fn say(&self, step: &str, what: impl fmt::Display) {
        if self.live {
            print::out(format_args!("{step:<10} {what}\n"));
        }
    }
}

/// What came of it all.
#[derive(Serialize)]
struct Sent {
    accepted: bool,
    route: Value,
    attempts: Vec<Attempt>,
    /// What a homeserver would be answered.
    answer: Answer,
    ms: u64,
}

impl Sent {
    /// Shows people the end.
    fn conclude(&self, steps: &Steps) {
        let Answer { status, retry_after, body } = &self.answer;
        let wait = retry_after.map_or_else(String::new, |it| format!(" (Retry-After: {it})"));
        steps.say("answer", format_args!("{status}{wait} {body}"));
        let (colour, word) =
            if self.accepted { (Colour::Good, "accepted") } else { (Colour::Bad, "not accepted") };
        print::out(format_args!("{} in {} ms\n", Painted(colour, word), self.ms));
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
