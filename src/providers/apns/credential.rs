//! Who we are to Apple: what the configuration says about keys, read and checked.

use std::path::Path;
use std::time::SystemTime;

use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Identity;
use super::auth::ProviderToken;
use super::certificate::Certificate;
use super::config::Config;
use super::pem;
use super::push_type::PushType;
use crate::fault::Fault;
use crate::providers::app::Surroundings;
use crate::secret::ExposeSecret as _;
use crate::transport::tls::ClientCertificate;

const APPLES_KEY: &str = "name the .p8 file of a key for Apple Push Notifications service, from \
                          developer.apple.com, Certificates, Identifiers & Profiles, Keys";

/// A checked credential, and the topic it pushes to.
pub(super) struct Credential {
    /// How Apple knows us.
    pub(super) identity: Identity,
    /// The topic, without the operator's suffix.
    pub(super) topic: String,
    /// The certificate and its key, for the connections.
    pub(super) certificate: Option<ClientCertificate>,
}

impl Credential {
    /// Reads the credential that the configuration names.
    pub(super) fn read(config: &Config, around: &Surroundings) -> Result<Self, Vec<Fault>> {
        match (&config.certfile, &config.keyfile) {
            (Some(_), Some(_)) => Err(vec![Fault::new(
                "certfile",
                "both `certfile` and `keyfile` are given",
                "keep one of them: `keyfile` serves every app of the team and never expires",
            )]),
            (Some(file), None) => Self::certificate(config, file, around).map_err(|it| vec![it]),
            (None, Some(file)) => Self::provider_token(config, file, around),
            (None, None) => Err(vec![Fault::new(
                "",
                "no credential for Apple",
                "write `keyfile`, `key_id`, `team_id` and `topic` for a .p8 key, or `certfile` \
                 for a certificate",
            )]),
        }
    }

    fn provider_token(
        config: &Config,
        file: &Path,
        around: &Surroundings,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut required = |key: &str, value: &Option<String>, instead: &str| {
            let value = value.as_deref().filter(|it| !it.is_empty());
            if value.is_none() {
                faults.push(Fault::new(key, "missing beside `keyfile`", instead));
            }
            value.unwrap_or_default().to_owned()
        };
        let key_id = required(
            "key_id",
            &config.key_id,
            "write the key's 10-character id, as in AuthKey_<key_id>.p8",
        );
        let team_id = required(
            "team_id",
            &config.team_id,
            "write the team's 10-character id, from developer.apple.com, Membership details",
        );
        let topic = required("topic", &config.topic, "write the app's bundle id");
        if config.push_type.is_some_and(PushType::needs_certificate) {
            faults.push(Fault::new(
                "push_type",
                "Apple takes this push type only with a certificate",
                "write `certfile` instead of `keyfile`, or another push type",
            ));
        }
        let pkcs8 = read_key(file, around).map_err(|fault| faults.push(fault));
        let (Ok(pkcs8), true) = (pkcs8, faults.is_empty()) else {
            return Err(faults);
        };
        let token =
            ProviderToken::shared(&team_id, &key_id, pkcs8.secret_pkcs8_der()).map_err(|_| {
                let what = "the key is not one for ES256 (an elliptic curve key on P-256)";
                vec![Fault::new("keyfile", what, APPLES_KEY)]
            })?;
        Ok(Self {
            identity: Identity::ProviderToken {
                token,
                description: format!("key {key_id} of team {team_id}"),
            },
            topic,
            certificate: None,
        })
    }

    fn certificate(config: &Config, file: &Path, around: &Surroundings) -> Result<Self, Fault> {
        if config.push_type.is_some_and(PushType::needs_token) {
            return Err(Fault::new(
                "push_type",
                "Apple takes this push type only with a provider token",
                "write `keyfile`, `key_id` and `team_id` instead of `certfile`, or another push \
                 type",
            ));
        }
        let pem = around.files.read("certfile", file)?;
        let certificate = Certificate::read(pem.expose_secret(), SystemTime::now())?;
        let configured = config.topic.clone().filter(|it| !it.is_empty());
        let topic = configured.map_or_else(|| only_topic(&certificate), Ok)?;
        Ok(Self {
            identity: Identity::Certificate {
                description: match certificate.topics.as_slice() {
                    [] => format!("certificate for {topic}"),
                    topics => format!("certificate for {}", topics.join(", ")),
                },
                expires: certificate.expires,
            },
            topic,
            certificate: Some(ClientCertificate { chain: certificate.chain, key: certificate.key }),
        })
    }
}

/// Reads a key as PKCS#8, the form Apple gives.
fn read_key(file: &Path, around: &Surroundings) -> Result<PrivatePkcs8KeyDer<'static>, Fault> {
    let pem = around.files.read("keyfile", file)?;
    let key = pem::private_key("keyfile", pem.expose_secret())?;
    let algorithm = any_supported_type(&key).map(|it| it.algorithm());
    match (algorithm, key) {
        (Ok(SignatureAlgorithm::ECDSA), PrivateKeyDer::Pkcs8(pkcs8)) => Ok(pkcs8),
        (Ok(SignatureAlgorithm::ECDSA), _) => Err(Fault::new(
            "keyfile",
            "the key is not in the form Apple gives (PKCS#8)",
            "convert it: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW.p8",
        )),
        (Ok(other), _) => {
            let what = format!("the key is {other:?}, not an elliptic curve key");
            Err(Fault::new("keyfile", what, APPLES_KEY))
        }
        (Err(_), _) => {
            let what = "the private key in the file cannot be read";
            Err(Fault::new("keyfile", what, APPLES_KEY))
        }
    }
}

/// Returns the topic that goes without saying.
fn only_topic(certificate: &Certificate) -> Result<String, Fault> {
    match certificate.topics.as_slice() {
        [topic] => Ok(topic.clone()),
        [user_id, ..] if certificate.has_user_id => Ok(user_id.clone()),
        [] => Err(Fault::new(
            "topic",
            "missing, and the certificate names none",
            "write the app's bundle id",
        )),
        topics => Err(Fault::new(
            "topic",
            "missing, and the certificate has several",
            format!("write one of {}", topics.join(", ")),
        )),
    }
}
