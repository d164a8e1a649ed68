//! The configuration's faults, and whole attempts against a simulated APNs over real TLS.

mod config;
mod send;

use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::{Config, Plan};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig as _, Surroundings};
use crate::providers::testing::surroundings;
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
        let metrics = Metrics::new();
        let surroundings = surroundings(folder.path(), metrics.app("com.example.app", "apns"));
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
