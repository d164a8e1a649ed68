//! The gateway under load: a child process with a configuration of its own.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::usage;

/// Variables that would change what the gateway does.
const NOT_INHERITED: [&str; 8] = [
    "RUST_LOG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "PEREGRINE_CONFIG",
];

/// A running gateway, stopped on drop.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    /// Where it takes notifications.
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts `binary` with the configuration file and waits until it says where it listens. What
    /// it says later goes to `log`.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started or ends before it listens.
    pub(crate) fn start(binary: &Path, config: &Path, log: &Path) -> io::Result<Self> {
        let mut command = Command::new(binary);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let mut child = command
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::other(format!("cannot start {}: {error}", binary.display()))
            })?;
        let stderr = child.stderr.take();
        let stderr = stderr.ok_or_else(|| io::Error::other("no standard error"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut log = File::create(log)?;
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                return Err(io::Error::other(format!("the gateway ended:\n{said}")));
            };
            writeln!(log, "{line}")?;
            if let Some(address) = public_address(&line) {
                break address;
            }
            said.push_str(&line);
            said.push('\n');
        };
        // Read to the end, or its pipe would fill.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                let _ = writeln!(log, "{line}");
            });
        });
        Ok(Self { child, address })
    }

    /// Returns the CPU time the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        usage::process_cpu(self.child.id())
    }

    /// Returns its resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        usage::resident_kib(self.child.id())
    }

    /// Returns an error if it is no longer there.
    ///
    /// # Errors
    ///
    /// Returns an error if the process has ended.
    pub(crate) fn lives(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the gateway ended: {status}"))),
        }
    }
}

/// Finds the public address in a line of the gateway's JSON log.
fn public_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening for notifications").then_some(())?;
    line["address"].as_str()?.parse().ok()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
