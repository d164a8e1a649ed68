//! Sends what leaves for collectors: plain HTTP on the caller's own thread, never a worker's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The most that is read of an answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Sends requests, over a connection that it keeps. Goes through `$HTTPS_PROXY` where that is set.
#[derive(Debug, Clone)]
pub(super) struct Post(Agent);

impl Post {
    /// Makes one whose requests take no longer than `timeout`, the answer included.
    pub(super) fn new(timeout: Duration) -> Self {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .root_certs(roots())
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("peregrine/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }

    /// Sends a request and waits for its answer.
    pub(super) fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

/// Returns the system's roots; Mozilla's where the system has none.
fn roots() -> RootCerts {
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = system.iter().map(|it| Certificate::from_der(it).to_owned());
    RootCerts::Specific(Arc::new(certificates.collect()))
}
