//! rustls client settings: roots, client certificate, ALPN.
//!
//! The cryptography is named here (aws-lc-rs), so nothing depends on a default of the process.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A client certificate chain and its key.
pub struct ClientCertificate {
    /// The chain, the client's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// Returns the roots trusted for providers: the system's, the bundled ones of Mozilla, and `extra`.
#[must_use]
pub fn roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "cannot read some of the system's root certificates");
    }
    roots.add_parsable_certificates(system.certs);
    let (_, ignored) = roots.add_parsable_certificates(extra.iter().cloned());
    if ignored > 0 {
        tracing::error!(
            ignored,
            "some of the extra root certificates cannot be used: they are not X.509 certificates"
        );
    }
    roots
}

/// Returns settings that offer `alpn` in order.
///
/// # Errors
///
/// Returns an error if the certificate and key do not belong together.
pub fn client_config(
    roots: &Arc<RootCertStore>,
    certificate: Option<ClientCertificate>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots.clone());
    let mut config = match certificate {
        Some(ClientCertificate { chain, key }) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
        (issued.cert.der().clone(), key)
    }

    #[test]
    fn extra_roots_come_on_top_and_broken_ones_are_left_out() {
        let usual = roots(&[]).len();
        assert!(usual > 0);
        let (good, _) = issued("extra.example");
        let broken = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(roots(&[good, broken]).len(), usual + 1);
    }

    #[test]
    fn a_client_certificate_needs_its_own_key() {
        let roots = Arc::new(RootCertStore::empty());
        let (certificate, key) = issued("client.example");
        let (_, other) = issued("client.example");
        for (key, fits) in [(key, true), (other, false)] {
            let certificate = ClientCertificate { chain: vec![certificate.clone()], key };
            let config = client_config(&roots, Some(certificate), &[b"h2"]);
            assert_eq!(config.is_ok(), fits);
        }
    }

    #[test]
    fn alpn_is_offered_in_order() {
        let config = client_config(&Arc::new(roots(&[])), None, &[b"h2", b"http/1.1"]).unwrap();
        assert_eq!(config.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
        assert!(config.client_auth_cert_resolver.has_certs().eq(&false));
    }
}
