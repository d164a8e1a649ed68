//! The browser's side of RFC 8291 and RFC 8188.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bytes::Bytes;

use super::subscription::Browser;

const SALT: usize = 16;
const POINT: usize = 65;
const TAG: usize = 16;
/// Ends the plaintext of the last record.
const LAST: u8 = 2;

/// So many bytes of key material.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Decrypts a message; `None` if it is not for this browser, or not as the RFCs want it.
pub(in crate::peers) fn message(body: &[u8], browser: &Browser) -> Option<Bytes> {
    let (salt, rest) = body.split_at_checked(SALT)?;
    let (record_size, rest) = rest.split_first_chunk::<4>()?;
    let (&[id_length], rest) = rest.split_first_chunk::<1>()?;
    let (sender, record) = rest.split_at_checked(usize::from(id_length))?;
    // "An application server MUST encrypt a push message with a single record" (RFC 8291, section
    // 4).
    let fits = record.len() <= u32::from_be_bytes(*record_size) as usize;
    if sender.len() != POINT || !fits || record.len() <= TAG {
        return None;
    }
    let own = browser.key.compute_public_key().ok()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
    let ikm = agree(&browser.key, theirs, (), |shared| {
        let info = [b"WebPush: info\0", own.as_ref(), sender];
        derive(&browser.auth, shared, &info, 32).ok_or(())
    })
    .ok()?;
    let key = derive(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"], 16)?;
    let nonce = derive(salt, &ikm, &[b"Content-Encoding: nonce\0"], 12)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
    let mut record = record.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut record).ok()?;
    let end = plain.iter().rposition(|&byte| byte != 0)?;
    (plain[end] == LAST).then(|| Bytes::copy_from_slice(&plain[..end]))
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], length: usize) -> Option<Vec<u8>> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    let mut out = vec![0; length];
    prk.expand(info, Length(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::PrivateKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// RFC 8291, section 5.
    #[test]
    fn the_rfcs_example() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let key = bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let browser = Browser {
            origin: String::new(),
            key: PrivateKey::from_private_key(&ECDH_P256, &key).unwrap(),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap(),
        };
        let mut body = bytes(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA\
             mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxs\
             j_Qulcy4a-fN",
        );
        let plain = message(&body, &browser);
        assert_eq!(plain.unwrap(), "When I grow up, I want to be a watermelon");
        for end in [0, 15, 20, 86, body.len() - 1] {
            assert_eq!(message(&body[..end], &browser), None);
        }
        body[100] ^= 1;
        assert_eq!(message(&body, &browser), None);
    }
}
