//! What is around an app in the unit tests of providers: a folder of its own, trust in the
//! simulated peers, and clocks that can be turned.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loadtest::peers::pki;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Surroundings;
use super::renewal::Moment;
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

/// Returns the moment at which each clock has gone on by so much.
pub(super) fn later(then: Moment, monotonic: Duration, wall: Duration) -> Moment {
    Moment {
        monotonic: then.monotonic + monotonic,
        wall: then.wall + wall,
    }
}
