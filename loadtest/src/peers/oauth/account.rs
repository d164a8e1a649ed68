//! Service accounts: Google's key files, with two RSA keys for the whole process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonwebtoken::DecodingKey;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use uuid::Uuid;

use crate::peers::pki;

/// A service account with one of the process's RSA keys: making a key takes long.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    pub(super) key: &'static Key,
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

    /// Takes a second key, as good as the first.
    #[must_use]
    pub fn another_key(self) -> Self {
        let key = Key::second();
        Self { key, ..self }
    }

    /// Returns the key's id, as assertions name it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key.id
    }

    /// Returns the key file's text.
    #[must_use]
    pub fn json(&self) -> String {
        let key = self.key;
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

/// An RSA key of service accounts.
pub(super) struct Key {
    pub(super) id: String,
    pem: String,
    pub(super) public: DecodingKey,
}

static FIRST: OnceLock<Key> = OnceLock::new();
static SECOND: OnceLock<Key> = OnceLock::new();

impl Key {
    /// Returns the key of every account that takes no other.
    pub(super) fn first() -> &'static Self {
        FIRST.get_or_init(Self::new)
    }

    fn second() -> &'static Self {
        SECOND.get_or_init(Self::new)
    }

    /// Returns the key of this id, if it was made.
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        let mut made = [&FIRST, &SECOND].into_iter().filter_map(OnceLock::get);
        made.find(|key| key.id == id)
    }

    fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .unwrap_or_else(|error| panic!("cannot make an RSA key: {error}"));
        Self {
            id: Uuid::new_v4().simple().to_string(),
            pem: pair.serialize_pem(),
            public: DecodingKey::from_rsa_der(pair.public_key_raw()),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.id).finish()
    }
}
