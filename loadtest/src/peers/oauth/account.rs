//! Service accounts: Google's key files, with one RSA key for the whole process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonwebtoken::DecodingKey;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use uuid::Uuid;

use crate::peers::pki;

/// A service account with the process's one RSA key: making a key takes long.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    pub(super) project: String,
    pub(super) client_email: String,
    pub(super) token_uri: String,
}

impl ServiceAccount {
    /// Lets the key file name another token endpoint.
    #[must_use]
    pub fn token_uri(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.token_uri);
        self
    }

    /// Returns the key file's text.
    #[must_use]
    pub fn json(&self) -> String {
        let key = key();
        json!({
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": key.id,
            "private_key": key.pem,
            "client_email": self.client_email,
            "client_id": "100000000000000000000",
            "token_uri": self.token_uri,
        })
        .to_string()
    }

    /// Writes the key file into a directory and returns it.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn write(&self, directory: impl AsRef<Path>) -> PathBuf {
        pki::write(directory, "service_account.json", &self.json())
    }
}

pub(super) struct Key {
    pub(super) id: String,
    pem: String,
    pub(super) public: DecodingKey,
}

pub(super) fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .unwrap_or_else(|error| panic!("cannot make an RSA key: {error}"));
        Key {
            id: Uuid::new_v4().simple().to_string(),
            pem: pair.serialize_pem(),
            public: DecodingKey::from_rsa_der(pair.public_key_raw()),
        }
    })
}
