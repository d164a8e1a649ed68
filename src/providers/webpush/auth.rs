//! VAPID tokens: who pushes, signed for each push service. RFC 8292.
//!
//! Apple refuses whoever renews a token more often than once an hour, so there is one token for
//! each key and push service in the whole process, whatever apps, threads and reloads share it, and
//! no answer and no clock can make us mint another within the hour.
//! <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dashmap::{DashMap, Entry};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tokio::time::Instant;

use super::vapid_key::VapidKey;
use crate::providers::in_use::InUse;
use crate::providers::renewal::{Moment, Renewal};

/// How long a token is good for; RFC 8292, section 2 allows 24 hours from the request.
const LIFE: Duration = Duration::from_secs(12 * 3600);

const RENEWAL: Renewal = Renewal {
    // With room for slow clocks.
    after: Duration::from_secs(11 * 3600),
    // Apple: "Refresh your token no more than once per hour".
    never_before: Duration::from_secs(3600),
};

/// Most push services whose tokens are kept; strangers choose them.
const MAX_ORIGINS: usize = 4096;

/// Every signer in use, by its public key and contact.
static IN_USE: InUse<(String, String), Signer> = InUse::new();

/// Signs for one key and contact.
pub(super) struct Signer {
    key: EncodingKey,
    public_key: String,
    subject: String,
    /// By origin. Its place is locked while one is minted: no two threads mint the same.
    tokens: DashMap<String, Minted>,
}

struct Minted {
    header: HeaderValue,
    at: Moment,
    last_used: Instant,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

type Signed<T> = Result<T, jsonwebtoken::errors::Error>;

impl Signer {
    /// Returns the process's one signer of this key for this contact, a `mailto:` or `https:` URL.
    ///
    /// # Errors
    ///
    /// Returns an error if the key cannot sign.
    pub(super) fn shared(key: VapidKey, subject: String) -> Signed<Arc<Self>> {
        let identity = (key.public_key.clone(), subject.clone());
        IN_USE.shared(identity, || {
            let signer = Self {
                key: key.signing,
                public_key: key.public_key,
                subject,
                tokens: DashMap::new(),
            };
            // A key that cannot sign is an error now. What it signs here never leaves.
            signer.mint("https://push.example", Moment::now())?;
            Ok(Arc::new(signer))
        })
    }

    /// Returns the public key, as clients subscribe with it: base64url.
    pub(super) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the value of `Authorization` for a push service, named by its origin.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be signed.
    pub(super) fn authorization(&self, origin: &str) -> Signed<HeaderValue> {
        self.authorization_at(origin, Moment::now())
    }

    /// Returns another value than the one refused, if Apple's rule allows one.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be signed.
    pub(super) fn instead_of(
        &self,
        refused: &HeaderValue,
        origin: &str,
    ) -> Signed<Option<HeaderValue>> {
        self.instead_of_at(refused, origin, Moment::now())
    }

    fn authorization_at(&self, origin: &str, now: Moment) -> Signed<HeaderValue> {
        let is_good = |minted: &Minted| !RENEWAL.is_due(minted.at, now);
        if let Some(mut minted) = self.tokens.get_mut(origin)
            && is_good(&minted)
        {
            minted.last_used = now.monotonic;
            return Ok(minted.header.clone());
        }
        match self.tokens.entry(origin.to_owned()) {
            // Another thread minted it meanwhile.
            Entry::Occupied(minted) if is_good(minted.get()) => Ok(minted.get().header.clone()),
            place => self.replace(place, now),
        }
    }

    fn instead_of_at(
        &self,
        refused: &HeaderValue,
        origin: &str,
        now: Moment,
    ) -> Signed<Option<HeaderValue>> {
        match self.tokens.entry(origin.to_owned()) {
            Entry::Occupied(minted) if minted.get().header != *refused => {
                Ok(Some(minted.get().header.clone()))
            }
            Entry::Occupied(minted) if !RENEWAL.is_allowed(minted.get().at, now) => Ok(None),
            place => self.replace(place, now).map(Some),
        }
    }

    fn replace(&self, place: Entry<'_, String, Minted>, now: Moment) -> Signed<HeaderValue> {
        let header = self.mint(place.key(), now)?;
        let minted = Minted { header: header.clone(), at: now, last_used: now.monotonic };
        // Unlocked before others are looked at.
        drop(place.insert(minted));
        self.forget_strangers();
        Ok(header)
    }

    /// Makes way for tokens in use: those unused for longest go.
    fn forget_strangers(&self) {
        while self.tokens.len() > MAX_ORIGINS {
            let oldest = self.tokens.iter().min_by_key(|minted| minted.last_used);
            let oldest = oldest.map(|minted| (minted.key().clone(), minted.last_used));
            if let Some((origin, last_used)) = oldest {
                // Not if it was used since.
                self.tokens.remove_if(&origin, |_, minted| minted.last_used == last_used);
            }
        }
    }

    fn mint(&self, origin: &str, now: Moment) -> Signed<HeaderValue> {
        let expires = (now.wall + LIFE).duration_since(UNIX_EPOCH);
        let claims =
            Claims { aud: origin, exp: expires.unwrap_or_default().as_secs(), sub: &self.subject };
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key)?;
        // Both are base64url and dots.
        let mut header = HeaderValue::try_from(format!("vapid t={jwt}, k={}", self.public_key))
            .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidToken)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("public_key", &self.public_key)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::providers::testing;

    const APPLE: &str = "https://web.push.apple.com";

    fn signer(subject: &str) -> Arc<Signer> {
        Signer::shared(VapidKey::generated(), subject.to_owned()).unwrap()
    }

    fn later(now: Moment, hours: u64) -> Moment {
        let passed = Duration::from_secs(hours * 3600);
        testing::later(now, passed, passed)
    }

    #[test]
    fn a_token_lives_for_eleven_hours_whatever_happens_in_its_first() {
        let (signer, now) = (signer("mailto:a@b.example"), Moment::now());
        let first = signer.authorization_at(APPLE, now).unwrap();
        for hours in [0, 1, 10] {
            let again = signer.authorization_at(APPLE, later(now, hours)).unwrap();
            assert_eq!(again, first, "after {hours} hours");
        }
        let refused = |hours| signer.instead_of_at(&first, APPLE, later(now, hours)).unwrap();
        assert_eq!(refused(0), None);
        let newer = refused(1).unwrap();
        assert_ne!(newer, first);
        // Who comes late with the old one gets the newer one, not a third.
        assert_eq!(refused(1), Some(newer.clone()));
        assert_eq!(signer.instead_of_at(&newer, APPLE, later(now, 1)).unwrap(), None);
        assert_ne!(signer.authorization_at(APPLE, later(now, 12)).unwrap(), newer);
    }

    #[test]
    fn a_clock_that_jumps_mints_no_second_token() {
        let (signer, now) = (signer("mailto:a@b.example"), Moment::now());
        let first = signer.authorization_at(APPLE, now).unwrap();
        let tomorrow = testing::later(now, Duration::ZERO, Duration::from_secs(24 * 3600));
        assert_eq!(signer.authorization_at(APPLE, tomorrow).unwrap(), first);
    }

    #[test]
    fn each_service_has_its_own_and_apps_share_it() {
        let key = VapidKey::generated();
        let shared = |key: &VapidKey| Signer::shared(key.clone(), "mailto:a@b.example".to_owned());
        let (one, other) = (shared(&key).unwrap(), shared(&key).unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        let apple = one.authorization(APPLE).unwrap();
        assert_ne!(one.authorization("https://fcm.googleapis.com").unwrap(), apple);
        assert_eq!(other.authorization(APPLE).unwrap(), apple);
    }

    #[test]
    fn threads_that_ask_at_once_get_one_token() {
        let signer = signer("mailto:a@b.example");
        let origins: Vec<_> = (0..MAX_ORIGINS).map(|n| format!("https://{n}.example")).collect();
        let ask = || {
            let tokens = origins.iter().map(|origin| signer.authorization(origin));
            tokens.collect::<Signed<Vec<_>>>().unwrap()
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(ask);
            (ask(), one.join().unwrap())
        });
        assert!(one == other);
    }

    #[test]
    fn tokens_of_strangers_make_way_for_those_in_use() {
        let (signer, now) = (signer("mailto:a@b.example"), Moment::now());
        let kept = signer.authorization_at(APPLE, now).unwrap();
        for n in 1..MAX_ORIGINS {
            let minted = Minted { header: kept.clone(), at: now, last_used: now.monotonic };
            signer.tokens.insert(format!("https://{n}.example"), minted);
        }
        assert_eq!(signer.authorization_at(APPLE, later(now, 1)).unwrap(), kept);
        signer.authorization_at("https://new.example", later(now, 1)).unwrap();
        assert_eq!(signer.tokens.len(), MAX_ORIGINS);
        assert_eq!(signer.authorization_at(APPLE, later(now, 1)).unwrap(), kept);
    }
}
