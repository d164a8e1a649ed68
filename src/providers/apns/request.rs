//! Apple's request around a payload: path and headers. Pure.
//!
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use uuid::Uuid;

use super::auth::Bearer;
use super::device_token::{TokenForm, write_hex};
use super::push_type::PushType;
use crate::matrix::Priority;
use crate::providers::push::View;

static APNS_ID: HeaderName = HeaderName::from_static("apns-id");
static APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
static APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
static APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
static APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
static APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");

/// Apple: "The value of this key must not exceed 64 bytes".
const MAX_COLLAPSE_ID_BYTES: usize = 64;

/// What an app's requests have in common.
#[derive(Debug)]
pub(super) struct Template {
    /// The path, up to the device token.
    pub(super) path: String,
    /// How the app's clients write device tokens.
    pub(super) token_form: TokenForm,
    /// The topic, suffix included.
    pub(super) topic: HeaderValue,
    /// The push type, if the operator gave one.
    pub(super) push_type: Option<PushType>,
    /// How long Apple keeps trying.
    pub(super) expiration: Option<Duration>,
    /// Whether a room's later push replaces an earlier one.
    pub(super) collapse_per_room: bool,
}

impl Template {
    /// Returns the path for a pushkey; `None` if it can be no device token.
    pub(super) fn path(&self, pushkey: &str) -> Option<PathAndQuery> {
        let mut path = Vec::with_capacity(self.path.len() + 2 * pushkey.len());
        path.extend_from_slice(self.path.as_bytes());
        write_hex(pushkey, self.token_form, &mut path)?;
        PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()
    }

    /// Builds the request; `id` is the push's own, so that Apple sees each attempt as the same.
    pub(super) fn build(
        &self,
        path: PathAndQuery,
        id: Uuid,
        view: &View<'_>,
        bearer: Option<&Bearer>,
        payload: Bytes,
    ) -> Request<Bytes> {
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer.header.clone());
        }
        let mut buffer = Uuid::encode_buffer();
        insert_once(&mut headers, &APNS_ID, id.hyphenated().encode_lower(&mut buffer));
        headers.insert(&APNS_TOPIC, self.topic.clone());
        if let Some(push_type) = self.push_type {
            let value = HeaderValue::from_static(push_type.as_str());
            headers.insert(&APNS_PUSH_TYPE, value);
        }
        headers.insert(&APNS_PRIORITY, HeaderValue::from_static(self.priority(view)));
        if let Some(expiration) = self.expiration {
            headers.insert(&APNS_EXPIRATION, expires(expiration, SystemTime::now()));
        }
        if let Some(room_id) = view.room_id.filter(|_| self.collapses(view)) {
            insert_once(&mut headers, &APNS_COLLAPSE_ID, &collapse_id(room_id));
        }
        let mut request = Request::new(payload);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        request
    }

    /// 10 is at once, 5 considers the battery; Apple refuses 10 for background pushes.
    fn priority(&self, view: &View<'_>) -> &'static str {
        match (view.prio, self.push_type) {
            (Priority::Low, _) | (_, Some(PushType::Background)) => "5",
            (Priority::High, _) => "10",
        }
    }

    /// A badge must not replace the alert of a room.
    fn collapses(&self, view: &View<'_>) -> bool {
        self.collapse_per_room && !view.is_badge_only()
    }
}

/// Inserts a value that no later request repeats. "Sensitive" keeps it out of the connection's
/// HPACK table (RFC 7541, section 6.2.3), where it would push out the headers that do repeat;
/// Apple asks for that and keeps the table small.
fn insert_once(headers: &mut HeaderMap, name: &'static HeaderName, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// Returns when Apple gives up; no time at all is "try once, keep nothing".
fn expires(after: Duration, now: SystemTime) -> HeaderValue {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    match after.as_secs() {
        0 => HeaderValue::from_static("0"),
        seconds => HeaderValue::from(since_epoch.as_secs().saturating_add(seconds)),
    }
}

/// Returns the room id, or a hash of one that Apple would refuse.
fn collapse_id(room_id: &str) -> String {
    if room_id.len() <= MAX_COLLAPSE_ID_BYTES && room_id.bytes().all(|it| it.is_ascii_graphic()) {
        return room_id.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, room_id.as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}
