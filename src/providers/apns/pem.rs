//! Private keys out of PEM files, with a helpful word where a file holds something else.

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{Error, PemObject as _};

use crate::fault::Fault;

/// Returns the private key in a PEM file; `key` is the configuration's key that named the file.
pub(super) fn private_key(key: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    if is_encrypted(pem) {
        return Err(Fault::new(
            key,
            "the private key is encrypted",
            "remove its passphrase: openssl pkey -in FILE -out NEW.pem",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound if contains(pem, b"-----BEGIN ") => Fault::new(
            key,
            "the file has no private key",
            "name a file with a section `BEGIN PRIVATE KEY`; a `certfile` needs it beside the \
             certificate",
        ),
        Error::NoItemsFound => Fault::new(
            key,
            "the file is not PEM",
            "name the .p8 file as Apple gave it, or convert a .p12 file: \
             openssl pkcs12 -in FILE.p12 -out FILE.pem -nodes",
        ),
        _ => Fault::new(
            key,
            "the file is damaged: its PEM cannot be read",
            "copy it again, unchanged",
        ),
    })
}

/// PKCS#8 names encryption in the label, the older formats in a header (RFC 1421).
fn is_encrypted(pem: &[u8]) -> bool {
    contains(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(pem, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|it| it == needle)
}
