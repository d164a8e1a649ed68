//! Where a phone listens, and what it gave its pusher to encrypt with: the pushkey is the endpoint.
//!
//! Most clients give no keys. For them the push server reads what it passes on.

use url::Url;

use crate::matrix::Device;
use crate::providers::aes128gcm::Keys;
use crate::providers::endpoints::Allowed;
use crate::providers::outcome::Outcome;

/// The members of the pusher's data that hold keys. They are nobody else's business.
pub(super) const KEYS: &[&str] = &["p256dh", "auth"];

/// A phone's endpoint.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// Where to send.
    pub(super) endpoint: Url,
    /// The keys to encrypt with, if the client gave any.
    pub(super) keys: Option<Keys>,
}

impl Subscription {
    /// Reads a device's subscription.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push to a subscription that can never work, or whose endpoint is
    /// not allowed.
    pub(super) fn of(device: &Device, allowed: &Allowed) -> Result<Self, Outcome> {
        let endpoint = allowed.endpoint(&device.pushkey)?;
        let data = device.data.raw.as_ref();
        let given =
            |key| data.is_some_and(|data| data.get(key).is_some_and(|it| it.get() != "null"));
        let member = |key| data.and_then(|data| data.text(key)).unwrap_or_default();
        // Who gives half of them wants encryption, and is not told in the clear instead.
        let keys = if KEYS.iter().any(|&key| given(key)) {
            Some(Keys::read(&member("p256dh"), &member("auth"))?)
        } else {
            None
        };
        Ok(Self { endpoint, keys })
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

    /// Returns whether the push would be encrypted, or why its pushkey is dead.
    fn read(pushkey: &str, data: &str) -> Result<bool, &'static str> {
        let device = Device {
            pushkey: pushkey.into(),
            data: PusherData { raw: Json::parse(data), ..PusherData::default() },
            ..Device::default()
        };
        let allowed = endpoints::Config::default().allowed();
        match Subscription::of(&device, &allowed) {
            Ok(it) => Ok(it.keys.is_some()),
            Err(Outcome::Rejected(cause)) => Err(cause.reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_both_there_or_not_at_all() {
        let endpoint = "https://push.example/upX?up=1";
        let both = format!(r#"{{"p256dh":"{P256DH}","auth":"{AUTH}"}}"#);
        let rows = [
            ("null".to_owned(), Ok(false)),
            ("{}".to_owned(), Ok(false)),
            (r#"{"format":"event_id_only"}"#.to_owned(), Ok(false)),
            (r#"{"p256dh":null,"auth":null}"#.to_owned(), Ok(false)),
            (both, Ok(true)),
            (format!(r#"{{"p256dh":"{P256DH}="}}"#), Err("undecodable_auth")),
            (format!(r#"{{"auth":"{AUTH}"}}"#), Err("undecodable_p256dh")),
            (format!(r#"{{"p256dh":"{P256DH}","auth":""}}"#), Err("undecodable_auth")),
            (format!(r#"{{"p256dh":1,"auth":"{AUTH}"}}"#), Err("undecodable_p256dh")),
        ];
        for (data, expected) in rows {
            assert_eq!(read(endpoint, &data), expected, "{data}");
        }
        assert_eq!(read("no URL", "{}"), Err("undecodable_endpoint"));
    }
}
