//! Watching a load: several times a second what the clients saw, what arrived, and what it cost;
//! cut into the phases of a scenario.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::clients::{Counts, Load, Tally, histogram};
use super::figures::{Bar, Latency, bars, float, ratio, seconds};
use super::progress::Progress;
use super::rig::Rig;
use super::usage::OwnCpu;

/// One moment of a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the run began.
    pub(crate) at: f64,
    /// Answers a second that settled a notification.
    pub(crate) settled: f64,
    /// Answers a second that ask for a repeat, and missing ones.
    pub(crate) failed: f64,
    /// Latencies of what was settled, by group; none where nothing was.
    pub(crate) latency: Vec<Option<Latency>>,
    /// Processors that the gateway, the driver's clients and its providers used.
    pub(crate) gateway_cores: f64,
    pub(crate) client_cores: f64,
    pub(crate) peer_cores: f64,
    /// The gateway's resident memory.
    pub(crate) resident_mib: f64,
}

/// What a phase of a load came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// Whether its figures are the run's; a warm-up's are not.
    pub(crate) measured: bool,
    /// Seconds since the run began.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Pushes that providers accepted.
    pub(crate) pushes: u64,
    pub(crate) pushes_per_second: f64,
    /// Answers that settled a notification, those that ask for a repeat, and connections broken.
    pub(crate) settled: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    /// The gateway's CPU time for each answer that it gave.
    pub(crate) cpu_micros_per_push: f64,
    pub(crate) gateway_cores: f64,
    /// How many threads of the gateway, at any moment, were ready to run while others had the
    /// cores.
    pub(crate) gateway_waiting: f64,
    pub(crate) client_cores: f64,
    pub(crate) peer_cores: f64,
    pub(crate) resident_mib: f64,
    /// By group.
    pub(crate) latency: Vec<Latency>,
    /// Of answers that ask for a repeat.
    pub(crate) refusal: Latency,
    /// How late the driver itself was, where it had a schedule.
    pub(crate) lateness: Latency,
}

impl Phase {
    /// Returns the answers that asked for a repeat, and missing ones, as a share of all.
    pub(crate) fn share_failed(&self) -> f64 {
        let failed: u64 = self.failed.values().sum();
        ratio(float(failed), float(failed + self.settled))
    }
}

/// Everything that was seen of one load or several on one rig.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timeline {
    pub(crate) groups: Vec<String>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) phases: Vec<Phase>,
    /// Latencies of the measured phases.
    pub(crate) histogram: Vec<Bar>,
}

/// What the kernel and the providers have counted at one moment.
struct Counted {
    at: Instant,
    gateway: Duration,
    gateway_waited: Duration,
    own: OwnCpu,
    arrived: u64,
}

impl Counted {
    fn now(rig: &Rig) -> Self {
        Self {
            at: Instant::now(),
            gateway: rig.gateway.process.cpu_time(),
            gateway_waited: rig.gateway.process.waited(),
            own: OwnCpu::now(),
            arrived: rig.peers().map(|peer| peer.accepted() as u64).sum(),
        }
    }
}

/// Watches the loads of one rig.
pub(crate) struct Watch<'a> {
    rig: &'a Rig,
    progress: &'a Progress,
    slice: Duration,
    started: Instant,
    last: Counted,
    timeline: Timeline,
    latencies: Histogram<u64>,
}

impl<'a> Watch<'a> {
    /// Begins; `length` is about how long it will all take.
    pub(crate) fn new(rig: &'a Rig, progress: &'a Progress, length: Duration) -> Self {
        // Some 240 points, unless they would be further apart than a second; never more than 2400.
        let slice = (length / 240).clamp(Duration::from_millis(100), Duration::from_secs(1));
        let slice = slice.max(length / 2400);
        Self {
            rig,
            progress,
            slice,
            started: Instant::now(),
            last: Counted::now(rig),
            timeline: Timeline {
                groups: rig.groups.clone(),
                samples: Vec::new(),
                phases: Vec::new(),
                histogram: Vec::new(),
            },
            latencies: histogram(),
        }
    }

    /// Watches a load for a while and calls that a phase. Its latencies are the run's if it is
    /// measured.
    pub(crate) fn phase(
        &mut self,
        load: &Load,
        name: &str,
        length: Duration,
        measured: bool,
    ) -> Phase {
        self.phase_until(load, name, length, measured, |_| false)
    }

    /// Watches a load until a sample shows what is waited for, but no longer than `longest`.
    pub(crate) fn phase_until(
        &mut self,
        load: &Load,
        name: &str,
        longest: Duration,
        measured: bool,
        mut seen: impl FnMut(&Sample) -> bool,
    ) -> Phase {
        self.progress.phase(name);
        let from = Counted::now(self.rig);
        let mut total = Tally::new(self.timeline.groups.len());
        let mut resident_mib = 0.0_f64;
        let end = from.at + longest;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            thread::sleep(self.slice.min(end - now));
            let tally = load.take();
            let sample = self.sample(&tally);
            total.add(&tally);
            resident_mib = resident_mib.max(sample.resident_mib);
            let done = ratio(seconds(from.at.elapsed()), seconds(longest));
            self.progress.show(done, &sample);
            let enough = seen(&sample);
            self.timeline.samples.push(sample);
            if enough {
                break;
            }
        }
        let phase = self.close(name, measured, &from, &total, resident_mib);
        self.timeline.phases.push(phase.clone());
        phase
    }

    fn close(
        &mut self,
        name: &str,
        measured: bool,
        from: &Counted,
        total: &Tally,
        resident_mib: f64,
    ) -> Phase {
        let to = Counted::now(self.rig);
        let all = total.total();
        if measured {
            // Both have the same bounds.
            let _ = self.latencies.add(&all.latency);
        }
        let lasted = seconds(to.at - from.at);
        let gateway = seconds(to.gateway.saturating_sub(from.gateway));
        let waited = seconds(to.gateway_waited.saturating_sub(from.gateway_waited));
        let clients = seconds(to.own.clients.saturating_sub(from.own.clients));
        let peers = seconds(to.own.peers.saturating_sub(from.own.peers));
        let pushes = to.arrived.saturating_sub(from.arrived);
        let settled = all.delivered + all.rejected;
        let mut failed: BTreeMap<String, u64> =
            all.refused.iter().map(|(status, times)| (status.to_string(), *times)).collect();
        if all.broken > 0 {
            failed.insert("broken".to_owned(), all.broken);
        }
        Phase {
            name: name.to_owned(),
            measured,
            from: seconds(from.at - self.started),
            to: seconds(to.at - self.started),
            pushes,
            pushes_per_second: ratio(float(pushes), lasted),
            settled,
            rejected: all.rejected,
            failed,
            cpu_micros_per_push: ratio(gateway * 1e6, float(settled + all.failed())),
            gateway_cores: ratio(gateway, lasted),
            gateway_waiting: ratio(waited, lasted),
            client_cores: ratio(clients, lasted),
            peer_cores: ratio(peers, lasted),
            resident_mib,
            latency: total.groups.iter().map(|group| Latency::of(&group.latency)).collect(),
            refusal: Latency::of(&all.refusal),
            lateness: Latency::of(&total.lateness),
        }
    }

    fn sample(&mut self, tally: &Tally) -> Sample {
        let now = Counted::now(self.rig);
        let lasted = seconds(now.at - self.last.at);
        let cores =
            |now: Duration, last: Duration| ratio(seconds(now.saturating_sub(last)), lasted);
        let all = tally.total();
        let group =
            |counts: &Counts| (!counts.latency.is_empty()).then(|| Latency::of(&counts.latency));
        let sample = Sample {
            at: seconds(now.at - self.started),
            settled: ratio(float(all.delivered + all.rejected), lasted),
            failed: ratio(float(all.failed()), lasted),
            latency: tally.groups.iter().map(group).collect(),
            gateway_cores: cores(now.gateway, self.last.gateway),
            client_cores: cores(now.own.clients, self.last.own.clients),
            peer_cores: cores(now.own.peers, self.last.own.peers),
            resident_mib: float(self.rig.gateway.process.resident_kib()) / 1024.0,
        };
        self.last = now;
        sample
    }

    /// Waits until everything that was sent is settled, and calls that a phase; no longer than
    /// `patience`.
    ///
    /// # Errors
    ///
    /// Returns an error if the clients could not do their work.
    pub(crate) fn settle(
        &mut self,
        load: Load,
        name: &str,
        patience: Duration,
    ) -> io::Result<(Phase, Vec<u64>)> {
        load.stop();
        let phase = self.phase_until(&load, name, patience, false, |_| load.is_over());
        if !load.is_over() {
            return Err(io::Error::other(format!(
                "not everything was settled within {} s",
                patience.as_secs()
            )));
        }
        Ok((phase, self.rig.end(load)?))
    }

    /// Ends, and returns all that was seen.
    pub(crate) fn end(mut self) -> Timeline {
        self.timeline.histogram = bars(&self.latencies);
        self.timeline
    }
}
