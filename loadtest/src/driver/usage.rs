//! CPU time and memory of processes and threads, from `/proc` (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A clock tick of `/proc`: Linux' `USER_HZ` is 100 on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// Returns the CPU time of a process or thread, user and system; none if it is gone.
fn cpu_time(stat: &Path) -> Option<Duration> {
    let stat = fs::read_to_string(stat).ok()?;
    // The name in parentheses may hold spaces, so fields are counted behind it: 14 and 15 are
    // utime and stime.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

/// Returns the CPU time of a process with all its threads.
pub(crate) fn process_cpu(pid: u32) -> Duration {
    cpu_time(Path::new(&format!("/proc/{pid}/stat"))).unwrap_or_default()
}

/// Returns how long threads of a process were ready to run while every core had other work; none
/// where the kernel does not say (`schedstat`, <https://docs.kernel.org/scheduler/sched-stats.html>).
pub(crate) fn process_waited(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let waited = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = stat.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(nanos))
    };
    tasks.into_iter().flatten().flatten().filter_map(waited).sum()
}

/// Returns the resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or_default()
}

/// The CPU time of the driver's own threads, by what they play.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OwnCpu {
    /// Homeservers.
    pub(crate) clients: Duration,
    /// Providers.
    pub(crate) peers: Duration,
}

impl OwnCpu {
    /// Asks the kernel. Threads that have ended are no longer counted.
    pub(crate) fn now() -> Self {
        let mut sums: HashMap<bool, Duration> = HashMap::new();
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let is_peer = name.starts_with("simulated");
            *sums.entry(is_peer).or_default() +=
                cpu_time(&task.path().join("stat")).unwrap_or_default();
        }
        let sum = |is_peer| sums.get(&is_peer).copied().unwrap_or_default();
        Self { clients: sum(false), peers: sum(true) }
    }
}

/// Returns how many files the process may have open: each connection is one.
pub(crate) fn open_files_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    soft.unwrap_or(usize::MAX)
}
