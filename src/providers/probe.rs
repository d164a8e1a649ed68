//! Whether a provider can be reached and knows our credentials, found out without delivering
//! anything.
//!
//! `reach` goes the way to a host; the pushes that providers send besides are for devices that do
//! not exist, so that a refusal of the device is the proof that everything else is good.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::{Instant, timeout};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::outcome::Outcome;
use super::push::Push;
use crate::matrix::{Device, Notification, Text};
use crate::transport::dial::ask_proxy;
use crate::transport::{Dialer, Failure, Origin, Proxy, TransportError};

/// The longest time for one thing that is tried.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub tried: String,
    /// Whether it went as it should.
    pub ok: bool,
    /// How it went.
    pub detail: String,
    /// What to do about it; empty where nothing is wrong.
    pub instead: String,
}

impl Finding {
    /// Went as it should.
    pub fn ok(tried: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { tried: tried.into(), ok: true, detail: detail.into(), instead: String::new() }
    }

    /// Did not go as it should.
    pub fn failed(
        tried: impl Into<String>,
        detail: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self { ok: false, instead: instead.into(), ..Self::ok(tried, detail) }
    }

    /// Judges the answer to a push to a device that does not exist: it must be refused for that.
    pub fn of_bogus_push(tried: impl Into<String>, outcome: &Outcome) -> Self {
        let reason = outcome.cause().map_or("accepted", |cause| cause.reason);
        let detail = outcome.cause().and_then(|cause| cause.detail.as_deref());
        match outcome {
            Outcome::Rejected(_) => Self::ok(tried, format!("{reason}, as it should be")),
            // A relay, or a dry run that looks no further.
            Outcome::Accepted => Self::ok(tried, reason),
            Outcome::Transient { .. } | Outcome::Permanent(_) => {
                Self::failed(tried, reason, detail.unwrap_or_default())
            }
        }
    }

    /// Says what came of something that must succeed.
    pub fn of_step(tried: impl Into<String>, step: Result<String, Outcome>) -> Self {
        match step {
            Ok(detail) => Self::ok(tried, detail),
            Err(outcome) => {
                let cause = outcome.cause();
                let reason = cause.map_or("", |cause| cause.reason);
                let detail = cause.and_then(|cause| cause.detail.as_deref());
                Self::failed(tried, reason, detail.unwrap_or_default())
            }
        }
    }
}

/// Makes a push about an event that does not exist, for a device that does not.
pub(super) fn bogus_push(pushkey: impl Into<Text>) -> Push {
    let notification = Notification {
        event_id: Some("$peregrine-check".into()),
        room_id: Some("!peregrine-check:example.org".into()),
        ..Notification::default()
    };
    let device =
        Device { app_id: "peregrine.check".into(), pushkey: pushkey.into(), ..Device::default() };
    Push::to_one(notification, device)
}

/// Goes the way to a host: its name, the proxy, TCP, TLS.
pub(super) async fn reach(dialer: &Dialer, origin: &Origin) -> Finding {
    let proxy = dialer.proxy.as_deref().filter(|proxy| proxy.covers(origin));
    let what = if origin.tls { "TLS with" } else { "connection to" };
    let tried = match proxy {
        Some(proxy) => {
            format!("{what} {} through the proxy {}:{}", origin.authority(), proxy.host, proxy.port)
        }
        None => format!("{what} {}", origin.authority()),
    };
    match timeout(PATIENCE, dialer.connect(origin)).await {
        Ok(Ok(stream)) => {
            let ends = stream.certificate().and_then(|der| ends(der));
            let detail =
                ends.map_or_else(String::new, |day| format!("its certificate ends on {day}"));
            Finding::ok(tried, detail)
        }
        Ok(Err(TransportError { failure, detail, .. })) => {
            Finding::failed(tried, detail, advice(failure, origin))
        }
        Err(_) => {
            let detail = format!("no connection within {} seconds", PATIENCE.as_secs());
            Finding::failed(tried, detail, advice(Failure::Connect, origin))
        }
    }
}

/// Asks the proxy for the way to a host that cannot exist (RFC 6761, section 6.4). Whether it is
/// there, speaks CONNECT and takes our credentials shows in how it refuses. `None` where it is for
/// no host at all.
pub async fn try_proxy(proxy: &Proxy) -> Option<Finding> {
    let nowhere = Origin { tls: true, host: "peregrine-check.invalid".to_owned(), port: 443 };
    if !proxy.covers(&nowhere) {
        return None;
    }
    let tried = format!("CONNECT through {}:{}", proxy.host, proxy.port);
    let address = "check host and port of `proxy` (or $HTTPS_PROXY)";
    let no_proxy = "check that a proxy that knows CONNECT listens there (`proxy`, or $HTTPS_PROXY)";
    let finding = match timeout(PATIENCE, ask_proxy(proxy, &nowhere)).await {
        Ok(Ok(407)) if proxy.authorization.is_none() => Finding::failed(
            tried,
            "407: it wants user and password",
            "write `proxy: http://user:password@host:port`, or the same in `proxy_file`",
        ),
        Ok(Ok(407)) => Finding::failed(
            tried,
            "407: it does not take user and password",
            "check user and password of `proxy` (or $HTTPS_PROXY)",
        ),
        // What web servers say to CONNECT: RFC 9110, sections 9.3.6, 15.5.6 and 15.6.2.
        Ok(Ok(status @ (400 | 405 | 501))) => {
            Finding::failed(tried, format!("it answers {status}"), no_proxy)
        }
        Ok(Ok(status)) => {
            let detail = format!("it answers ({status} for a host that does not exist)");
            Finding::ok(tried, detail)
        }
        Ok(Err(error)) => Finding::failed(tried, error.detail, address),
        Err(_) => {
            let detail = format!("no answer within {} seconds", PATIENCE.as_secs());
            Finding::failed(tried, detail, address)
        }
    };
    Some(finding)
}

fn advice(failure: Failure, origin: &Origin) -> String {
    let (host, port) = (&origin.host, origin.port);
    match failure {
        Failure::Dns => "check this machine's DNS, and `endpoint` if you set it".to_owned(),
        Failure::Proxy => format!(
            "check `proxy` (address, user and password), and that it allows CONNECT to {host}:{port}"
        ),
        Failure::Tls => "check this machine's clock; if a proxy or relay of yours ends TLS, name \
                         its root certificate in `tls.ca_file`"
            .to_owned(),
        _ => format!("allow outgoing connections to {host} port {port}, or set `proxy`"),
    }
}

/// Returns the day a certificate ends.
fn ends(der: &[u8]) -> Option<time::Date> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.to_datetime().date())
}

/// Returns when a push that is tried has to be answered.
pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Returns the day of a time, for people.
pub(super) fn day(at: SystemTime) -> time::Date {
    time::OffsetDateTime::from(at).date()
}
