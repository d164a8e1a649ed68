//! What the unit tests of providers share: what is around an app (a folder of its own, trust in the
//! simulated peers), clocks that can be turned, answers and what they mean in short.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use loadtest::peers::pki;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Surroundings;
use super::outcome::{Outcome, Retry};
use super::renewal::Moment;
use crate::secret::KeyFiles;
use crate::telemetry::AppMetrics;
use crate::transport::{ConnectionId, Response};

/// Returns what is around an app whose key files are in `folder`.
pub(super) fn surroundings(folder: &Path, metrics: AppMetrics) -> Surroundings {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(pki::ca_pem().as_bytes()).unwrap();
    roots.add(authority).unwrap();
    Surroundings {
        files: Arc::new(KeyFiles::beside(folder)),
        roots: Arc::new(roots),
        proxy: None,
        metadata_host: None,
        digest: 0,
        metrics,
    }
}

/// Returns the moment at which each clock has gone on by so much.
pub(super) fn later(then: Moment, monotonic: Duration, wall: Duration) -> Moment {
    Moment {
        monotonic: then.monotonic + monotonic,
        wall: then.wall + wall,
    }
}

/// Makes an answer; `retry_after` is a header of it.
pub(super) fn answer(status: u16, retry_after: Option<&str>, body: impl Into<String>) -> Response {
    Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers: retry_after
            .map(|value| (RETRY_AFTER, value.parse().unwrap()))
            .into_iter()
            .collect::<HeaderMap>(),
        body: body.into().into(),
        connection: ConnectionId::default(),
    }
}

/// Tells an outcome in words: kind, reason, `alarm`, and the wait or `useless`.
pub(super) fn shown(outcome: &Outcome) -> String {
    let mut shown = vec![outcome.as_str().to_owned()];
    if let Some(cause) = outcome.cause() {
        shown.push(cause.reason.to_owned());
        shown.extend(cause.alarm.then(|| "alarm".to_owned()));
    }
    if let Outcome::Transient { retry, .. } = outcome {
        match retry {
            Retry::After(wait) => shown.push(format!("{wait:?}")),
            Retry::Useless => shown.push("useless".to_owned()),
            Retry::Backoff | Retry::AtOnce => {}
        }
    }
    shown.join(" ")
}
