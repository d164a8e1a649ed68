//! A process under test: started, told what to do, measured from outside, ended on drop.

use std::io::{self, BufRead as _, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::usage;

/// Variables that would change what a process does.
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

/// A process under test.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a process and hands it `input`, if any. What it writes to standard output is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub(crate) fn start(mut command: Command, input: Option<&str>) -> io::Result<Self> {
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
        let child = command.stdin(stdin).stdout(Stdio::null()).spawn().map_err(|error| {
            let program = command.get_program().display();
            io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
        })?;
        let mut process = Self(child);
        if let (Some(input), Some(mut stdin)) = (input, process.0.stdin.take()) {
            stdin.write_all(input.as_bytes())?;
        }
        Ok(process)
    }

    /// Waits for the line of its standard error, which must be a pipe, that `find` knows. All that
    /// it says, then and later, goes to `log`.
    ///
    /// # Errors
    ///
    /// Returns what the process said if it ended before.
    pub(crate) fn wait_for<T>(
        &mut self,
        mut log: impl Write + Send + 'static,
        find: impl Fn(&str) -> Option<T>,
    ) -> io::Result<T> {
        let stderr = self.0.stderr.take();
        let stderr = stderr.ok_or_else(|| io::Error::other("no standard error"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        while let Some(line) = lines.next().transpose()? {
            writeln!(log, "{line}")?;
            if let Some(found) = find(&line) {
                // Read to the end, or its pipe would fill.
                std::thread::spawn(move || {
                    lines.map_while(Result::ok).for_each(|line| {
                        let _ = writeln!(log, "{line}");
                    });
                });
                return Ok(found);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(io::Error::other(format!("the process ended:\n{said}")))
    }

    /// Returns the CPU time the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        usage::process_cpu(self.0.id())
    }

    /// Returns how long its threads have waited for a core.
    pub(crate) fn waited(&self) -> Duration {
        usage::process_waited(self.0.id())
    }

    /// Returns its resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        usage::resident_kib(self.0.id())
    }

    /// Returns an error if it is no longer there.
    ///
    /// # Errors
    ///
    /// Returns an error if the process has ended.
    pub(crate) fn lives(&mut self) -> io::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the process ended: {status}"))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
