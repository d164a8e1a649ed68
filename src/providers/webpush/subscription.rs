//! What a client gave its pusher: where to send, and the keys to encrypt with.
//!
//! The pushkey is the browser's public key (`p256dh`), `data` holds `endpoint` and `auth`, and
//! whether the client wants everything.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use url::Url;

use crate::matrix::Device;
use crate::providers::endpoints::Allowed;
use crate::providers::outcome::{Cause, Outcome};

/// Bytes of an uncompressed point on P-256: RFC 8291, section 4.
pub(super) const POINT_BYTES: usize = 65;

/// Bytes of the authentication secret: RFC 8291, section 3.2.
pub(super) const AUTH_BYTES: usize = 16;

/// How an uncompressed point begins: SEC 1, section 2.3.3.
const UNCOMPRESSED: u8 = 4;

/// Padding is a matter of taste among clients, and so are the bits that belong to no byte.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// A push subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// Where to send.
    pub(super) endpoint: Url,
    /// The keys to encrypt with.
    pub(super) keys: Keys,
}

/// The browser's keys. Debug does not show the secret.
#[derive(Clone)]
pub(super) struct Keys {
    /// Its public key; whether it is on the curve shows when it is used.
    pub(super) p256dh: [u8; POINT_BYTES],
    /// The secret that browser and application share.
    pub(super) auth: [u8; AUTH_BYTES],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
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
        let dead = |reason| Outcome::Rejected(Cause::new(reason));
        let p256dh = decode(&device.pushkey)
            .filter(|point: &[u8; POINT_BYTES]| point[0] == UNCOMPRESSED)
            .ok_or_else(|| dead("undecodable_pushkey"))?;
        let auth = decode(&member("auth")).ok_or_else(|| dead("undecodable_auth"))?;
        let endpoint = allowed.endpoint(&member("endpoint"))?;
        Ok(Self {
            endpoint,
            keys: Keys { p256dh, auth },
        })
    }
}

/// Decodes base64url or base64, padded or not, of exactly so many bytes.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let alphabet = if text.contains(['+', '/']) {
        &STANDARD
    } else {
        &URL_SAFE
    };
    // Longer ones are not worth decoding.
    let text = Some(text).filter(|text| text.len() <= N.div_ceil(3) * 4)?;
    alphabet.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose as engines;
    use proptest::prelude::*;

    use super::*;
    use crate::matrix::{Json, PusherData};
    use crate::providers::endpoints;

    /// RFC 8291, section 5.
    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn read(pushkey: &str, data: &str) -> Result<Subscription, Outcome> {
        let device = Device {
            pushkey: pushkey.into(),
            data: PusherData {
                raw: Json::parse(data),
                ..PusherData::default()
            },
            ..Device::default()
        };
        Subscription::of(&device, &endpoints::Config::default().allowed())
    }

    #[test]
    fn what_can_never_work_is_a_dead_pusher() {
        let endpoint = r#""endpoint":"https://push.example/x""#;
        let good = format!(r#"{{{endpoint},"auth":"{AUTH}"}}"#);
        assert!(read(P256DH, &good).is_ok());
        let compressed = format!("AiVx{}", &P256DH[4..48]);
        let hybrid = format!("B{}", &P256DH[1..]).replacen("BC", "BS", 1);
        let rows = [
            ("", good.clone(), "undecodable_pushkey"),
            ("not base64!", good.clone(), "undecodable_pushkey"),
            ("AAAA", good.clone(), "undecodable_pushkey"),
            (&P256DH[..86], good.clone(), "undecodable_pushkey"),
            (&compressed, good.clone(), "undecodable_pushkey"),
            (&hybrid.replacen('B', "C", 1), good.clone(), "undecodable_pushkey"),
            (P256DH, format!("{{{endpoint}}}"), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":null}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":7}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":""}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":"AAAA"}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{{endpoint},"auth":"{AUTH}AAAA"}}"#), "undecodable_auth"),
            (P256DH, format!(r#"{{"auth":"{AUTH}"}}"#), "undecodable_endpoint"),
            (P256DH, format!(r#"{{"auth":"{AUTH}","endpoint":[1]}}"#), "undecodable_endpoint"),
            (P256DH, format!(r#"{{"auth":"{AUTH}","endpoint":"/x"}}"#), "undecodable_endpoint"),
            (P256DH, "{}".to_owned(), "undecodable_auth"),
            (P256DH, "null".to_owned(), "undecodable_auth"),
        ];
        for (pushkey, data, reason) in rows {
            let outcome = read(pushkey, &data).unwrap_err();
            assert_eq!(outcome, Outcome::Rejected(Cause::new(reason)), "{pushkey} {data}");
        }
    }

    proptest! {
        #[test]
        fn every_form_of_base64_is_read(bytes: [u8; AUTH_BYTES]) {
            for form in [
                engines::URL_SAFE.encode(bytes),
                engines::URL_SAFE_NO_PAD.encode(bytes),
                engines::STANDARD.encode(bytes),
                engines::STANDARD_NO_PAD.encode(bytes),
            ] {
                prop_assert_eq!(decode(&form), Some(bytes), "{}", form);
            }
        }

        #[test]
        fn anything_goes(text in "\\PC*") {
            let _: Option<[u8; POINT_BYTES]> = decode(&text);
        }
    }
}
