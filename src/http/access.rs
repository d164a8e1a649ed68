//! One log line for each `/notify` request: who asked, about which event, and what came of each
//! device. Never content, never a pushkey. Whoever hangs up before the answer leaves a line as
//! well.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::Instant;

use super::error::Errcode;
use super::{NOTIFY, PublicState};
use crate::dispatch::{Ending, Report};
use crate::matrix::{Device, NotifyRequest};
use crate::telemetry::logs::{self, ShortHash, json};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most devices shown. Homeservers send one in each request.
const MAX_DEVICES: usize = 32;

/// The status of a request whose client hung up before the answer; nginx's number for it
/// (`ngx_http_request.h`).
const HUNG_UP: u16 = 499;

/// What came of a device of which nobody knows it yet.
const UNDER_WAY: &str = "under_way";

/// Begins the line of a request, if anybody reads it: nothing is gathered for it otherwise.
pub(super) fn begin<'a>(
    request: &'a HttpRequest,
    id: &'a HeaderValue,
    state: &'a PublicState,
) -> Option<Line<'a>> {
    let is_on = state.access.enabled
        && tracing::enabled!(target: "peregrine::access", tracing::Level::INFO);
    is_on.then(|| Line {
        request,
        id,
        state,
        since: Instant::now(),
        notification: None,
        is_written: false,
    })
}

/// The line of a request, written when it is answered or dropped.
pub(super) struct Line<'a> {
    request: &'a HttpRequest,
    id: &'a HeaderValue,
    state: &'a PublicState,
    since: Instant,
    notification: Option<Arc<NotifyRequest>>,
    is_written: bool,
}

impl Line<'_> {
    /// Takes note of what the request is about, and since when that is known.
    pub(super) fn about(&mut self, notification: &Arc<NotifyRequest>, since: Instant) {
        self.notification = Some(notification.clone());
        self.since = since;
    }

    /// Writes the line of a request that is answered. There is a report if devices were tried.
    pub(super) fn answered(
        mut self,
        answer: &HttpResponse,
        report: Option<&Report>,
        took: Duration,
    ) {
        let errcode = answer.extensions().get::<Errcode>().map(|code| code.0);
        let devices = report.map(Devices::Settled);
        self.write(answer.status().as_u16(), errcode, devices, took);
    }

    fn write(
        &mut self,
        status: u16,
        errcode: Option<&str>,
        devices: Option<Devices<'_>>,
        took: Duration,
    ) {
        self.is_written = true;
        let left_out = devices.as_ref().map_or(0, Devices::left_out);
        tracing::info!(
            target: "peregrine::access",
            request_id = id(self.id),
            event_id = self.notification.as_deref().and_then(event_id),
            client = client(self.request, self.state).map(tracing::field::display),
            status,
            errcode,
            ms = logs::whole_ms(took),
            devices = devices.map(tracing::field::debug),
            devices_left_out = (left_out > 0).then_some(left_out),
            "notify"
        );
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            let notification = self.notification.clone();
            let devices = notification.as_deref().map(Devices::UnderWay);
            self.write(HUNG_UP, None, devices, self.since.elapsed());
        }
    }
}

/// Writes the line of a request that was refused for its head, if it was to be a notification.
pub(super) fn refused(request: &HttpRequest, id: &HeaderValue, answer: &HttpResponse) {
    let is_notify = request.method() == Method::POST && request.path() == NOTIFY;
    let state: Option<&web::Data<PublicState>> = request.app_data();
    if let Some(line) = state.filter(|_| is_notify).and_then(|it| begin(request, id, it)) {
        line.answered(answer, None, Duration::ZERO);
    }
}

/// Returns a request's id as text, which it is.
pub(super) fn id(id: &HeaderValue) -> Option<&str> {
    id.to_str().ok()
}

/// Returns the event's id, within bounds.
pub(super) fn event_id(notification: &NotifyRequest) -> Option<&str> {
    notification.notification.event_id.as_deref().map(logs::cut)
}

/// Returns the client's address: the peer's, or the one that trusted proxies vouch for.
fn client(request: &HttpRequest, state: &PublicState) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    if !state.access.x_forwarded_for {
        return peer;
    }
    let forwarded = request.headers().get_all(X_FORWARDED_FOR);
    state.trusted_proxies.client(peer, forwarded.filter_map(|value| value.to_str().ok()))
}

/// The devices of a request, in words or (`{:#?}`) as JSON: see `telemetry::logs::json`.
enum Devices<'a> {
    /// With what came of each.
    Settled(&'a Report),
    /// While nobody knows that yet.
    UnderWay(&'a NotifyRequest),
}

impl Devices<'_> {
    /// Returns how many are not shown.
    fn left_out(&self) -> usize {
        let all = match self {
            Self::Settled(report) => report.len(),
            Self::UnderWay(request) => request.devices.len(),
        };
        all.saturating_sub(MAX_DEVICES)
    }
}

impl fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List { f, is_empty: true };
        list.f.write_str("[")?;
        match self {
            Self::Settled(report) => {
                for (device, ending) in report.devices().take(MAX_DEVICES) {
                    list.device(device, report.app(device), Some(ending))?;
                }
            }
            Self::UnderWay(request) => {
                for device in request.devices.iter().take(MAX_DEVICES) {
                    list.device(device, None, None)?;
                }
            }
        }
        list.f.write_str("]")
    }
}

/// A list of devices that is being written.
struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    is_empty: bool,
}

impl List<'_, '_> {
    /// Writes a device with its app, by its configured name; one that has none by what the request
    /// called it.
    fn device(
        &mut self,
        device: &Device,
        app: Option<&str>,
        ending: Option<&Ending>,
    ) -> fmt::Result {
        let is_json = self.f.alternate();
        if !std::mem::take(&mut self.is_empty) {
            self.f.write_str(if is_json { "," } else { ", " })?;
        }
        let app = match app {
            Some(app) => ("app", app),
            None => ("app_id", logs::cut(&device.app_id)),
        };
        let pushkey = ShortHash(&device.pushkey);
        if is_json { self.json(app, &pushkey, ending) } else { self.words(app, &pushkey, ending) }
    }

    fn words(
        &mut self,
        (key, app): (&str, &str),
        pushkey: &ShortHash<'_>,
        ending: Option<&Ending>,
    ) -> fmt::Result {
        write!(self.f, "{key}={app:?} pushkey={pushkey} outcome=")?;
        let Some(ending) = ending else {
            return self.f.write_str(UNDER_WAY);
        };
        self.f.write_str(ending.fate.as_str())?;
        if !ending.reason.is_empty() {
            write!(self.f, " reason={}", ending.reason)?;
        }
        let (attempts, ms) = (ending.attempts, logs::whole_ms(ending.took));
        write!(self.f, " attempts={attempts} ms={ms}")
    }

    fn json(
        &mut self,
        (key, app): (&str, &str),
        pushkey: &ShortHash<'_>,
        ending: Option<&Ending>,
    ) -> fmt::Result {
        write!(self.f, r#"{{"{key}":"#)?;
        json::text(self.f, app)?;
        let outcome = ending.map_or(UNDER_WAY, |ending| ending.fate.as_str());
        write!(self.f, r#","pushkey":"{pushkey}","outcome":"{outcome}""#)?;
        if let Some(ending) = ending {
            if !ending.reason.is_empty() {
                write!(self.f, r#","reason":"{}""#, ending.reason)?;
            }
            let (attempts, ms) = (ending.attempts, logs::whole_ms(ending.took));
            write!(self.f, r#","attempts":{attempts},"ms":{ms}"#)?;
        }
        self.f.write_str("}")
    }
}
