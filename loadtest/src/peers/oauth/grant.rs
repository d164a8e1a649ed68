//! The rules of one token request, with the errors of Google's token endpoint.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Request, header};
use jsonwebtoken::{Algorithm, Validation, get_current_timestamp};
use serde::Deserialize;

use super::account::Key;
use super::{Rules, TOKEN_PATH};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
];
/// Longest life of an assertion, in seconds.
const LONGEST: u64 = 3600;
/// How far an assertion's clock may be ahead of ours, in seconds.
const SKEW: u64 = 60;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    scope: String,
    iat: u64,
    exp: u64,
}

/// An `error` and its `error_description`.
type Refusal = (&'static str, &'static str);

/// Checks a token request, with the errors of Google's token endpoint.
pub(super) fn check(rules: &Rules, request: &Request<Bytes>) -> Result<(), Refusal> {
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let form = form.then(|| form_fields(request.body())).flatten();
    let form = form.ok_or(("invalid_request", "Could not parse the form."))?;
    let field = |name: &str| form.get(name).map(String::as_str);
    if field("grant_type") != Some(GRANT) {
        return Err(("unsupported_grant_type", "Invalid grant_type."));
    }
    let assertion = field("assertion").ok_or(("invalid_request", "Missing assertion."))?;
    check_assertion(rules, assertion)
}

fn check_assertion(rules: &Rules, assertion: &str) -> Result<(), Refusal> {
    let unsigned = ("invalid_grant", "Invalid JWT Signature.");
    let head = jsonwebtoken::decode_header(assertion).map_err(|_| unsigned)?;
    let key = head.kid.as_deref().and_then(Key::find).ok_or(unsigned)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key.public, &validation)
        .map_err(|_| unsigned)?
        .claims;
    if !rules.accounts().contains(&claims.iss) {
        return Err(("invalid_grant", "Invalid grant: account not found"));
    }
    let port = rules.port.load(Ordering::Relaxed);
    let ours = ["https://localhost", "https://127.0.0.1", "http://localhost", "http://127.0.0.1"]
        .iter()
        .any(|origin| claims.aud == format!("{origin}:{port}{TOKEN_PATH}"));
    if !ours {
        return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
    }
    let now = get_current_timestamp();
    let short = claims.iat < claims.exp && claims.exp - claims.iat <= LONGEST;
    if !short || claims.iat > now + SKEW || claims.exp < now {
        return Err((
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
             timeframe. Check your iat and exp values in the JWT claim.",
        ));
    }
    if !claims.scope.split(' ').any(|scope| SCOPES.contains(&scope)) {
        return Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    Ok(())
}

/// Parses `application/x-www-form-urlencoded`; `None` if it is broken or a field is repeated.
fn form_fields(body: &[u8]) -> Option<HashMap<String, String>> {
    let mut fields = HashMap::new();
    for pair in std::str::from_utf8(body).ok()?.split('&') {
        let (name, value) = pair.split_once('=')?;
        if fields.insert(unescape(name)?, unescape(value)?).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(plain).ok()
}
