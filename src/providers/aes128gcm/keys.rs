//! What a client gave its pusher to encrypt with, in whichever base64 it likes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::providers::outcome::{Cause, Outcome};

/// Bytes of an uncompressed point on P-256: RFC 8291, section 4.
pub(super) const POINT_BYTES: usize = 65;

/// Bytes of the authentication secret: RFC 8291, section 3.2.
const AUTH_BYTES: usize = 16;

/// How an uncompressed point begins: SEC 1, section 2.3.3.
const UNCOMPRESSED: u8 = 4;

/// Padding is a matter of taste among clients, and so are the bits that belong to no byte.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// A client's keys. Debug does not show the secret.
#[derive(Clone)]
pub struct Keys {
    /// Its public key; whether it is on the curve shows when it is used.
    pub(super) p256dh: [u8; POINT_BYTES],
    /// The secret that client and application share.
    pub(super) auth: [u8; AUTH_BYTES],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads both as the client wrote them: base64url or base64, padded or not.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push to a client whose keys can never work.
    pub fn read(p256dh: &str, auth: &str) -> Result<Self, Outcome> {
        let p256dh = decode(p256dh)
            .filter(|point: &[u8; POINT_BYTES]| point[0] == UNCOMPRESSED)
            .ok_or_else(undecodable_p256dh)?;
        let undecodable = || Outcome::Rejected(Cause::local("undecodable_auth"));
        let auth = decode(auth).ok_or_else(undecodable)?;
        Ok(Self { p256dh, auth })
    }
}

/// The outcome of a push to a client whose public key can never work.
pub(super) fn undecodable_p256dh() -> Outcome {
    Outcome::Rejected(Cause::local("undecodable_p256dh"))
}

/// Decodes base64url or base64, padded or not, of exactly so many bytes.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let alphabet = if text.contains(['+', '/']) { &STANDARD } else { &URL_SAFE };
    // Longer ones are not worth decoding.
    let text = Some(text).filter(|text| text.len() <= N.div_ceil(3) * 4)?;
    alphabet.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose as engines;
    use proptest::prelude::*;

    use super::*;

    /// RFC 8291, section 5.
    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn what_can_never_work_is_a_dead_pusher() {
        assert!(Keys::read(P256DH, AUTH).is_ok());
        let compressed = format!("AiVx{}", &P256DH[4..48]);
        let hybrid = P256DH.replacen('B', "C", 1);
        let long = format!("{AUTH}AAAA");
        let rows = [
            ("", AUTH, "undecodable_p256dh"),
            ("not base64!", AUTH, "undecodable_p256dh"),
            ("AAAA", AUTH, "undecodable_p256dh"),
            (&P256DH[..86], AUTH, "undecodable_p256dh"),
            (&compressed, AUTH, "undecodable_p256dh"),
            (&hybrid, AUTH, "undecodable_p256dh"),
            (P256DH, "", "undecodable_auth"),
            (P256DH, "AAAA", "undecodable_auth"),
            (P256DH, &long, "undecodable_auth"),
            (P256DH, "not base64!", "undecodable_auth"),
        ];
        for (p256dh, auth, reason) in rows {
            let outcome = Keys::read(p256dh, auth).unwrap_err();
            assert_eq!(outcome, Outcome::Rejected(Cause::local(reason)), "{p256dh} {auth}");
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
