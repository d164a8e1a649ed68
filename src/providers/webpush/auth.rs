//! VAPID tokens: who pushes, signed for each push service. RFC 8292.
//!
//! Apple refuses whoever renews a token more often than once an hour, so there is one token for
//! each key and push service in the whole process, whatever apps, threads and reloads share it, and
//! no answer and no clock can make us mint another within the hour.
//! <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use tokio::time::Instant;

use super::vapid_key::VapidKey;

/// How long a token is good for; RFC 8292, section 2 allows 24 hours from the request.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// Age at which a token is renewed, with room for slow clocks.
const RENEW_AFTER: Duration = Duration::from_secs(11 * 3600);

/// Apple: "Refresh your token no more than once per hour".
const NEVER_BEFORE: Duration = Duration::from_secs(3600);

/// Most push services whose tokens are kept; strangers choose them.
const MAX_ORIGINS: usize = 4096;

/// Every signer in use.
static IN_USE: Mutex<Vec<Weak<Signer>>> = Mutex::new(Vec::new());

/// Signs for one key and contact.
pub(super) struct Signer {
    key: EncodingKey,
    public_key: String,
    subject: String,
    tokens: Mutex<HashMap<String, Minted>>,
}

struct Minted {
    header: HeaderValue,
    at: Now,
    last_used: Instant,
}

/// One moment on both clocks: the monotonic one cannot be set, the other is what services see.
#[derive(Debug, Clone, Copy)]
struct Now {
    monotonic: Instant,
    wall: SystemTime,
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
        let mut in_use = lock(&IN_USE);
        in_use.retain(|it| it.strong_count() > 0);
        let same = |it: &Arc<Self>| it.public_key == key.public_key && it.subject == subject;
        if let Some(signer) = in_use.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(signer);
        }
        let signer = Arc::new(Self {
            key: key.signing,
            public_key: key.public_key,
            subject,
            tokens: Mutex::default(),
        });
        // A key that cannot sign is an error now. What it signs here never leaves.
        signer.mint("https://push.example", Now::read())?;
        in_use.push(Arc::downgrade(&signer));
        Ok(signer)
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
        self.authorization_at(origin, Now::read())
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
        self.instead_of_at(refused, origin, Now::read())
    }

    fn authorization_at(&self, origin: &str, now: Now) -> Signed<HeaderValue> {
        let mut tokens = lock(&self.tokens);
        if let Some(minted) = tokens.get_mut(origin)
            && !(minted.is_due(now) && minted.may_be_replaced(now))
        {
            minted.last_used = now.monotonic;
            return Ok(minted.header.clone());
        }
        self.replace(&mut tokens, origin, now)
    }

    fn instead_of_at(
        &self,
        refused: &HeaderValue,
        origin: &str,
        now: Now,
    ) -> Signed<Option<HeaderValue>> {
        let mut tokens = lock(&self.tokens);
        match tokens.get(origin) {
            Some(minted) if minted.header != *refused => Ok(Some(minted.header.clone())),
            Some(minted) if !minted.may_be_replaced(now) => Ok(None),
            _ => self.replace(&mut tokens, origin, now).map(Some),
        }
    }

    fn replace(
        &self,
        tokens: &mut HashMap<String, Minted>,
        origin: &str,
        now: Now,
    ) -> Signed<HeaderValue> {
        let header = self.mint(origin, now)?;
        if tokens.len() >= MAX_ORIGINS && !tokens.contains_key(origin) {
            let oldest = tokens.iter().min_by_key(|(_, minted)| minted.last_used);
            if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
                tokens.remove(&oldest);
            }
        }
        let minted = Minted {
            header: header.clone(),
            at: now,
            last_used: now.monotonic,
        };
        tokens.insert(origin.to_owned(), minted);
        Ok(header)
    }

    fn mint(&self, origin: &str, now: Now) -> Signed<HeaderValue> {
        let expires = (now.wall + LIFE).duration_since(UNIX_EPOCH);
        let claims = Claims {
            aud: origin,
            exp: expires.unwrap_or_default().as_secs(),
            sub: &self.subject,
        };
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key)?;
        // Both are base64url and dots.
        let mut header = HeaderValue::try_from(format!("vapid t={jwt}, k={}", self.public_key))
            .map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidToken)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl Minted {
    /// Whether it may soon be refused. A suspended machine's monotonic clock stood still.
    fn is_due(&self, now: Now) -> bool {
        now.monotonic.duration_since(self.at.monotonic) >= RENEW_AFTER
            || now.wall.duration_since(self.at.wall).unwrap_or_default() >= RENEW_AFTER
    }

    /// Whether Apple allows another one; only the clock that nobody can set decides that.
    fn may_be_replaced(&self, now: Now) -> bool {
        now.monotonic.duration_since(self.at.monotonic) >= NEVER_BEFORE
    }
}

impl Now {
    fn read() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLE: &str = "https://web.push.apple.com";

    fn signer(subject: &str) -> Arc<Signer> {
        Signer::shared(VapidKey::generated(), subject.to_owned()).unwrap()
    }

    fn later(now: Now, hours: u64) -> Now {
        let passed = Duration::from_secs(hours * 3600);
        Now {
            monotonic: now.monotonic + passed,
            wall: now.wall + passed,
        }
    }

    #[test]
    fn a_token_lives_for_eleven_hours_whatever_happens_in_its_first() {
        let (signer, now) = (signer("mailto:a@b.example"), Now::read());
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
        let (signer, now) = (signer("mailto:a@b.example"), Now::read());
        let first = signer.authorization_at(APPLE, now).unwrap();
        let tomorrow = Now {
            wall: now.wall + Duration::from_secs(24 * 3600),
            ..now
        };
        assert_eq!(signer.authorization_at(APPLE, tomorrow).unwrap(), first);
        let yesterday = Now {
            wall: now.wall - Duration::from_secs(24 * 3600),
            ..now
        };
        assert_eq!(signer.authorization_at(APPLE, yesterday).unwrap(), first);
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
    fn tokens_of_strangers_make_way_for_those_in_use() {
        let (signer, now) = (signer("mailto:a@b.example"), Now::read());
        let kept = signer.authorization_at(APPLE, now).unwrap();
        let mut tokens = lock(&signer.tokens);
        for n in 1..MAX_ORIGINS {
            let minted = Minted {
                header: kept.clone(),
                at: now,
                last_used: now.monotonic,
            };
            tokens.insert(format!("https://{n}.example"), minted);
        }
        drop(tokens);
        assert_eq!(signer.authorization_at(APPLE, later(now, 1)).unwrap(), kept);
        signer.authorization_at("https://new.example", later(now, 1)).unwrap();
        assert_eq!(lock(&signer.tokens).len(), MAX_ORIGINS);
        assert_eq!(signer.authorization_at(APPLE, later(now, 1)).unwrap(), kept);
    }
}
