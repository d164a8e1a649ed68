//! Who the peers are, and who trusts them.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::transport::{Dialer, tls};

/// A server's certificate and key, signed by itself.
pub(in crate::transport) struct Identity {
    pub(in crate::transport) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(in crate::transport) fn of(name: &str) -> Self {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            certificate: issued.cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into()),
        }
    }

    /// Returns a TLS server with this identity that offers `alpn`, and may want to know its
    /// clients.
    pub(in crate::transport) fn acceptor(
        &self,
        alpn: &[&[u8]],
        clients: Option<RootCertStore>,
    ) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .unwrap(),
            ),
        };
        let mut config =
            builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap();
        config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
        Arc::new(config).into()
    }
}

/// Returns a dialer that trusts `identities` and offers `alpn`.
pub(in crate::transport) fn dialer(identities: &[&Identity], alpn: &[&[u8]]) -> Dialer {
    let mut roots = RootCertStore::empty();
    for identity in identities {
        roots.add(identity.certificate.clone()).unwrap();
    }
    Dialer::new(tls::client_config(&Arc::new(roots), None, alpn).unwrap(), None)
}
