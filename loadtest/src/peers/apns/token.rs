//! Provider tokens: whose they are, how old, how often renewed; and what a connection is bound to.
//!
//! The rules are those of developer.apple.com, "Establishing a token-based connection to APNs".

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, get_current_timestamp};
use serde::Deserialize;

use super::ProviderKey;
use super::validate::{Refusal, Topics};

/// Oldest token taken.
const LIFETIME: u64 = 3600;
/// How far a token's clock may be ahead of ours.
const SKEW: u64 = 60;
/// A connection may change its token once in this time.
const UPDATE_INTERVAL: Duration = Duration::from_secs(20 * 60);

/// What a connection has shown of its provider.
#[derive(Default)]
pub(in crate::peers) struct Provider {
    /// The certificate's topics; none without a certificate.
    certificate: Option<Vec<String>>,
    current: Option<Current>,
    updated: Option<Instant>,
    /// The reason that has made the connection useless.
    wedged: Option<Refusal>,
}

/// The token in use on a connection.
struct Current {
    header: Vec<u8>,
    /// The key the connection is bound to, by index.
    key: usize,
    issued_at: u64,
}

impl Provider {
    pub(super) fn new(certificate: Option<Vec<String>>) -> Self {
        Self { certificate, ..Self::default() }
    }

    pub(super) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }
}

struct Issuer {
    key_id: String,
    team_id: String,
    topics: Vec<String>,
    key: DecodingKey,
}

/// The keys whose tokens are taken.
pub(super) struct Issuers {
    issuers: Vec<Issuer>,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    seen: Vec<String>,
    expired: HashSet<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: u64,
}

impl Issuers {
    pub(super) fn new(keys: Vec<ProviderKey>) -> Self {
        let issuer = |key: ProviderKey| Issuer {
            key: DecodingKey::from_ec_der(&key.public),
            key_id: key.key_id,
            team_id: key.team_id,
            topics: key.topics,
        };
        Self { issuers: keys.into_iter().map(issuer).collect(), tokens: Mutex::default() }
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.tokens().seen.clone()
    }

    pub(super) fn expire(&self) {
        let mut tokens = self.tokens();
        let seen = tokens.seen.clone();
        tokens.expired.extend(seen);
    }

    /// Checks certificate or token; returns what the provider may push to.
    pub(super) fn authorise<'a>(
        &'a self,
        provider: &'a mut Provider,
        headers: &HeaderMap,
    ) -> Result<Topics<'a>, Refusal> {
        let Some(header) = headers.get("authorization") else {
            let topics = provider.certificate.as_ref().ok_or((403, "MissingProviderToken"))?;
            // "Required for certificates with several topics"; else the subject's is meant.
            let default = (topics.len() == 1).then(|| topics[0].as_str());
            return Ok(Topics { bundle_ids: topics, default });
        };
        let known = self.check(provider, header.as_bytes());
        if let Err(refusal @ (_, "ExpiredProviderToken" | "TooManyProviderTokenUpdates")) = known {
            // "That connection is then of no use": clients must open another.
            provider.wedged = Some(refusal);
        }
        Ok(Topics { bundle_ids: &self.issuers[known?].topics, default: None })
    }

    /// Checks a token against the connection's; returns its key's index.
    fn check(&self, provider: &mut Provider, header: &[u8]) -> Result<usize, Refusal> {
        if let Some(refusal) = provider.wedged {
            return Err(refusal);
        }
        let now = get_current_timestamp();
        let token = token(header).ok_or((403, "InvalidProviderToken"))?;
        let current = provider.current.as_ref();
        let same = current.filter(|current| current.header == header);
        let (key, issued_at) = match same {
            Some(current) => (current.key, current.issued_at),
            None => self.verify(token, now)?,
        };
        if issued_at + LIFETIME < now || self.is_expired(token) {
            return Err((403, "ExpiredProviderToken"));
        }
        if same.is_some() {
            return Ok(key);
        }
        if current.is_some_and(|current| current.key != key) {
            return Err((403, "UnrelatedKeyIdInToken"));
        }
        if current.is_some() {
            let last = provider.updated.replace(Instant::now());
            if last.is_some_and(|last| last.elapsed() < UPDATE_INTERVAL) {
                return Err((429, "TooManyProviderTokenUpdates"));
            }
        }
        provider.current = Some(Current { header: header.to_vec(), key, issued_at });
        Ok(key)
    }

    /// Checks a token new to its connection; returns its key's index and its time.
    fn verify(&self, token: &str, now: u64) -> Result<(usize, u64), Refusal> {
        let mut tokens = self.tokens();
        if !tokens.seen.iter().any(|seen| seen == token) {
            tokens.seen.push(token.to_owned());
        }
        drop(tokens);
        let invalid = (403, "InvalidProviderToken");
        let head = jsonwebtoken::decode_header(token).map_err(|_| invalid)?;
        let mut candidates = self.issuers.iter().enumerate();
        let (index, issuer) = candidates
            .find(|(_, issuer)| head.kid.as_deref() == Some(&issuer.key_id))
            .ok_or(invalid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &issuer.key, &validation)
            .map_err(|_| invalid)?
            .claims;
        if claims.iss != issuer.team_id || claims.iat > now + SKEW {
            return Err(invalid);
        }
        Ok((index, claims.iat))
    }

    fn is_expired(&self, token: &str) -> bool {
        self.tokens().expired.contains(token)
    }
}

/// Takes the token out of `bearer TOKEN`.
fn token(header: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
