//! The gateway under load: a child process with a configuration of its own, and its CPU time.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running gateway, stopped on drop.
#[derive(Debug)]
pub(super) struct Gateway {
    child: Child,
    /// Where it takes notifications.
    pub(super) address: SocketAddr,
}

impl Gateway {
    /// Starts `binary` with the configuration file and waits until it says where it listens.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started or ends before it listens.
    pub(super) fn start(binary: &Path, config: &Path) -> io::Result<Self> {
        let mut child = Command::new(binary)
            .arg("--config")
            .arg(config)
            .env_remove("RUST_LOG")
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| io::Error::other("no standard error"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                return Err(io::Error::other(format!("the gateway ended:\n{said}")));
            };
            if let Some(address) = public_address(&line) {
                break address;
            }
            said.push_str(&line);
            said.push('\n');
        };
        // What it says later is passed on, so that its pipe never fills.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"));
        });
        Ok(Self { child, address })
    }

    /// Returns the CPU time the process has used, user and system.
    ///
    /// # Errors
    ///
    /// Returns an error where `/proc` is not Linux's.
    pub(super) fn cpu_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // proc(5): fields 14 and 15 are utime and stime in clock ticks of 10 ms; the name in
        // parentheses may hold spaces, so fields are counted behind it.
        let fields = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Returns the resident memory in KiB.
    ///
    /// # Errors
    ///
    /// Returns an error where `/proc` is not Linux's.
    pub(super) fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse().unwrap_or(0))
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
