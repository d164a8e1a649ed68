//! What a client gave its pusher: where to send, and the keys to encrypt with.
//!
//! The pushkey is the browser's public key (`p256dh`), `data` holds `endpoint` and `auth`.

use url::Url;

use crate::matrix::Device;
use crate::providers::aes128gcm::Keys;
use crate::providers::endpoints::Allowed;
use crate::providers::outcome::Outcome;

/// A push subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// Where to send.
    pub(super) endpoint: Url,
    /// The keys to encrypt with.
    pub(super) keys: Keys,
}

impl Subscription {
    /// Reads a device's subscription.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push to a subscription that can never work, or whose endpoint is
    /// not allowed.
    pub(super) fn of(device: &Device, allowed: &Allowed) -> Result<Self, Outcome> {
        let data = device.data.raw.as_ref();
        let member = |key| data.and_then(|data| data.text(key)).unwrap_or_default();
        Ok(Self {
            keys: Keys::read(&device.pushkey, &member("auth"))?,
            endpoint: allowed.endpoint(&member("endpoint"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Json, PusherData};
    use crate::providers::endpoints;

    /// RFC 8291, section 5.
    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn read(pushkey: &str, data: &str) -> Result<Subscription, Outcome> {
        let device = Device {
            pushkey: pushkey.into(),
            data: PusherData { raw: Json::parse(data), ..PusherData::default() },
            ..Device::default()
        };
        Subscription::of(&device, &endpoints::Config::default().allowed())
    }

    #[test]
    fn what_can_never_work_is_a_dead_pusher() {
        let endpoint = r#""endpoint":"https://push.example/x""#;
        let good = format!(r#"{{{endpoint},"auth":"{AUTH}"}}"#);
        assert!(read(P256DH, &good).is_ok());
        let rows = [
            ("AAAA", good.clone(), "undecodable_p256dh"),
            (P256DH, format!("{{{endpoint}}}"), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":null}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":7}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{"auth":"{AUTH}"}}"#), "undecodable_endpoint"),
            (P256DH, format!(r#"{{"auth":"{AUTH}","endpoint":[1]}}"#), "undecodable_endpoint"),
            (P256DH, format!(r#"{{"auth":"{AUTH}","endpoint":"/x"}}"#), "undecodable_endpoint"),
            (P256DH, "{}".to_owned(), "undecodable_auth"),
            (P256DH, "null".to_owned(), "undecodable_auth"),
        ];
        for (pushkey, data, reason) in rows {
            let outcome = read(pushkey, &data).unwrap_err();
            let Outcome::Rejected(cause) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(cause.reason, reason, "{pushkey} {data}");
        }
    }
}
