//! The gateway under load: a child process with a configuration of its own.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::Process;

/// A running gateway, stopped on drop.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Its process.
    pub(crate) process: Process,
    /// Where it takes notifications.
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts `binary` with the configuration file and waits until it says where it listens. What
    /// it says goes to `log`.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started or ends before it listens.
    pub(crate) fn start(binary: &Path, config: &Path, log: &Path) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command.arg("--config").arg(config).stderr(Stdio::piped());
        let mut process = Process::start(command, None)?;
        let address = process.wait_for(File::create(log)?, public_address)?;
        Ok(Self { process, address })
    }
}

/// Finds the public address in a line of the gateway's JSON log.
fn public_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening for notifications").then_some(())?;
    line["address"].as_str()?.parse().ok()
}
