//! A process under test: started, told what to do, measured from outside, ended on drop.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process under test.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a process and hands it `input`, if any.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub(super) fn start(mut command: Command, input: Option<&str>) -> io::Result<Self> {
        // Nothing of the caller's surroundings may change what is measured.
        for name in ["RUST_LOG", "HTTPS_PROXY", "https_proxy"] {
            command.env_remove(name);
        }
        let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
        let mut process = Self(command.stdin(stdin).spawn()?);
        if let (Some(input), Some(mut stdin)) = (input, process.0.stdin.take()) {
            stdin.write_all(input.as_bytes())?;
        }
        Ok(process)
    }

    /// Waits for the line of its standard error that `find` knows, and passes later ones on.
    ///
    /// # Errors
    ///
    /// Returns what the process said if it ended before.
    pub(super) fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let stderr = self.0.stderr.take();
        let stderr = stderr.ok_or_else(|| io::Error::other("its standard error is not ours"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        while let Some(line) = lines.next().transpose()? {
            if let Some(found) = find(&line) {
                // Read on, so that its pipe never fills.
                std::thread::spawn(move || {
                    lines
                        .map_while(Result::ok)
                        .for_each(|line| eprintln!("{line}"));
                });
                return Ok(found);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(io::Error::other(format!("the process ended:\n{said}")))
    }

    /// Returns the CPU time that all its threads have used, user and system.
    ///
    /// # Errors
    ///
    /// Returns an error where `/proc` is not Linux's.
    pub(super) fn cpu_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // proc(5): fields 14 and 15 are utime and stime in clock ticks of 10 ms; the name in
        // parentheses may hold spaces, so fields are counted behind it.
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
