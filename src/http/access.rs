//! One log line for each `/notify` request: who asked, about which event, and what came of it.
//! Never content, never a pushkey.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;

use super::PublicState;
use super::head::X_REQUEST_ID;
use crate::matrix::NotifyRequest;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest event id shown; Matrix allows 255 bytes
/// (<https://spec.matrix.org/latest/appendices/#common-identifier-format>).
const MAX_EVENT_ID_BYTES: usize = 255;

/// Writes the line for an answered request; no notification if the body was refused.
pub(super) fn line(
    request: &HttpRequest,
    state: &PublicState,
    notification: Option<&NotifyRequest>,
    status: StatusCode,
    took: Duration,
) {
    // The macro evaluates nothing if nobody listens.
    tracing::info!(
        target: "peregrine::access",
        request_id = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok()),
        client = client(request, state).map(tracing::field::display),
        status = status.as_u16(),
        devices = notification.map_or(0, |it| it.devices.len()),
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        event_id = notification.and_then(event_id),
        "notify"
    );
}

fn event_id(notification: &NotifyRequest) -> Option<&str> {
    let id: &str = notification.notification.event_id.as_ref()?;
    let mut end = id.len().min(MAX_EVENT_ID_BYTES);
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    Some(&id[..end])
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
