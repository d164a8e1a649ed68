//! The request around a message: RFC 8030's headers, and what single push services want besides.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request};
use url::Url;

use crate::matrix::{Json, Priority};
use crate::providers::push_request::push_request;

const TOPIC: HeaderName = HeaderName::from_static("topic");
const WNS_CACHE_POLICY: HeaderName = HeaderName::from_static("x-wns-cache-policy");

/// Bytes of a topic before base64url makes 32 characters of them, the most that RFC 8030, section
/// 5.4 allows. Apple refuses padding, and lengths that no padding could complete.
const TOPIC_BYTES: usize = 24;

/// What a client asked for with its pusher. Only `true` counts, as in Sygnal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// No pushes but those about an event.
    pub(super) events_only: bool,
    /// A room's later push replaces an earlier one that was not delivered yet.
    pub(super) only_last_per_room: bool,
}

impl Wishes {
    /// Reads the pusher's data.
    pub(super) fn of(data: Option<&Json>) -> Self {
        let wants = |key| data.is_some_and(|data| data.is_true(key));
        Self { events_only: wants("events_only"), only_last_per_room: wants("only_last_per_room") }
    }
}

/// What a request says besides its message.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// How long the push service keeps the message.
    pub(super) ttl: Duration,
    /// How soon the device should learn of it.
    pub(super) prio: Priority,
    /// Which undelivered message this one replaces.
    pub(super) topic: Option<HeaderValue>,
    /// Who pushes.
    pub(super) authorization: HeaderValue,
}

impl Head {
    /// Builds the request to an endpoint; its URI is set when it is sent.
    pub(super) fn request(&self, endpoint: &Url, body: Bytes) -> Request<Bytes> {
        let urgency = match self.prio {
            Priority::High => "normal",
            Priority::Low => "low",
        };
        let mut request = push_request(body, self.ttl.as_secs(), urgency);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        if let Some(topic) = &self.topic {
            headers.insert(TOPIC, topic.clone());
        }
        // Windows keeps messages by default and takes "keep it for no time" for a contradiction:
        // https://github.com/web-push-libs/pywebpush/issues/162
        if self.ttl.is_zero() && is_windows(endpoint) {
            headers.insert(WNS_CACHE_POLICY, HeaderValue::from_static("no-cache"));
        }
        request
    }
}

fn is_windows(endpoint: &Url) -> bool {
    endpoint.host_str().is_some_and(|host| host.ends_with(".notify.windows.com"))
}

/// Returns the topic of a room, which tells the push service nothing of the room.
pub(super) fn topic(room_id: &str) -> Option<HeaderValue> {
    let hash = digest(&SHA256, room_id.as_bytes());
    let text = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..TOPIC_BYTES]);
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn only_true_is_a_wish() {
        let rows = [
            (r#"{"events_only":true,"only_last_per_room":true}"#, true, true),
            (r#"{"events_only":false,"only_last_per_room":true}"#, false, true),
            (r#"{"events_only":"true","only_last_per_room":1}"#, false, false),
            ("{}", false, false),
        ];
        for (data, events_only, only_last_per_room) in rows {
            let wishes = Wishes { events_only, only_last_per_room };
            assert_eq!(Wishes::of(Json::parse(data).as_ref()), wishes, "{data}");
        }
        assert_eq!(Wishes::of(None), Wishes::default());
    }

    #[test]
    fn topics_fit_every_service() {
        let rooms = ["!r", "!room:example.org", "", "!ünïcode:example.org"];
        let topics = rooms.map(|room| topic(room).unwrap().to_str().unwrap().to_owned());
        for topic in &topics {
            assert_eq!(topic.len(), 32);
            let in_alphabet = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
            assert!(topic.bytes().all(in_alphabet), "{topic}");
        }
        assert_ne!(topics[0], topics[1]);
    }

    #[test]
    fn headers_say_what_the_push_is() {
        type Row<'r> = (&'r str, u64, Priority, Option<&'r str>, &'r [(&'r str, &'r str)]);
        let rows: [Row; 4] = [
            (
                "https://updates.push.services.mozilla.com/x",
                900,
                Priority::High,
                None,
                &[("ttl", "900"), ("urgency", "normal")],
            ),
            (
                "https://web.push.apple.com/x",
                0,
                Priority::Low,
                Some("abcd"),
                &[("ttl", "0"), ("urgency", "low"), ("topic", "abcd")],
            ),
            (
                "https://db5p.notify.windows.com/w/?token=x",
                0,
                Priority::High,
                None,
                &[("ttl", "0"), ("urgency", "normal"), ("x-wns-cache-policy", "no-cache")],
            ),
            (
                "https://db5p.notify.windows.com/w/?token=x",
                1,
                Priority::High,
                None,
                &[("ttl", "1"), ("urgency", "normal")],
            ),
        ];
        for (endpoint, ttl, prio, topic, expected) in rows {
            let head = Head {
                ttl: Duration::from_secs(ttl),
                prio,
                topic: topic.map(|topic| topic.parse().unwrap()),
                authorization: HeaderValue::from_static("vapid t=x, k=y"),
            };
            let request = head.request(&Url::parse(endpoint).unwrap(), Bytes::new());
            let usual = [
                ("authorization", "vapid t=x, k=y"),
                ("content-encoding", "aes128gcm"),
                ("content-type", "application/octet-stream"),
            ];
            let mut headers = request.headers().clone();
            assert!(headers.remove("user-agent").is_some());
            for (name, value) in usual.iter().chain(expected) {
                assert_eq!(headers.remove(*name).unwrap(), value, "{name}");
            }
            assert!(headers.is_empty(), "{headers:?}");
            assert_eq!(request.method(), Method::POST);
        }
    }
}
