//! The program from the outside: the built binary, its commands, exit codes and signals.
//!
//! `commands`, `keys`, `manual`, `online`, `render` and `send` end by themselves (the last three
//! with simulated `providers`); `access`, `health`, `serve`, `signals`, `systemd`, what is sent to
//! a `collector` and what comes through `nginx` run the gateway as a `process`.

#![cfg(test)]

mod access;
#[cfg(any(feature = "otlp", feature = "sentry"))]
mod collector;
mod commands;
mod health;
mod keys;
mod manual;
mod nginx;
mod online;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
mod providers;
#[path = "../gateway/helpers/proxy.rs"]
mod proxy;
mod render;
mod send;
#[cfg(feature = "sentry")]
mod sentry;
mod serve;
mod signals;
mod systemd;

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A folder with a configuration file, in which the program runs.
struct Folder(TempDir);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(config);
        folder
    }

    /// Writes the configuration file anew.
    fn write(&self, config: &str) {
        fs::write(self.path().join("config.yaml"), config).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the program, to be run here with nothing of our environment.
    fn peregrine(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peregrine"));
        command.args(args).env_clear().current_dir(self.path());
        command
    }
}
