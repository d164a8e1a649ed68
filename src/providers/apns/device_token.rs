//! From a pushkey to the device token of the request's path. Pure.
//!
//! Matrix clients register the token as base64, some as hexadecimal text; which one is the app's
//! configuration, never a guess: 64 hexadecimal digits are valid base64 as well. What comes out has
//! only hexadecimal digits, so a pushkey can never change the path.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::matrix::MAX_PUSHKEY_BYTES;

/// Padding may be missing, and leftover bits are what they are: a token that could work is sent.
const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// How an app's clients write device tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenForm {
    /// Base64, standard or url-safe, padded or not.
    Base64,
    /// Hexadecimal text.
    Hex,
}

/// Appends the device token in lower-case hexadecimal; `None` if the pushkey can be no token.
pub(super) fn write_hex(pushkey: &str, form: TokenForm, path: &mut Vec<u8>) -> Option<()> {
    if pushkey.is_empty() || pushkey.len() > MAX_PUSHKEY_BYTES {
        return None;
    }
    match form {
        TokenForm::Hex => {
            let digits = pushkey.as_bytes();
            if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            path.extend(digits.iter().map(u8::to_ascii_lowercase));
        }
        TokenForm::Base64 => {
            let url_safe = pushkey.bytes().any(|byte| matches!(byte, b'-' | b'_'));
            let engine = if url_safe { URL_SAFE } else { STANDARD };
            let token = engine.decode(pushkey).ok().filter(|it| !it.is_empty())?;
            path.extend(token.iter().flat_map(|byte| HEX_PAIRS[usize::from(*byte)]));
        }
    }
    Some(())
}

/// Both digits of each byte.
const HEX_PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [HEX_DIGITS[byte >> 4], HEX_DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pushkey: &str, form: TokenForm) -> Option<String> {
        let mut path = Vec::new();
        write_hex(pushkey, form, &mut path)?;
        Some(String::from_utf8(path).unwrap())
    }

    #[test]
    fn every_form() {
        use TokenForm::{Base64, Hex};
        let firebase = "fR7x:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx";
        let hex64 = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
        for (form, pushkey, expected) in [
            // standard, url-safe, unpadded, bits left over
            (Base64, "+/+/+w==", Some("fbffbffb")),
            (Base64, "-_-_-w==", Some("fbffbffb")),
            (Base64, "-_-_-w", Some("fbffbffb")),
            (Base64, "+/+/+x", Some("fbffbffb")),
            (Base64, "AQID", Some("010203")),
            // not a token: empty, nothing inside, wrong length, both alphabets, another provider's
            (Base64, "", None),
            (Base64, "==", None),
            (Base64, "AQIDB", None),
            (Base64, "+/-_", None),
            (Base64, firebase, None),
            (Base64, "AQ ID", None),
            (Base64, "ÄÖÜß", None),
            (Base64, "../../x", None),
            // hexadecimal text is what the app is configured for, or it is base64
            (Hex, hex64, Some(&hex64.to_lowercase())),
            (Hex, "0a", Some("0a")),
            (Hex, "", None),
            (Hex, "abc", None),
            (Hex, "AQID+/==", None),
            (Hex, "../../3/device/00", None),
            (Hex, "00%2f", None),
            (Hex, firebase, None),
        ] {
            assert_eq!(read(pushkey, form).as_deref(), expected, "{form:?} {pushkey}");
        }
        assert_eq!(read(hex64, Base64).map(|it| it.len()), Some(96));
        let longest = "ab".repeat(MAX_PUSHKEY_BYTES / 2);
        assert!(read(&longest, Hex).is_some());
        assert_eq!(read(&(longest + "ab"), Hex), None);
    }
}
