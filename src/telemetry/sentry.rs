//! Errors and panics to Sentry: what the log says at level `error`, so never a pushkey or content.
//!
//! Reports wait in a short queue and are sent by a thread of their own. What does not fit, or what
//! Sentry asks us not to send, is dropped: the log has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use sentry_types::protocol::v7::{ClientSdkInfo, Envelope, Event, Level};
use sentry_types::{Dsn, Uuid};
use tracing::field::{Field, Visit};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;

use super::config::MetricsConfig;
use super::logs::Seldom;
use super::post::Post;
use super::{Env, Leaving, Sender};
use crate::secret::ExposeSecret as _;

/// Most reports that wait.
const CAPACITY: usize = 64;

/// How long one report may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to send nothing if Sentry says too many, but not for how long:
/// <https://develop.sentry.dev/sdk/expected-features/rate-limiting/>.
const PAUSE: Duration = Duration::from_secs(60);

/// Who we are, in the header that authorises a report.
const SDK: &str = concat!("peregrine/", env!("CARGO_PKG_VERSION"));

/// The thread that sends reports.
struct Reporter {
    queue: SyncSender<Word>,
    /// Tells that everything before the end was sent.
    done: Receiver<()>,
}

enum Word {
    Report(Box<Event<'static>>),
    Finish,
}

/// Begins to report, if the configuration says so.
pub(super) fn begin(config: &MetricsConfig, env: Env<'_>) -> Result<Leaving, String> {
    let config = &config.sentry;
    let Some(dsn) = config.dsn.as_ref().filter(|_| config.enabled) else {
        return Ok(None);
    };
    let dsn = dsn.expose_secret().parse();
    let dsn: Dsn = dsn.map_err(|error| format!("metrics.sentry.dsn: {error}"))?;
    let (queue, words) = sync_channel(CAPACITY);
    let (tell, done) = sync_channel(1);
    let courier = Courier::new(dsn);
    thread::Builder::new()
        .name("sentry".to_owned())
        .spawn(move || {
            courier.run(&words);
            let _ = tell.send(());
        })
        .map_err(|error| format!("cannot report to Sentry: {error}"))?;
    let reports =
        Reports { queue: queue.clone(), environment: env("SENTRY_ENVIRONMENT").map(Cow::Owned) };
    let sink = reports.with_filter(filter_fn(is_report)).boxed();
    Ok(Some((sink, Box::new(Reporter { queue, done }))))
}

impl Sender for Reporter {
    fn finish(self: Box<Self>, within: Duration) {
        if self.queue.try_send(Word::Finish).is_ok() {
            let _ = self.done.recv_timeout(within);
        }
    }
}

/// Errors of ours; of others' nobody knows what they hold.
fn is_report(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && *metadata.level() == tracing::Level::ERROR
        && metadata.target().starts_with("peregrine")
}

/// Makes reports of log lines.
struct Reports {
    queue: SyncSender<Word>,
    environment: Option<Cow<'static, str>>,
}

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        let told_apart = ["app", "reason", "at"].map(|name| fields.0.get(name).cloned());
        let message = fields.0.remove("message").unwrap_or_default();
        let mut fingerprint = vec![Cow::Borrowed(target), Cow::Owned(message.clone())];
        fingerprint.extend(told_apart.into_iter().flatten().map(Cow::Owned));
        let report = Event {
            event_id: Uuid::new_v4(),
            level: Level::Error,
            logger: Some(target.to_owned()),
            message: Some(message),
            fingerprint: fingerprint.into(),
            release: Some(concat!("peregrine@", env!("CARGO_PKG_VERSION")).into()),
            environment: self.environment.clone(),
            tags: fields.0,
            sdk: Some(Cow::Owned(ClientSdkInfo {
                name: "peregrine".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                integrations: Vec::new(),
                packages: Vec::new(),
            })),
            ..Event::default()
        };
        let _ = self.queue.try_send(Word::Report(Box::new(report)));
    }
}

/// The fields of a log line, as Sentry's tags.
#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Takes reports to Sentry.
struct Courier {
    dsn: Dsn,
    post: Post,
    failures: Seldom,
}

impl Courier {
    fn new(dsn: Dsn) -> Self {
        Self { dsn, post: Post::new(TIMEOUT), failures: Seldom::default() }
    }

    fn run(&self, words: &Receiver<Word>) {
        let mut paused_until = None;
        while let Ok(Word::Report(report)) = words.recv() {
            if paused_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            paused_until = self.send(*report).map(|pause| Instant::now() + pause);
        }
    }

    /// Sends one report. Returns how long Sentry wants no other.
    fn send(&self, report: Event<'static>) -> Option<Duration> {
        let envelope = Envelope::from(report);
        let mut body = Vec::new();
        envelope.to_writer(&mut body).ok()?;
        let request = Request::post(self.dsn.envelope_api_url().as_str())
            .header("X-Sentry-Auth", self.dsn.to_auth(Some(SDK)).to_string())
            .header("Content-Type", "application/x-sentry-envelope")
            .body(body.into());
        let failure = match self.post.send(request.ok()?) {
            Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                let header = answer.headers().get(RETRY_AFTER);
                let seconds = header.and_then(|it| it.to_str().ok()?.parse().ok());
                return Some(seconds.map_or(PAUSE, Duration::from_secs));
            }
            Ok(answer) if answer.status().is_success() => return None,
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(left_out) = self.failures.is_due() {
            tracing::warn!(error = failure, left_out, "cannot deliver a report to Sentry");
        }
        None
    }
}
