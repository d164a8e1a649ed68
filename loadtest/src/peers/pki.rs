//! Certificates: one authority for every peer of the process, their server certificate, and the
//! client certificates that Apple would issue.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Sequence, Tag};
use x509_parser::prelude::X509Certificate;

const DAY: Duration = Duration::from_secs(24 * 3600);

// Apple's extensions of push certificates: production environment, and the list of topics
// (https://github.com/jchambers/pushy, `P12Util` and `CertificateUtil`).
const PRODUCTION: &[u64] = &[1, 2, 840, 113_635, 100, 6, 3, 2];
const TOPICS: &[u64] = &[1, 2, 840, 113_635, 100, 6, 3, 6];
const TOPICS_TEXT: &str = "1.2.840.113635.100.6.3.6";
/// The subject's user id (RFC 4519, section 2.39).
const UID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
const UID_TEXT: &str = "0.9.2342.19200300.100.1.1";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = params("simulated providers' authority", SystemTime::now() + 30 * DAY);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        made(CertifiedIssuer::self_signed(params, made(KeyPair::generate())))
    })
}

fn params(name: &str, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (not_after.min(SystemTime::now()) - DAY).into();
    params.not_after = not_after.into();
    params
}

/// Making keys and certificates fails only if the machine cannot give random numbers.
fn made<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("cannot make a certificate: {error}"))
}

/// Returns the authority's certificate as PEM.
#[must_use]
pub fn ca_pem() -> String {
    authority().pem()
}

/// Writes the authority's certificate into a directory and returns the file.
///
/// # Panics
///
/// If the file cannot be written.
#[must_use]
pub fn write_ca(directory: impl AsRef<Path>) -> PathBuf {
    write(directory, "ca.pem", &ca_pem())
}

/// Writes a file into a directory and returns its path.
pub(super) fn write(directory: impl AsRef<Path>, name: &str, content: &str) -> PathBuf {
    let file = directory.as_ref().join(name);
    std::fs::write(&file, content)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    file
}

/// Whether a peer asks its clients for certificates; none is taken amiss.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientCertificates {
    Asked,
    NotAsked,
}

/// Returns what accepts TLS for `localhost` and `127.0.0.1`, and offers these protocols.
pub(super) fn acceptor(protocols: &[&[u8]], clients: ClientCertificates) -> TlsAcceptor {
    static CERTIFICATE: OnceLock<(CertificateDer<'static>, Vec<u8>)> = OnceLock::new();
    let (certificate, key) = CERTIFICATE.get_or_init(|| {
        let key = made(KeyPair::generate());
        let mut params = params("localhost", SystemTime::now() + 30 * DAY);
        params.subject_alt_names = vec![
            SanType::DnsName(made("localhost".try_into())),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = made(params.signed_by(&key, authority()));
        (certificate.der().clone(), key.serialize_der())
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = match clients {
        ClientCertificates::NotAsked => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Asked => {
            let mut roots = RootCertStore::empty();
            made(roots.add(authority().der().clone()));
            let provider = Arc::clone(&provider);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            made(verifier.allow_unauthenticated().build())
        }
    };
    let config = ServerConfig::builder_with_provider(provider);
    let config = made(config.with_safe_default_protocol_versions())
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone())),
        );
    let mut config = made(config);
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A push certificate such as Apple issues, with its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    pem: String,
    key_pem: String,
}

impl ClientCertificate {
    /// Makes a certificate for the first topic, and for the others by Apple's extension.
    ///
    /// # Panics
    ///
    /// If there is no topic.
    #[must_use]
    pub fn new(topics: &[&str], not_after: SystemTime) -> Self {
        let first = topics.first().unwrap_or_else(|| panic!("a push certificate needs a topic"));
        let key = made(KeyPair::generate());
        let mut params = params(&format!("Apple Push Services: {first}"), not_after);
        params.distinguished_name.push(DnType::CustomDnType(UID.to_vec()), *first);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // NULL: the extension's presence says it all.
        params.custom_extensions.push(CustomExtension::from_oid_content(PRODUCTION, vec![5, 0]));
        if topics.len() > 1 {
            let list = topics.iter().flat_map(|topic| {
                let kind = der(Tag::Sequence, &der(Tag::Utf8String, b"app"));
                [der(Tag::Utf8String, topic.as_bytes()), kind].concat()
            });
            let list = der(Tag::Sequence, &list.collect::<Vec<u8>>());
            params.custom_extensions.push(CustomExtension::from_oid_content(TOPICS, list));
        }
        let certificate = made(params.signed_by(&key, authority()));
        Self { pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// Returns certificate and key, one after the other, as Sygnal's `certfile` holds them.
    #[must_use]
    pub fn pem(&self) -> String {
        format!("{}{}", self.pem, self.key_pem)
    }

    /// Writes certificate and key into a directory and returns the file.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn write(&self, directory: impl AsRef<Path>) -> PathBuf {
        write(directory, "apns.pem", &self.pem())
    }
}

/// Encodes one DER value, of at most 65,535 bytes.
fn der(tag: Tag, content: &[u8]) -> Vec<u8> {
    let constructed = if tag == Tag::Sequence { 0x20 } else { 0 };
    let identifier = u8::try_from(tag.0).unwrap_or_default() | constructed;
    let [high, low] = u16::try_from(content.len()).unwrap_or_default().to_be_bytes();
    let head = match content.len() {
        ..0x80 => vec![identifier, low],
        0x80..0x100 => vec![identifier, 0x81, low],
        _ => vec![identifier, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

/// Returns the topics a client certificate is for, the subject's first.
pub(super) fn topics(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let mut topics = Vec::new();
    for attribute in certificate.subject().iter_attributes() {
        if attribute.attr_type().to_id_string() == UID_TEXT {
            topics.extend(attribute.as_str().ok().map(str::to_owned));
        }
    }
    for extension in certificate.extensions() {
        if extension.oid.to_id_string() == TOPICS_TEXT
            && let Ok((_, list)) = Sequence::from_der(extension.value)
        {
            let mut rest: &[u8] = &list.content;
            while let Ok((left, entry)) = Any::from_der(rest) {
                rest = left;
                let topic = entry.utf8string().map(|topic| topic.as_ref().to_owned());
                topics.extend(topic.ok().filter(|topic| !topics.contains(topic)));
            }
        }
    }
    topics
}
