//! The machine a run was on: figures mean nothing without it.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine a run was on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Processors that may be used.
    pub(crate) cores: usize,
    /// Their model.
    pub(crate) cpu: String,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Kernel and its release.
    pub(crate) kernel: String,
    /// Processes that wanted to run when it began (the load average of a minute).
    pub(crate) load_before: f64,
}

impl Machine {
    /// Asks the kernel; what it does not say is left empty.
    pub(crate) fn look() -> Self {
        let text = |file| fs::read_to_string(file).unwrap_or_default();
        let field = |file, name: &str| {
            let text: String = text(file);
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(key, _)| key.trim() == name);
            found.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let memory = memory.trim_end_matches(" kB").parse::<u64>();
        let load = text("/proc/loadavg");
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        Self {
            cores: thread::available_parallelism().map_or(1, Into::into),
            cpu: field("/proc/cpuinfo", "model name"),
            memory_mib: memory.unwrap_or_default() / 1024,
            kernel: format!(
                "{} {}",
                text("/proc/sys/kernel/ostype").trim(),
                text("/proc/sys/kernel/osrelease").trim(),
            ),
            load_before: load.unwrap_or_default(),
        }
    }
}
