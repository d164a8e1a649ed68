//! One log line for each `/notify` request: who asked, about which event, and what came of each
//! device. Never content, never a pushkey.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::Errcode;
use super::head::X_REQUEST_ID;
use super::{NOTIFY, PublicState};
use crate::dispatch::{Ending, Report};
use crate::matrix::{Device, NotifyRequest};
use crate::telemetry::logs::{self, ShortHash, json};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most devices shown. Homeservers send one in each request.
const MAX_DEVICES: usize = 32;

/// Whether anybody reads the line: nothing is gathered for it otherwise.
pub(super) fn is_on(state: &PublicState) -> bool {
    state.access.enabled && tracing::enabled!(target: "peregrine::access", tracing::Level::INFO)
}

/// What the line tells of.
pub(super) struct Line<'a> {
    /// Who asked.
    pub(super) request: &'a HttpRequest,
    /// What; absent if the request was refused.
    pub(super) notification: Option<&'a NotifyRequest>,
    /// What came of each device; absent if none was tried.
    pub(super) report: Option<&'a Report>,
    /// What it was answered.
    pub(super) answer: &'a HttpResponse,
    /// How long that took.
    pub(super) took: Duration,
}

impl Line<'_> {
    /// Writes the line.
    pub(super) fn write(&self, state: &PublicState) {
        let Line {
            request, answer, ..
        } = self;
        let left_out = self
            .report
            .map_or(0, |it| it.len().saturating_sub(MAX_DEVICES));
        tracing::info!(
            target: "peregrine::access",
            request_id = id(request),
            event_id = self.notification.and_then(event_id),
            client = client(request, state).map(tracing::field::display),
            status = answer.status().as_u16(),
            errcode = answer.extensions().get::<Errcode>().map(|code| code.0),
            ms = logs::whole_ms(self.took),
            devices = self.report.map(|report| tracing::field::debug(Devices(report))),
            devices_left_out = (left_out > 0).then_some(left_out),
            "notify"
        );
    }
}

/// Writes the line of a request that was refused for its head, if it was to be a notification.
pub(super) fn refused(request: &HttpRequest, answer: &HttpResponse) {
    let is_notify = request.method() == Method::POST && request.path() == NOTIFY;
    let state: Option<&web::Data<PublicState>> = request.app_data();
    if let Some(state) = state.filter(|state| is_notify && is_on(state)) {
        let line = Line {
            request,
            notification: None,
            report: None,
            answer,
            took: Duration::ZERO,
        };
        line.write(state);
    }
}

/// Returns the request's id.
pub(super) fn id(request: &HttpRequest) -> Option<&str> {
    request.headers().get(X_REQUEST_ID)?.to_str().ok()
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
    state
        .trusted_proxies
        .client(peer, forwarded.filter_map(|value| value.to_str().ok()))
}

/// The devices of a request, in words or (`{:#?}`) as JSON: see `telemetry::logs::json`.
struct Devices<'a>(&'a Report);

impl fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (device, ending)) in self.0.devices().take(MAX_DEVICES).enumerate() {
            if i > 0 {
                f.write_str(if f.alternate() { "," } else { ", " })?;
            }
            if f.alternate() {
                self.write_json(f, device, ending)?;
            } else {
                self.write_words(f, device, ending)?;
            }
        }
        f.write_str("]")
    }
}

impl Devices<'_> {
    /// Returns the app by its configured name; one that has none by what the request called it.
    fn app<'d>(&'d self, device: &'d Device) -> (&'static str, &'d str) {
        match self.0.app(device) {
            Some(app) => ("app", app),
            None => ("app_id", logs::cut(&device.app_id)),
        }
    }

    fn write_words(
        &self,
        f: &mut fmt::Formatter<'_>,
        device: &Device,
        ending: &Ending,
    ) -> fmt::Result {
        let (key, app) = self.app(device);
        let (pushkey, outcome) = (ShortHash(&device.pushkey), ending.fate.as_str());
        write!(f, "{key}={app:?} pushkey={pushkey} outcome={outcome}")?;
        if !ending.reason.is_empty() {
            write!(f, " reason={}", ending.reason)?;
        }
        let (attempts, ms) = (ending.attempts, logs::whole_ms(ending.took));
        write!(f, " attempts={attempts} ms={ms}")
    }

    fn write_json(
        &self,
        f: &mut fmt::Formatter<'_>,
        device: &Device,
        ending: &Ending,
    ) -> fmt::Result {
        let (key, app) = self.app(device);
        let (pushkey, outcome) = (ShortHash(&device.pushkey), ending.fate.as_str());
        write!(f, r#"{{"{key}":"#)?;
        json::text(f, app)?;
        write!(f, r#","pushkey":"{pushkey}","outcome":"{outcome}","#)?;
        if !ending.reason.is_empty() {
            write!(f, r#""reason":"{}","#, ending.reason)?;
        }
        let (attempts, ms) = (ending.attempts, logs::whole_ms(ending.took));
        write!(f, r#""attempts":{attempts},"ms":{ms}}}"#)
    }
}
