//! The rules of one message: Google's schema, and what it leaves unsaid.
//!
//! Wordings as Google's JSON front end and FCM have them (recorded at
//! `bloomberg.github.io/pushiko/fcm_responses` and in reports of users).

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::error::{bad_request, error, fcm_error};
use crate::peers::Answer;

/// Longest data and notification together, keys and values; for topics and conditions the second
/// (firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).
const MAX_PAYLOAD: usize = 4096;
const MAX_TOPIC_PAYLOAD: usize = 2048;
/// Longest `ttl`: four weeks.
const MAX_TTL: f64 = 2_419_200.0;

fn schema() -> &'static Validator {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let schema = serde_json::from_str(include_str!("../fcm_send.schema.json"))
            .unwrap_or_else(|error| panic!("the schema of FCM is not JSON: {error}"));
        jsonschema::validator_for(&schema)
            .unwrap_or_else(|error| panic!("the schema of FCM is none: {error}"))
    })
}

/// Returns what is wrong with a request's body.
pub(super) fn body(body: &Result<Value, serde_json::Error>) -> Option<Answer> {
    let body = match body {
        Ok(body) => body,
        Err(cause) => {
            return Some(front_end("", &format!("Invalid JSON payload received. {cause}")));
        }
    };
    // Most bodies are valid, and telling only that is quicker.
    if !schema().is_valid(body)
        && let Err(violation) = schema().validate(body)
    {
        return Some(of_schema(body, &violation));
    }
    let message = &body["message"];
    reserved_key(message).or_else(|| ttl(message)).or_else(|| too_large(message))
}

fn reserved_key(message: &Value) -> Option<Answer> {
    let maps = [
        ("message.data", &message["data"]),
        ("message.android.data", &message["android"]["data"]),
        ("message.webpush.data", &message["webpush"]["data"]),
    ];
    maps.into_iter().find_map(|(field, data)| {
        let (key, _) = members(data).find(|(key, _)| is_reserved(key))?;
        Some(fcm(field, &format!("Invalid data payload key: {key}")))
    })
}

fn ttl(message: &Value) -> Option<Answer> {
    let seconds: f64 = message["android"]["ttl"].as_str()?.strip_suffix('s')?.parse().ok()?;
    let text = "Invalid ttl: it must be from 0s to 2419200s.";
    (!(0.0..=MAX_TTL).contains(&seconds)).then(|| fcm("message.android.ttl", text))
}

fn too_large(message: &Value) -> Option<Answer> {
    let one_device = message["token"].is_string() || message["fid"].is_string();
    let limit = if one_device { MAX_PAYLOAD } else { MAX_TOPIC_PAYLOAD };
    // Recorded without any detail.
    let text = "Request contains an invalid argument.";
    (payload_size(message) > limit)
        .then(|| error(400, text, &json!([])).reason("the message is too large"))
}

/// Returns whether the request is a dry run.
pub(super) fn only(body: &Value) -> bool {
    body["validate_only"] == true || body["validateOnly"] == true
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}

/// "from, or gcm, or any value prefixed by google" and `message_type` are used by FCM itself.
fn is_reserved(key: &str) -> bool {
    ["from", "message_type", "gcm"].contains(&key)
        || key.starts_with("google")
        || key.starts_with("gcm.")
}

fn payload_size(message: &Value) -> usize {
    let android = &message["android"];
    // Android's own data and notification take the place of the common ones.
    let data = if android["data"].is_object() { &android["data"] } else { &message["data"] };
    [data, &message["notification"], &android["notification"]]
        .into_iter()
        .flat_map(members)
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum()
}

/// Makes FCM's own error about a field.
fn fcm(field: &str, description: &str) -> Answer {
    let details = json!([bad_request(field, description), fcm_error("INVALID_ARGUMENT")]);
    error(400, description, &details).reason(description)
}

/// Makes an error of the front end, which turns JSON into messages.
fn front_end(field: &str, description: &str) -> Answer {
    error(400, description, &json!([bad_request(field, description)])).reason(description)
}

fn of_schema(body: &Value, violation: &ValidationError<'_>) -> Answer {
    let field = field(body, violation.instance_path().as_str());
    let value = violation.instance();
    match violation.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            let place = if field.is_empty() { String::new() } else { format!(" at '{field}'") };
            let text = "Invalid JSON payload received. Unknown name";
            front_end(&field, &format!("{text} \"{name}\"{place}: Cannot find field."))
        }
        ValidationErrorKind::OneOfNotValid { .. } => {
            fcm(&field, "Recipient of the message is not set.")
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => front_end(
            &field,
            &format!("Invalid value at '{field}' (oneof), oneof field 'target' is already set."),
        ),
        ValidationErrorKind::Type { kind } => {
            // The names of google.protobuf.Field.Kind.
            let kind = match kind {
                TypeKind::Single(JsonType::String) => "TYPE_STRING",
                TypeKind::Single(JsonType::Boolean) => "TYPE_BOOL",
                TypeKind::Single(JsonType::Integer) => "TYPE_INT32",
                TypeKind::Single(JsonType::Number) => "TYPE_FLOAT",
                _ => "TYPE_MESSAGE",
            };
            front_end(&field, &format!("Invalid value at '{field}' ({kind}), {value}"))
        }
        ValidationErrorKind::Required { .. } => fcm("message", "The message is not set."),
        _ => front_end(&field, &format!("Invalid value at '{field}', {value}")),
    }
}

/// Turns a JSON pointer into a field's path: `/message/data/k` is `message.data[0].value`.
fn field(body: &Value, pointer: &str) -> String {
    let mut path = String::new();
    let mut value = body;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let map = path.ends_with("data") || path.ends_with("headers");
        if let (true, Value::Object(members)) = (map, value) {
            let index = members.keys().position(|key| *key == token).unwrap_or_default();
            path.extend(["[", &index.to_string(), "].value"]);
        } else if value.is_array() {
            path.extend(["[", &token, "]"]);
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&token);
        }
        value = match value {
            Value::Array(items) => token.parse::<usize>().ok().and_then(|it| items.get(it)),
            value => value.get(&token),
        }
        .unwrap_or(&Value::Null);
    }
    path
}
