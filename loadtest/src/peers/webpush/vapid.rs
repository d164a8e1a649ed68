//! VAPID: RFC 8292, with what Mozilla and Apple ask for besides.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, get_current_timestamp};
use serde::Deserialize;

use super::validate::{Refusal, single};

/// Longest life of a token: RFC 8292, section 2.
const LIFETIME: u64 = 24 * 3600;

/// Mozilla's answer to every fault of a token.
const REFUSED: Refusal = (401, "109");

#[derive(Deserialize)]
struct Claims {
    exp: u64,
    sub: String,
}

/// The tokens seen.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Vec<Seen>>);

/// A token, and what it was found good for: verifying a signature takes as long as decrypting.
struct Seen {
    token: String,
    good: Vec<Good>,
}

struct Good {
    key: String,
    origin: String,
    until: u64,
}

impl Tokens {
    pub(super) fn seen(&self) -> Vec<String> {
        self.all().iter().map(|seen| seen.token.clone()).collect()
    }

    /// Checks the token of a request to a push resource of `origin`.
    pub(super) fn check(&self, headers: &HeaderMap, origin: &str) -> Result<(), Refusal> {
        let header = single(headers, "authorization");
        let (token, key) = header.ok().flatten().and_then(parts).ok_or(REFUSED)?;
        let mut all = self.all();
        let place = all.iter().position(|seen| seen.token == token);
        let place = place.unwrap_or_else(|| {
            all.push(Seen { token: token.to_owned(), good: Vec::new() });
            all.len() - 1
        });
        let good = &mut all[place].good;
        let now = get_current_timestamp();
        let known = |it: &Good| it.key == key && it.origin == origin && it.until > now;
        if !good.iter().any(known) {
            let until = good_until(token, key, origin).ok_or(REFUSED)?;
            good.push(Good { key: key.to_owned(), origin: origin.to_owned(), until });
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes token and key out of `vapid t=TOKEN, k=KEY`.
fn parts(header: &str) -> Option<(&str, &str)> {
    let (scheme, parameters) = header.split_once(' ')?;
    let parameter = |name: &str| {
        let mut parameters = parameters.split(',').map(str::trim);
        parameters.find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
    };
    let token = parameter("t")?;
    let key = parameter("k")?;
    scheme.eq_ignore_ascii_case("vapid").then_some((token, key))
}

/// Checks a token; returns when it ends.
fn good_until(token: &str, key: &str, origin: &str) -> Option<u64> {
    let point = URL_SAFE_NO_PAD.decode(key).ok()?;
    if point.len() != 65 || point[0] != 4 {
        return None;
    }
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[origin]);
    validation.set_required_spec_claims(&["aud", "exp", "sub"]);
    validation.leeway = 0;
    let key = DecodingKey::from_ec_der(&point);
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()?.claims;
    let has_contact = claims.sub.starts_with("mailto:") || claims.sub.starts_with("https:");
    let is_url = !claims.sub.contains([' ', '<', '>']);
    let in_time = claims.exp <= get_current_timestamp() + LIFETIME;
    (has_contact && is_url && in_time).then_some(claims.exp)
}
