//! The configuration from the outside: files in, findings or a running configuration out.

#![cfg(test)]

mod bad;
mod oracle;
mod sample;
mod state;
mod sygnal;

use std::fs;
use std::path::{Path, PathBuf};

use peregrine::config::{Loaded, Report, load};
use peregrine::telemetry::Metrics;
use tempfile::TempDir;

/// A folder with a configuration file.
struct Folder(TempDir);

impl Folder {
    fn with(text: impl AsRef<[u8]>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.config(), text).unwrap();
        folder
    }

    fn config(&self) -> PathBuf {
        self.path().join("config.yaml")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Loads the file in an environment of its own.
    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, Report> {
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        load(&self.config(), &env, &Metrics::new())
    }
}
