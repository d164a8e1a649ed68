//! The request that a push would become, for those who want to see it without sending it.
//!
//! Each provider makes it on the very way a push takes, up to where the request would leave, with
//! placeholders where its credentials go. What did not fit is found by building the same message
//! once more without a limit.

use bytes::Bytes;
use http::{HeaderValue, Request};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The request that a push would become.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The method.
    pub method: String,
    /// Where it would go.
    pub url: String,
    /// The headers in order, without secrets.
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    /// What the device reads: the body, or what is encrypted in it.
    pub body: Box<RawValue>,
    /// Whether the body is encrypted on its way.
    pub encrypted: bool,
    /// Bytes of the body as it would be sent.
    pub size: usize,
    /// What the provider limits, and how near the message is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// What was shortened or left out to make it fit.
    pub truncated: Vec<Shortened>,
}

/// What a provider limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Of what.
    pub of: &'static str,
    /// How many bytes this message has of it.
    pub bytes: usize,
    /// The most it may have.
    pub most: usize,
}

/// A value that is not sent whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortened {
    /// Where it is in the body, such as `aps.alert.loc-args[1]`.
    pub member: String,
    /// Its bytes.
    pub bytes: usize,
    /// How many of them are sent; absent where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<usize>,
}

impl Preview {
    /// Takes a request whose body is JSON as it would be sent to `url`.
    pub fn of(request: &Request<Bytes>, url: impl Into<String>) -> Self {
        let headers = request.headers().iter();
        Self {
            method: request.method().to_string(),
            url: url.into(),
            headers: headers.map(|(name, value)| (name.to_string(), shown(value))).collect(),
            body: raw(request.body()),
            encrypted: false,
            size: request.body().len(),
            limit: None,
            truncated: Vec::new(),
        }
    }

    /// Tells what the provider limits.
    #[must_use]
    pub fn limited(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Shows what is encrypted in the body in its place.
    #[must_use]
    pub fn with_plaintext(mut self, plaintext: &[u8]) -> Self {
        self.body = raw(plaintext);
        self.encrypted = true;
        self
    }

    /// Tells what is missing of `whole`, the message as it would be without a limit.
    #[must_use]
    pub fn made_from(mut self, whole: &Value) -> Self {
        if let Ok(sent) = serde_json::from_str(self.body.get()) {
            compare(String::new(), whole, &sent, &mut self.truncated);
        }
        self
    }
}

/// Returns a message as values; `null` for what is nested too deeply to compare.
pub fn values(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

/// Returns a header's value, unless it is marked as a secret.
fn shown(value: &HeaderValue) -> String {
    if value.is_sensitive() {
        return "<secret>".to_owned();
    }
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Returns a body as JSON; as a string where it is something else.
fn raw(body: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(body);
    RawValue::from_string(text.clone().into_owned())
        .or_else(|_| serde_json::value::to_raw_value(&text))
        .unwrap_or_default()
}

/// Collects what of `whole` is not in `sent`.
fn compare(member: String, whole: &Value, sent: &Value, found: &mut Vec<Shortened>) {
    match (whole, sent) {
        (Value::Object(whole), Value::Object(sent)) => {
            for (key, whole) in whole {
                let dot = if member.is_empty() { "" } else { "." };
                let member = format!("{member}{dot}{key}");
                match sent.get(key) {
                    Some(sent) => compare(member, whole, sent, found),
                    None => found.push(Shortened { member, bytes: size(whole), kept: None }),
                }
            }
        }
        (Value::Array(whole), Value::Array(sent)) if whole.len() == sent.len() => {
            for (i, (whole, sent)) in whole.iter().zip(sent).enumerate() {
                compare(format!("{member}[{i}]"), whole, sent, found);
            }
        }
        (whole, sent) if whole == sent => {}
        (whole, sent) => {
            found.push(Shortened { member, bytes: size(whole), kept: Some(size(sent)) });
        }
    }
}

/// Returns the bytes of a text, or of another value's JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    }
}

fn as_map<S: Serializer>(headers: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(headers.len()))?;
    for (name, value) in headers {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        let mut secret = HeaderValue::from_static("hunter2");
        secret.set_sensitive(true);
        request.headers_mut().insert("authorization", secret);
        let preview = Preview::of(&request, "https://example.org/");
        let shown = serde_json::to_string(&preview).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_missing_is_told_with_its_place() {
        let sent = Bytes::from_static(br#"{"a":{"b":["one","tw"]},"d":1}"#);
        let preview = Preview::of(&Request::new(sent), "https://example.org/");
        let whole = json!({"a": {"b": ["one", "two"], "c": [1, 2]}, "d": 1});
        let expected = [("a.b[1]", 3, Some(2)), ("a.c", "[1,2]".len(), None)];
        let found = preview.made_from(&whole).truncated;
        let found: Vec<_> = found.iter().map(|it| (&*it.member, it.bytes, it.kept)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_body_that_is_no_json_is_shown_as_text() {
        let preview = Preview::of(&Request::new(Bytes::from_static(b"\xffno")), "");
        assert_eq!(preview.body.get(), "\"\u{fffd}no\"");
    }
}
