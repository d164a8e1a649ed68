//! The rules of one request, with the reason APNs gives for breaking each.
//!
//! Statuses and reasons: developer.apple.com, "Handling notification responses from APNs";
//! headers and limits: "Sending notification requests to APNs".

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use uuid::Uuid;

/// A status and a reason.
pub(super) type Refusal = (u16, &'static str);

pub(super) const PATH: &str = "/3/device/";

const HEADERS: [&str; 7] = [
    "authorization",
    "apns-topic",
    "apns-push-type",
    "apns-id",
    "apns-expiration",
    "apns-priority",
    "apns-collapse-id",
];

/// Push types, and what their topic has after the bundle id.
const PUSH_TYPES: [(&str, &str); 11] = [
    ("alert", ""),
    ("background", ""),
    ("mdm", ""),
    ("voip", ".voip"),
    ("complication", ".complication"),
    ("fileprovider", ".pushkit.fileprovider"),
    ("liveactivity", ".push-type.liveactivity"),
    ("location", ".location-query"),
    ("pushtotalk", ".voip-ptt"),
    ("controls", ".push-type.controls"),
    ("widgets", ".push-type.widgets"),
];

const MAX_COLLAPSE_ID: usize = 64;
const MAX_PAYLOAD: usize = 4096;
const MAX_VOIP_PAYLOAD: usize = 5120;

/// Checks method, path and device token.
pub(super) fn request(request: &Request<Bytes>) -> Result<(), Refusal> {
    let token = request.uri().path().strip_prefix(PATH).ok_or((404, "BadPath"))?;
    if request.method() != Method::POST {
        return Err((405, "MethodNotAllowed"));
    }
    if token.is_empty() {
        return Err((400, "MissingDeviceToken"));
    }
    if token.contains('/') || request.uri().query().is_some() {
        return Err((404, "BadPath"));
    }
    let hex = token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !hex || token.len() % 2 == 1 {
        return Err((400, "BadDeviceToken"));
    }
    let repeated = |name: &&str| request.headers().get_all(*name).iter().nth(1).is_some();
    if HEADERS.iter().any(repeated) {
        return Err((400, "DuplicateHeaders"));
    }
    Ok(())
}

/// What a connection may push to.
pub(super) struct Topics<'a> {
    pub(super) bundle_ids: &'a [String],
    /// The one to use if the request names none.
    pub(super) default: Option<&'a str>,
}

/// Checks the `apns-` headers.
pub(super) fn headers(headers: &HeaderMap, topics: &Topics<'_>) -> Result<(), Refusal> {
    // A header that is not text is none of the values allowed for it.
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));

    let topic = text("apns-topic").or(topics.default).ok_or((400, "MissingTopic"))?;
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if topic.is_empty() || !topic.bytes().all(well_formed) {
        return Err((400, "BadTopic"));
    }
    let suffix = suffix(topic, topics.bundle_ids).ok_or((400, "TopicDisallowed"))?;

    let push_type = text("apns-push-type");
    if let Some(push_type) = push_type
        && !PUSH_TYPES.contains(&(push_type, suffix))
    {
        return Err((400, "InvalidPushType"));
    }
    let priority = text("apns-priority").unwrap_or("10");
    if !["1", "5", "10"].contains(&priority) || (push_type == Some("background") && priority != "5")
    {
        return Err((400, "BadPriority"));
    }
    if text("apns-expiration").is_some_and(|seconds| !is_number(seconds)) {
        return Err((400, "BadExpirationDate"));
    }
    if headers.get("apns-collapse-id").is_some_and(|id| id.len() > MAX_COLLAPSE_ID) {
        return Err((400, "BadCollapseId"));
    }
    if text("apns-id").is_some_and(|id| !is_canonical_uuid(id)) {
        return Err((400, "BadMessageId"));
    }
    Ok(())
}

/// Returns what the topic has after one of the bundle ids, if that is a known suffix.
fn suffix<'t>(topic: &'t str, bundle_ids: &[String]) -> Option<&'t str> {
    bundle_ids
        .iter()
        .filter_map(|bundle_id| topic.strip_prefix(bundle_id.as_str()))
        .find(|suffix| PUSH_TYPES.iter().any(|(_, known)| known == suffix))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

/// "32 lowercase hexadecimal digits, displayed in five groups", says Apple of `apns-id`.
fn is_canonical_uuid(text: &str) -> bool {
    Uuid::try_parse(text)
        .is_ok_and(|id| id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text)
}

/// Checks the body: a JSON object that has something in it and is not too long.
pub(super) fn body(request: &Request<Bytes>) -> Result<(), Refusal> {
    let voip = request.headers().get("apns-push-type").is_some_and(|kind| kind == "voip");
    if request.body().len() > if voip { MAX_VOIP_PAYLOAD } else { MAX_PAYLOAD } {
        return Err((413, "PayloadTooLarge"));
    }
    let mut json = serde_json::Deserializer::from_slice(request.body());
    let members = serde::Deserializer::deserialize_map(&mut json, Members);
    if !members.is_ok_and(|members| members > 0) || json.end().is_err() {
        return Err((400, "PayloadEmpty"));
    }
    Ok(())
}

/// Counts an object's members without keeping them.
struct Members;

impl<'de> serde::de::Visitor<'de> for Members {
    type Value = usize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut members = 0;
        while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {
            members += 1;
        }
        Ok(members)
    }
}
