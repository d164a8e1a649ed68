//! Secrets and key files: read once, wrapped so that no log or debug output can show them.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::fault::Fault;

/// Finds the files a configuration names: relative to the configuration file, and as a fallback
/// (with a warning) to the working directory, as Sygnal does.
#[derive(Debug)]
pub struct KeyFiles {
    base: PathBuf,
    warnings: Arc<Mutex<Vec<String>>>,
    contents: Mutex<DefaultHasher>,
}

impl KeyFiles {
    /// Looks files up beside `base`, the folder of the configuration file.
    pub fn beside(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), warnings: Arc::default(), contents: Mutex::default() }
    }

    /// Looks up the same files with the same warnings, and with a [`digest`](Self::digest) of its
    /// own.
    #[must_use]
    pub fn apart(&self) -> Self {
        let (base, warnings) = (self.base.clone(), self.warnings.clone());
        Self { base, warnings, contents: Mutex::default() }
    }

    /// Returns a hash of every file read: it changes when one of them does.
    pub fn digest(&self) -> u64 {
        lock(&self.contents).finish()
    }

    /// Returns where the file is.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let beside_config = self.base.join(path);
        if path.is_relative() && !beside_config.exists() && path.exists() {
            let warning = format!(
                "{} was found in the working directory, not beside the configuration file: \
                 write an absolute path, or one relative to {}",
                path.display(),
                self.base.display(),
            );
            let mut warnings = lock(&self.warnings);
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
            return path.to_owned();
        }
        beside_config
    }

    /// Reads a key file whole.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] on `key` if the file cannot be read.
    pub fn read(&self, key: &str, path: &Path) -> Result<SecretSlice<u8>, Fault> {
        let path = self.resolve(path);
        let contents = fs::read(&path).map_err(|error| {
            Fault::new(
                key,
                format!("cannot read {}: {error}", path.display()),
                "name a file that exists and that the user running peregrine may read",
            )
        })?;
        (&path, &contents).hash(&mut *lock(&self.contents));
        Ok(SecretSlice::from(contents))
    }

    /// Reads a text file whole, without the white space at its ends.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] on `key` if the file cannot be read or is not UTF-8.
    pub fn read_text(&self, key: &str, path: &Path) -> Result<SecretString, Fault> {
        let bytes = self.read(key, path)?;
        let text = std::str::from_utf8(bytes.expose_secret()).map_err(|_| {
            Fault::new(key, format!("{} is not text", path.display()), "write UTF-8")
        })?;
        Ok(SecretString::from(text.trim()))
    }

    /// Returns a secret that is written inline or in a file; a file is read.
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] if both are given, or the file cannot be read.
    pub fn inline_or_file(
        &self,
        key: &str,
        inline: Option<SecretString>,
        file: Option<&Path>,
    ) -> Result<Option<SecretString>, Fault> {
        match (inline, file) {
            (Some(_), Some(_)) => {
                Err(Fault::new(key, format!("stands beside `{key}_file`"), "keep one of the two"))
            }
            (None, Some(file)) => self.read_text(&format!("{key}_file"), file).map(Some),
            (inline, None) => Ok(inline),
        }
    }

    /// Returns what should be said about where files were found.
    pub fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
