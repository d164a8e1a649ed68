//! A client certificate as Apple issues it: which topics it may push to, and when it ends.

use std::time::{Duration, SystemTime};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::asn1_rs::{Any, FromDer as _, Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;

use super::pem;
use crate::fault::Fault;

/// The configuration's key that names the file.
const KEY: &str = "certfile";
/// The subject's user id: the one topic of most certificates.
const USER_ID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);
/// Apple's lists of topics: of certificates for calls, and of universal ones.
const TOPICS: [Oid<'static>; 2] = [oid!(1.2.840.113635.100.6.3.4), oid!(1.2.840.113635.100.6.3.6)];
const RENEW: &str = "create an Apple Push Services certificate for the app at \
                     developer.apple.com, Certificates, Identifiers & Profiles";

/// A client certificate, its key, and what Apple wrote into it.
pub(super) struct Certificate {
    /// The chain, the client's own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub(super) key: PrivateKeyDer<'static>,
    /// The topics it may push to; the subject's user id first.
    pub(super) topics: Vec<String>,
    /// Whether the first topic is the subject's user id.
    pub(super) has_user_id: bool,
    /// When it ends.
    pub(super) expires: SystemTime,
}

impl Certificate {
    /// Reads a PEM file with a certificate (the chain, if there is one, behind it) and its key.
    pub(super) fn read(pem: &[u8], now: SystemTime) -> Result<Self, Fault> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap_or_default();
        let Some(leaf) = chain.first() else {
            // What keeps the key from being read keeps the certificate from it as well.
            pem::private_key(KEY, pem)?;
            return Err(Fault::new(
                KEY,
                "the file has no certificate",
                "put certificate and private key into one file, the certificate first",
            ));
        };
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| {
            Fault::new(KEY, format!("cannot read the certificate: {error}"), RENEW)
        })?;
        let ends = leaf.validity().not_after;
        let expires = u64::try_from(ends.timestamp()).unwrap_or_default();
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(expires);
        if expires <= now {
            return Err(Fault::new(KEY, format!("the certificate ended on {ends}"), RENEW));
        }
        let user_id =
            leaf.subject().iter_by_oid(&USER_ID).find_map(|it| it.as_str().ok()).map(str::to_owned);
        let has_user_id = user_id.is_some();
        let mut topics: Vec<String> = user_id.into_iter().collect();
        for extension in leaf.extensions() {
            if TOPICS.contains(&extension.oid) {
                collect_topics(extension.value, &mut topics);
            }
        }
        let key = pem::private_key(KEY, pem)?;
        Ok(Self { chain, key, topics, has_user_id, expires })
    }
}

/// Collects the topics of Apple's extension: a sequence of a topic and a sequence of its uses, of
/// another topic, and so on; some issuers wrap it into an octet string.
fn collect_topics(der: &[u8], topics: &mut Vec<String>) {
    let unwrapped = Any::from_der(der).and_then(|(_, value)| match value.tag() {
        Tag::OctetString => Any::from_der(value.data),
        _ => Ok((der, value)),
    });
    let Ok((_, value)) = unwrapped else {
        return;
    };
    let mut rest = match value.tag() {
        Tag::Sequence => value.data,
        _ => der,
    };
    while let Ok((behind, element)) = Any::from_der(rest) {
        if element.tag() == Tag::Utf8String {
            add_topic(&element, topics);
        }
        rest = behind;
    }
}

fn add_topic(value: &Any<'_>, topics: &mut Vec<String>) {
    if let Ok(topic) = std::str::from_utf8(value.data)
        && !topics.iter().any(|known| known == topic)
    {
        topics.push(topic.to_owned());
    }
}
