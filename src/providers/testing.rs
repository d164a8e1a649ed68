//! What the unit tests of providers share: what is around an app (a folder of its own, trust in the
//! simulated peers), clocks that can be turned, answers and what they mean in short.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use loadtest::peers::pki;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

use super::app::{ProviderConfig, Surroundings};
use super::outcome::{Outcome, Retry};
use super::push::ViewOptions;
use super::renewal::Moment;
use crate::fault::Fault;
use crate::secret::KeyFiles;
use crate::telemetry::Metrics;
use crate::transport::{ConnectionId, Response};

/// Lets everything out.
pub(super) const WHOLE: ViewOptions = ViewOptions { send_badge_counts: true, event_id_only: false };

/// A folder for key files, and what else is around an app.
pub(super) struct Around {
    pub(super) folder: TempDir,
    pub(super) metrics: Arc<Metrics>,
    pub(super) surroundings: Surroundings,
}

impl Around {
    /// Makes it for an app called `im.example`.
    pub(super) fn new(provider: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::new();
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(pki::ca_pem().as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let surroundings = Surroundings {
            files: Arc::new(KeyFiles::beside(folder.path())),
            roots: Arc::new(roots),
            proxy: None,
            metadata_host: None,
            digest: 0,
            metrics: metrics.app("im.example", provider),
        };
        Self { folder, metrics, surroundings }
    }

    /// Writes a file beside the configuration.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Checks an app's keys.
    pub(super) fn prepare<C: ProviderConfig>(
        &self,
        keys: Value,
    ) -> Result<C::Blueprint, Vec<Fault>> {
        let config: C = serde_json::from_value(keys).unwrap();
        config.prepare(&self.surroundings)
    }
}

/// Returns what was built of at most `limit` bytes, or why nothing was.
pub(super) fn text(built: Result<Vec<u8>, Outcome>, limit: usize) -> String {
    match built {
        Ok(bytes) => {
            assert!(bytes.len() <= limit);
            String::from_utf8(bytes).unwrap()
        }
        Err(outcome) => format!("{} {}", outcome.as_str(), outcome.cause().unwrap().reason),
    }
}

/// Returns the moment at which each clock has gone on by so much.
pub(super) fn later(then: Moment, monotonic: Duration, wall: Duration) -> Moment {
    Moment { monotonic: then.monotonic + monotonic, wall: then.wall + wall }
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
