//! What is around an app in the unit tests of providers: a folder of its own, and trust in the
//! simulated peers.

use std::path::Path;
use std::sync::Arc;

use loadtest::peers::pki;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Surroundings;
use crate::secret::KeyFiles;
use crate::telemetry::AppMetrics;

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
