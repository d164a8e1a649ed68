//! Message encryption for web push: RFC 8291 on top of RFC 8188, one record, `aes128gcm`.
//!
//! For every provider whose clients give their pushers `keys`. Key pair and salt are new for every
//! message; the key that signs VAPID tokens is never used here.

mod keys;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};
use aws_lc_rs::rand;
use bytes::Bytes;

pub use self::keys::Keys;
use self::keys::POINT_BYTES;
use super::outcome::{Cause, Outcome};

/// Bytes that every push service takes: RFC 8030, section 7.2.
pub const MAX_BODY: usize = 4096;

const SALT_BYTES: usize = 16;

/// Salt, record size, length of the key id, and the key id, which is our public key.
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;

/// The length of the key id as the header has it.
const KEY_ID_LENGTH: u8 = 65;

/// The record size that is announced; the one record must be smaller.
const RECORD_SIZE: u32 = 4096;

/// Follows the plaintext of the last record: RFC 8188, section 2.
const DELIMITER: u8 = 2;

const TAG_BYTES: usize = 16;

/// The bytes by which a message is longer than its plaintext.
pub const OVERHEAD: usize = HEADER_BYTES + TAG_BYTES + 1;

/// The most bytes that fit into one message.
pub const MAX_PLAINTEXT: usize = MAX_BODY - OVERHEAD;

/// Why a message could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CannotEncrypt {
    /// The client's public key is no point of the curve.
    NotOnCurve,
    /// The machine gives no random numbers, or the message is too long.
    Broken,
}

impl From<Unspecified> for CannotEncrypt {
    fn from(_: Unspecified) -> Self {
        Self::Broken
    }
}

/// Encrypts a message for one client.
///
/// # Errors
///
/// Returns the outcome of a push to a client whose public key can never work, or that could not be
/// encrypted now.
pub fn seal(plaintext: &[u8], keys: &Keys) -> Result<Bytes, Outcome> {
    encrypt(plaintext, keys).map(Bytes::from).map_err(|error| match error {
        CannotEncrypt::NotOnCurve => keys::undecodable_p256dh(),
        CannotEncrypt::Broken => Outcome::backoff(Cause::local("cannot_encrypt")),
    })
}

/// Encrypts with a key and a salt of this message's own.
fn encrypt(plaintext: &[u8], keys: &Keys) -> Result<Vec<u8>, CannotEncrypt> {
    let ours = PrivateKey::generate(&ECDH_P256)?;
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt)?;
    encrypt_with(&ours, salt, plaintext, keys)
}

fn encrypt_with(
    ours: &PrivateKey,
    salt: [u8; SALT_BYTES],
    plaintext: &[u8],
    keys: &Keys,
) -> Result<Vec<u8>, CannotEncrypt> {
    let our_public = ours.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, keys.p256dh);
    let prk_key =
        agree(ours, theirs, CannotEncrypt::NotOnCurve, |shared| Ok(hmac(&keys.auth, &[shared])))?;
    let ikm =
        hmac(prk_key.as_ref(), &[b"WebPush: info\0", &keys.p256dh, our_public.as_ref(), &[1]]);
    let prk = hmac(&salt, &[ikm.as_ref()]);
    let content_key = hmac(prk.as_ref(), &[b"Content-Encoding: aes128gcm\0\x01"]);
    let nonce = hmac(prk.as_ref(), &[b"Content-Encoding: nonce\0\x01"]);

    let mut record = Vec::with_capacity(HEADER_BYTES + plaintext.len() + 1 + TAG_BYTES);
    record.extend_from_slice(&salt);
    record.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    record.push(KEY_ID_LENGTH);
    record.extend_from_slice(our_public.as_ref());
    record.extend_from_slice(plaintext);
    record.push(DELIMITER);
    let (_, sealed) = record.split_at_mut(HEADER_BYTES);
    let key = &content_key.as_ref()[..AES_128_GCM.key_len()];
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..AES_128_GCM.nonce_len()])?;
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), sealed)?;
    record.extend_from_slice(tag.as_ref());
    Ok(record)
}

/// HMAC-SHA-256 over the pieces in a row, as HKDF uses it (RFC 5869).
fn hmac(key: &[u8], pieces: &[&[u8]]) -> Tag {
    sign(&Key::new(HMAC_SHA256, key), &pieces.concat())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    fn keys() -> Keys {
        Keys {
            p256dh: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        }
    }

    /// RFC 8291, section 5.
    #[test]
    fn the_rfcs_example_bit_for_bit() {
        let ours: [u8; 32] = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let ours = PrivateKey::from_private_key(&ECDH_P256, &ours).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let plaintext = b"When I grow up, I want to be a watermelon";
        let body = encrypt_with(&ours, salt, plaintext, &keys()).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA\
             mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxs\
             j_Qulcy4a-fN",
        );
    }

    #[test]
    fn the_longest_message_fills_the_body() {
        assert_eq!(MAX_PLAINTEXT, 3993);
        let body = encrypt(&[b'x'; MAX_PLAINTEXT], &keys()).unwrap();
        assert_eq!(body.len(), MAX_BODY);
    }

    #[test]
    fn no_two_messages_share_key_or_salt() {
        let [one, other] = [(); 2].map(|()| encrypt(b"{}", &keys()).unwrap());
        assert_ne!(one[..SALT_BYTES], other[..SALT_BYTES]);
        assert_ne!(one[21..HEADER_BYTES], other[21..HEADER_BYTES]);
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let mut keys = keys();
        keys.p256dh[64] ^= 1;
        assert_eq!(encrypt(b"{}", &keys), Err(CannotEncrypt::NotOnCurve));
        keys.p256dh[1..].fill(0);
        assert_eq!(encrypt(b"{}", &keys), Err(CannotEncrypt::NotOnCurve));
    }
}
