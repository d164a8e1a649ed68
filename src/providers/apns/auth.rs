//! The provider token: a JWT that says which team pushes, signed with the team's key.
//!
//! Apple refuses tokens older than an hour, and punishes whoever changes them more often than every
//! 20 minutes. So there is one token for each key in the whole process, whatever apps, threads and
//! reloads share it, and no answer and no clock can make us change it twice within 20 minutes.
//! <https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns>

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::providers::in_use::InUse;
use crate::providers::renewal::{Moment, Renewal};

const RENEWAL: Renewal = Renewal {
    // Between Apple's 20 and 60 minutes, with room for slow clocks.
    after: Duration::from_secs(50 * 60),
    // Apple: "Refresh your token no more than once every 20 minutes".
    never_before: Duration::from_secs(20 * 60),
};

/// Apple: a token is refused an hour after its `iat`.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// Every provider token in use.
static IN_USE: InUse<Identity, ProviderToken> = InUse::new();

/// Team, key id, and a hash of the key.
type Identity = (String, String, Vec<u8>);

/// The provider token of one key.
pub(super) struct ProviderToken {
    team_id: String,
    key_id: String,
    key: EncodingKey,
    current: Mutex<Option<Minted>>,
}

/// A token as requests carry it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The value of `authorization`.
    pub(super) header: HeaderValue,
    /// When Apple will refuse it.
    pub(super) expires: SystemTime,
}

#[derive(Debug)]
struct Minted {
    bearer: Bearer,
    at: Moment,
    /// When it took another one's place; `None` for the first.
    changed: Option<Moment>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
}

impl ProviderToken {
    /// Returns the process's one provider token of this key, a PKCS#8 P-256 key.
    ///
    /// # Errors
    ///
    /// Returns an error if the key cannot sign.
    pub(super) fn shared(
        team_id: &str,
        key_id: &str,
        pkcs8: &[u8],
    ) -> Result<Arc<Self>, jsonwebtoken::errors::Error> {
        let (team_id, key_id) = (team_id.to_owned(), key_id.to_owned());
        let hash = digest(&SHA256, pkcs8).as_ref().to_vec();
        IN_USE.shared((team_id.clone(), key_id.clone(), hash), || {
            let token = Self {
                team_id,
                key_id,
                key: EncodingKey::from_ec_der(pkcs8),
                current: Mutex::new(None),
            };
            // A key that cannot sign is an error now. What it signs here never leaves.
            token.mint(Moment::now())?;
            Ok(Arc::new(token))
        })
    }

    /// Returns the token, minting it first if there is none or it is about to end.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be signed.
    pub(super) fn bearer(&self) -> Result<Bearer, jsonwebtoken::errors::Error> {
        self.bearer_at(Moment::now())
    }

    /// Returns another token than `refused`, if Apple's rules allow one.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be signed.
    pub(super) fn instead_of(
        &self,
        refused: &Bearer,
    ) -> Result<Option<Bearer>, jsonwebtoken::errors::Error> {
        self.instead_of_at(refused, Moment::now())
    }

    fn bearer_at(&self, now: Moment) -> Result<Bearer, jsonwebtoken::errors::Error> {
        let mut current = self.current();
        if let Some(minted) = current.as_ref()
            && !RENEWAL.is_due(minted.at, now)
        {
            return Ok(minted.bearer.clone());
        }
        self.replace(&mut current, now)
    }

    fn instead_of_at(
        &self,
        refused: &Bearer,
        now: Moment,
    ) -> Result<Option<Bearer>, jsonwebtoken::errors::Error> {
        let mut current = self.current();
        match current.as_ref() {
            Some(minted) if minted.bearer != *refused => Ok(Some(minted.bearer.clone())),
            Some(minted) if !minted.may_be_refused(now) => Ok(None),
            _ => self.replace(&mut current, now).map(Some),
        }
    }

    fn replace(
        &self,
        current: &mut Option<Minted>,
        now: Moment,
    ) -> Result<Bearer, jsonwebtoken::errors::Error> {
        let bearer = self.mint(now)?;
        tracing::info!(team_id = &*self.team_id, key_id = &*self.key_id, "provider token minted");
        *current = Some(Minted {
            bearer: bearer.clone(),
            at: now,
            changed: current.is_some().then_some(now),
        });
        Ok(bearer)
    }

    fn current(&self) -> MutexGuard<'_, Option<Minted>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(&self, now: Moment) -> Result<Bearer, jsonwebtoken::errors::Error> {
        let since_epoch = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let header =
            Header { typ: None, kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let claims = Claims { iss: &self.team_id, iat: since_epoch.as_secs() };
        let jwt = jsonwebtoken::encode(&header, &claims, &self.key)?;
        // A JWT has only letters, digits, '-', '_' and '.'.
        let mut header = HeaderValue::try_from(format!("bearer {jwt}"))
            .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidToken)?;
        header.set_sensitive(true);
        Ok(Bearer { header, expires: now.wall + LIFE })
    }
}

impl Minted {
    /// Whether Apple allows another one after refusing this one, however young: a token made by a
    /// clock that has been set right since is of no use.
    fn may_be_refused(&self, now: Moment) -> bool {
        self.changed.is_none_or(|changed| RENEWAL.is_allowed(changed, now))
    }
}

impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderToken")
            .field("team_id", &self.team_id)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::later;
    use jsonwebtoken::{DecodingKey, Validation};
    use rcgen::KeyPair;
    use serde_json::{Value, json};

    const MINUTE: Duration = Duration::from_secs(60);

    fn token() -> (Arc<ProviderToken>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let token = ProviderToken::shared("TEAM", "KEY", key.serialized_der()).unwrap();
        (token, key)
    }

    #[test]
    fn says_who_and_when() {
        let (token, key) = token();
        let now = Moment::now();
        let bearer = token.bearer_at(now).unwrap();
        assert!(bearer.header.is_sensitive());
        assert_eq!(bearer.expires, now.wall + LIFE);
        assert!(!format!("{bearer:?} {token:?}").contains("eyJ"), "shows the token");

        let jwt = bearer.header.to_str().unwrap().strip_prefix("bearer ").unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_ec_der(key.public_key_raw());
        let read = jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap();
        let iat = now.wall.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(read.claims, json!({"iss": "TEAM", "iat": iat}));
        let header = serde_json::to_value(read.header).unwrap();
        assert_eq!(header, json!({"alg": "ES256", "kid": "KEY"}));
    }

    #[test]
    fn is_renewed_before_its_end_on_either_clock() {
        for (monotonic, wall, renewed) in [
            (0, 0, false),
            (49, 49, false),
            (50, 50, true),
            // a clock that jumps cannot make us mint within 20 minutes
            (19, 600, false),
            (20, 600, true),
        ] {
            let (token, _) = token();
            let now = Moment::now();
            let first = token.bearer_at(now).unwrap();
            let now = later(now, monotonic * MINUTE, wall * MINUTE);
            let second = token.bearer_at(now).unwrap();
            assert_eq!(first != second, renewed, "{monotonic} {wall}");
            assert_eq!(token.bearer_at(now).unwrap(), second);
        }
    }

    #[test]
    fn a_refusal_renews_at_most_every_twenty_minutes() {
        let (token, _) = token();
        let now = Moment::now();
        let first = token.bearer_at(now).unwrap();
        let refuse = |refused, minutes| {
            let now = later(now, minutes * MINUTE, minutes * MINUTE);
            token.instead_of_at(refused, now).unwrap()
        };
        // the first change is allowed at once
        let second = refuse(&first, 1).unwrap();
        assert_ne!(second, first);
        // others, refused with the first one, find the second, and mint none
        assert_eq!(refuse(&first, 1), Some(second.clone()));
        assert_eq!(refuse(&first, 41), Some(second.clone()));
        assert_eq!(refuse(&second, 20), None);
        assert_eq!(token.bearer_at(now).unwrap(), second);
        assert_ne!(refuse(&second, 21).unwrap(), second);
    }

    #[test]
    fn one_for_each_key_in_the_process() {
        let (token, key) = token();
        let der = key.serialized_der();
        let of = |team, id, der: &[u8]| ProviderToken::shared(team, id, der).unwrap();
        let same = of("TEAM", "KEY", der);
        assert!(Arc::ptr_eq(&token, &same));
        assert_eq!(token.bearer().unwrap(), same.bearer().unwrap());
        for other in [
            of("OTHER", "KEY", der),
            of("TEAM", "OTHER", der),
            of("TEAM", "KEY", KeyPair::generate().unwrap().serialized_der()),
        ] {
            assert!(!Arc::ptr_eq(&token, &other));
            assert_ne!(token.bearer().unwrap(), other.bearer().unwrap());
        }
    }

    #[test]
    fn a_key_that_cannot_sign_is_an_error_at_once() {
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(ProviderToken::shared("TEAM", "KEY", p384.serialized_der()).is_err());
        assert!(ProviderToken::shared("TEAM", "KEY", b"garbage").is_err());
    }
}
