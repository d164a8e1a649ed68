//! The request around a body: JSON, the operator's headers, and the signature.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use crate::transport::AGENT;

/// The header with the body's signature.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-peregrine-signature");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Builds the request; its URI is set when it is sent. The operator's headers go before ours.
pub(super) fn build(
    body: Bytes,
    operators: &HeaderMap,
    signature: Option<HeaderValue>,
) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in operators {
        headers.insert(name, value.clone());
    }
    if let Some(signature) = signature {
        headers.insert(SIGNATURE, signature);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_headers_go_before_ours() {
        let operators = [("user-agent", "ours"), ("authorization", "Bearer x")];
        let operators: HeaderMap = operators
            .into_iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        let signature = HeaderValue::from_static("sha256=00");
        let request = build(Bytes::from_static(b"{}"), &operators, Some(signature));
        assert_eq!((request.method().as_str(), request.body().len()), ("POST", 2));
        for (name, value) in [
            ("content-type", "application/json"),
            ("user-agent", "ours"),
            ("authorization", "Bearer x"),
            ("x-peregrine-signature", "sha256=00"),
        ] {
            assert_eq!(request.headers()[name], value);
        }
        let request = build(Bytes::new(), &HeaderMap::new(), None);
        assert_eq!(request.headers().len(), 2);
    }
}
