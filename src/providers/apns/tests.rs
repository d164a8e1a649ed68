//! The configuration's faults, and whole attempts against a simulated APNs over real TLS.

mod config;
mod send;

use std::sync::Arc;

use loadtest::peers::pki;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

use super::{Config, Plan};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig as _, Surroundings};
use crate::secret::KeyFiles;
use crate::telemetry::Metrics;

/// A folder for key files, and what else is around an app.
struct Around {
    folder: TempDir,
    metrics: Arc<Metrics>,
    surroundings: Surroundings,
}

impl Around {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(pki::ca_pem().as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let metrics = Metrics::new();
        let surroundings = Surroundings {
            files: Arc::new(KeyFiles::beside(folder.path())),
            roots: Arc::new(roots),
            proxy: None,
            metadata_host: None,
            digest: 0,
            metrics: metrics.app("com.example.app", "apns"),
        };
        Self {
            folder,
            metrics,
            surroundings,
        }
    }

    /// Writes a file beside the configuration.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn prepare(&self, keys: Value) -> Result<Plan, Vec<Fault>> {
        let config: Config = serde_json::from_value(keys).unwrap();
        config.prepare(&self.surroundings)
    }
}
