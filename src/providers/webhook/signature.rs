//! The signature of a body, by which a webhook knows that it comes from this gateway.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

use crate::fault::Fault;
use crate::secret::{ExposeSecret as _, SecretString};

/// Signs bodies with the operator's secret.
pub(super) struct Signer(Key);

impl Signer {
    /// Takes the secret.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] if it is empty: anyone could sign with that.
    pub(super) fn new(secret: &SecretString) -> Result<Self, Fault> {
        let secret = secret.expose_secret();
        if secret.is_empty() {
            let instead = "write a long random text, as `openssl rand -hex 32` prints one";
            return Err(Fault::new("secret", "is empty", instead));
        }
        Ok(Self(Key::new(HMAC_SHA256, secret.as_bytes())))
    }

    /// Returns the value of `X-Peregrine-Signature` for a body.
    ///
    /// # Errors
    ///
    /// Returns an error if it is no value of a header, which hexadecimal digits always are.
    pub(super) fn signature(&self, body: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = b"sha256=".to_vec();
        for byte in sign(&self.0, body).as_ref() {
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
        HeaderValue::from_maybe_shared(Bytes::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, section 4.3.
    #[test]
    fn the_rfcs_example() {
        let signer = Signer::new(&"Jefe".into()).unwrap();
        let signature = signer.signature(b"what do ya want for nothing?").unwrap();
        assert_eq!(
            signature,
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert_eq!(Signer::new(&"".into()).err().unwrap().key, "secret");
    }
}
