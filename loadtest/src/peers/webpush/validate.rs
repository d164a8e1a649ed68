//! The rules of one request, with the status and the errno of Mozilla's for breaking each.
//!
//! RFC 8030, section 5; errno: autopush.readthedocs.io, "Error codes".

use bytes::Bytes;
use http::{HeaderMap, Method, Request};

/// A status and an errno.
pub(in crate::peers) type Refusal = (u16, &'static str);

/// Largest message that every service takes: RFC 8030, section 7.2.
pub(in crate::peers) const MAX_BODY: usize = 4096;

const MAX_TOPIC: usize = 32;

pub(in crate::peers) fn method(request: &Request<Bytes>) -> Result<(), Refusal> {
    if request.method() == Method::POST { Ok(()) } else { Err((405, "0")) }
}

/// Checks the headers about the message.
pub(in crate::peers) fn headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let ttl = single(headers, "ttl").map_err(|()| (400, "114"))?;
    let ttl = ttl.ok_or((400, "111"))?;
    if ttl.is_empty() || !ttl.bytes().all(|it| it.is_ascii_digit()) || ttl.parse::<u32>().is_err() {
        return Err((400, "112"));
    }
    match single(headers, "urgency") {
        Ok(None | Some("very-low" | "low" | "normal" | "high")) => {}
        _ => return Err((400, "101")),
    }
    let topic = single(headers, "topic").map_err(|()| (400, "113"))?;
    if !topic.is_none_or(is_topic) {
        return Err((400, "113"));
    }
    match single(headers, "content-encoding") {
        Ok(Some("aes128gcm")) => Ok(()),
        _ => Err((400, "110")),
    }
}

/// Of RFC 8030's alphabet, and as Apple wants it: what base64url can be without padding.
fn is_topic(topic: &str) -> bool {
    let in_alphabet = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    (1..=MAX_TOPIC).contains(&topic.len()) && topic.len() % 4 != 1 && topic.bytes().all(in_alphabet)
}

/// Returns a header's text; an error if it is there twice, or is no text.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}
