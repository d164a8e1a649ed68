//! The VAPID key pair out of a file, in whatever form the tools of the trade write it.
//!
//! PEM (PKCS#8 or SEC 1), DER of the same, or base64url text of DER or of the bare private number,
//! as web push libraries print it.

use std::path::Path;

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::fault::Fault;
use crate::secret::{ExposeSecret as _, KeyFiles};

/// The configuration's key that names the file.
const KEY: &str = "vapid_private_key";

/// What to write instead of a file without a key.
const INSTEAD: &str =
    "name a file with an EC private key on P-256; `peregrine keys vapid` makes one";

/// Bytes of a private number on P-256.
const SCALAR_BYTES: usize = 32;

/// A key pair for VAPID.
#[derive(Clone)]
pub(super) struct VapidKey {
    /// Signs.
    pub(super) signing: EncodingKey,
    /// The public key as clients subscribe with it: base64url of the uncompressed point.
    pub(super) public_key: String,
}

impl VapidKey {
    /// Reads the key pair.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] if the file cannot be read or holds no such key.
    pub(super) fn read(file: &Path, files: &KeyFiles) -> Result<Self, Fault> {
        let contents = files.read(KEY, file)?;
        let contents = contents.expose_secret();
        if contents.windows(10).any(|it| it == b"ENCRYPTED ") {
            let instead = "remove its passphrase: openssl pkey -in FILE -out NEW.pem";
            return Err(Fault::new(KEY, "the private key is encrypted", instead));
        }
        Self::parse(contents).ok_or_else(|| {
            let what = "the file has no EC private key on P-256";
            Fault::new(KEY, what, INSTEAD)
        })
    }

    fn parse(contents: &[u8]) -> Option<Self> {
        let pair = match PrivateKeyDer::from_pem_slice(contents) {
            Ok(der) => from_der(der.secret_der()),
            Err(_) => from_der(contents).or_else(|| from_text(contents)),
        }?;
        let pkcs8 = pair.to_pkcs8v1().ok()?;
        Some(Self {
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            public_key: URL_SAFE_NO_PAD.encode(pair.public_key()),
        })
    }
}

fn from_der(der: &[u8]) -> Option<EcdsaKeyPair> {
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()
}

fn from_text(text: &[u8]) -> Option<EcdsaKeyPair> {
    let text = text.trim_ascii();
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"="));
    let bytes = URL_SAFE_NO_PAD.decode(unpadded.unwrap_or(text)).ok()?;
    if bytes.len() != SCALAR_BYTES {
        return from_der(&bytes);
    }
    let private = agreement::PrivateKey::from_private_key(&ECDH_P256, &bytes).ok()?;
    let public = private.compute_public_key().ok()?;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &bytes, public.as_ref()).ok()
}

#[cfg(test)]
impl VapidKey {
    /// Makes a new key.
    pub(super) fn generated() -> Self {
        Self::parse(&rcgen::KeyPair::generate().unwrap().serialize_der()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key in every form, made by `openssl ecparam -name prime256v1 -genkey` and
    /// `openssl pkcs8 -topk8 -nocrypt`.
    const PUBLIC: &str =
        "BErxYZm4Xq5ibHfFekGDO7XHEZH-5s9QAO-6Tob5AhqtiKrPLhzB1WqUX7FhIYwg_9FL0mT85PUNeDIX4FAlxnY";
    const SEC1_PEM: &str = concat!(
        "-----BEGIN EC PARAMETERS-----\n",
        "BggqhkjOPQMBBw==\n",
        "-----END EC PARAMETERS-----\n",
        "-----BEGIN EC PRIVATE KEY-----\n",
        "MHcCAQEEIDI5R3iZEUt9rHeGjpg1H3zPRLL2pM9jSSvIK/T53ljzoAoGCCqGSM49\n",
        "AwEHoUQDQgAESvFhmbhermJsd8V6QYM7tccRkf7mz1AA77pOhvkCGq2Iqs8uHMHV\n",
        "apRfsWEhjCD/0UvSZPzk9Q14MhfgUCXGdg==\n",
        "-----END EC PRIVATE KEY-----\n",
    );
    const PKCS8_PEM: &str = concat!(
        "-----BEGIN PRIVATE KEY-----\n",
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMjlHeJkRS32sd4aO\n",
        "mDUffM9Esvakz2NJK8gr9PneWPOhRANCAARK8WGZuF6uYmx3xXpBgzu1xxGR/ubP\n",
        "UADvuk6G+QIarYiqzy4cwdVqlF+xYSGMIP/RS9Jk/OT1DXgyF+BQJcZ2\n",
        "-----END PRIVATE KEY-----\n",
    );
    const SCALAR: &str = "MjlHeJkRS32sd4aOmDUffM9Esvakz2NJK8gr9PneWPM";

    #[test]
    fn every_form_is_read() {
        let der = |pem: &str| {
            let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            der.secret_der().to_vec()
        };
        let text = |der: Vec<u8>| URL_SAFE_NO_PAD.encode(der).into_bytes();
        let forms = [
            SEC1_PEM.into(),
            PKCS8_PEM.into(),
            der(SEC1_PEM),
            der(PKCS8_PEM),
            text(der(SEC1_PEM)),
            text(der(PKCS8_PEM)),
            SCALAR.into(),
            format!(" {SCALAR}=\n").into_bytes(),
        ];
        for form in forms {
            let key = VapidKey::parse(&form).unwrap();
            assert_eq!(key.public_key, PUBLIC, "{}", form.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_key_on_p256_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let other = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            key.serialize_pem()
        };
        let rows = [
            (String::new(), "no EC private key"),
            ("AAAA".to_owned(), "no EC private key"),
            ("x".repeat(43), "no EC private key"),
            (other(&rcgen::PKCS_ECDSA_P384_SHA384), "no EC private key"),
            (other(&rcgen::PKCS_ED25519), "no EC private key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned(), "encrypted"),
        ];
        let files = KeyFiles::beside(folder.path());
        for (contents, says) in rows {
            std::fs::write(&file, &contents).unwrap();
            let fault = VapidKey::read(&file, &files).err().unwrap();
            assert_eq!(fault.key, KEY);
            assert!(fault.what.contains(says), "{fault}");
        }
    }
}
