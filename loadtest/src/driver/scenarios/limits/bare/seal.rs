//! What RFC 8291 asks of each message, and nothing else: a key pair, one agreement, the derivation
//! of two keys, AES-GCM.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;

use super::Subscriber;

/// So many bytes of key material.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals a message for a browser: header and record in one buffer.
///
/// # Errors
///
/// Returns an error if the browser's key is none.
pub(super) fn seal(plaintext: &[u8], to: &Subscriber) -> Result<Vec<u8>, Unspecified> {
    let ours = PrivateKey::generate(&ECDH_P256)?;
    let public = ours.compute_public_key()?;
    let mut salt = [0; 16];
    rand::fill(&mut salt)?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &to.p256dh);
    let ikm: [u8; 32] = agree(&ours, theirs, Unspecified, |shared| {
        let info = [b"WebPush: info\0", to.p256dh.as_slice(), public.as_ref()];
        derive(&to.auth, shared, &info)
    })?;
    let key: [u8; 16] = derive(&salt, &ikm, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = derive(&salt, &ikm, &[b"Content-Encoding: nonce\0"])?;

    let mut body = Vec::with_capacity(plaintext.len() + 103);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&4096_u32.to_be_bytes());
    body.push(65);
    body.extend_from_slice(public.as_ref());
    let header = body.len();
    body.extend_from_slice(plaintext);
    body.push(2);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut body[header..])?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

fn derive<const N: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[&[u8]],
) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}
