//! One process that is measured, and its turn at work.

use std::fmt;
use std::io;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::bare::Recipe;
use crate::driver::clients::{Load, Order, Plan};
use crate::driver::figures::{float, ratio};
use crate::driver::options::Kind as Provider;
use crate::driver::process::Process;
use crate::driver::rig::Rig;
use crate::driver::scenarios::steady::PATIENCE;
use crate::driver::watch::Watch;
use crate::peers::Peer;

/// How long a bare client may take until its first request arrives.
const FIRST: Duration = Duration::from_secs(10);

/// What a contestant stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// actix-web, which takes a notification and answers at once.
    Accept,
    /// A bare client, which sends this provider's requests.
    Send(Provider),
    /// The gateway with this provider.
    Gateway(Provider),
    /// `HAProxy`, which forwards what it takes.
    Forward,
}

/// A process that is measured.
pub(super) struct Contestant {
    pub(super) kind: Kind,
    pub(super) way: Way,
}

/// How a contestant is put to work.
pub(super) enum Way {
    /// The gateway of the rig with this number.
    Gateway(usize),
    /// It runs all the time, and works while homeservers send.
    Taking(Taking),
    /// It is started for each turn, and sends from itself.
    Sending(Sending),
}

/// A process that works while homeservers send.
pub(super) struct Taking {
    pub(super) process: Process,
    pub(super) order: Order,
    /// Where what it takes arrives.
    pub(super) peer: Option<Peer>,
    /// What it was started with.
    pub(super) _folder: Option<TempDir>,
}

/// A process that sends from itself.
pub(super) struct Sending {
    pub(super) recipe: Recipe,
    pub(super) peer: Peer,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// CPU time of a push.
    pub(super) cpu_micros: f64,
    pub(super) per_second: f64,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// As much as each can do.
    Full,
    /// So many pushes a second.
    Same(f64),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("each at its full speed"),
            Self::Same(rate) => write!(f, "all at {rate:.0} pushes/s"),
        }
    }
}

/// A turn at work.
pub(super) struct Turn {
    pub(super) name: String,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    /// Load before it is measured.
    pub(super) warmup: Duration,
    pub(super) length: Duration,
}

impl Turn {
    fn plan(&self) -> Plan {
        match self.pace {
            Pace::Full => Plan::Closed,
            Pace::Same(rate) => Plan::Paced { rate },
        }
    }

    /// Has homeservers send to a gateway.
    pub(super) fn gateway(&self, rig: &Rig, watch: &mut Watch<'_>) -> io::Result<Measured> {
        let load = rig.load(self.plan(), self.connections)?;
        watch.phase(&load, "warm-up", self.warmup, false);
        let phase = watch.phase(&load, &self.name, self.length, true);
        watch.settle(load, "the rest", PATIENCE)?;
        Ok(Measured { cpu_micros: phase.cpu_micros_per_push, per_second: phase.pushes_per_second })
    }

    /// Has homeservers send to a process that is no gateway.
    pub(super) fn taking(&self, taking: &Taking) -> io::Result<Measured> {
        let load = Load::start(&Order { plan: self.plan(), ..taking.order.clone() })?;
        sleep(self.warmup);
        load.take();
        let arrived = || taking.peer.as_ref().map(Peer::accepted);
        let (before, meter) = (arrived(), Meter::start(&taking.process));
        sleep(self.length);
        let seen = load.take().total();
        let pushes = match arrived().zip(before) {
            Some((after, before)) => (after - before) as u64,
            None => seen.delivered,
        };
        let measured = meter.stop(pushes);
        load.finish()?;
        match seen.failed() {
            0 => Ok(measured),
            failed => Err(io::Error::other(format!("{failed} requests were refused"))),
        }
    }

    /// Has a process send.
    pub(super) fn sending(&self, sending: &Sending) -> io::Result<Measured> {
        let Sending { recipe, peer } = sending;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", "send"]);
        let first = peer.accepted();
        let recipe = match self.pace {
            Pace::Full => recipe.clone(),
            Pace::Same(rate) => recipe.paced(rate),
        };
        let process = Process::start(command, Some(&recipe.to_json()?))?;
        let started = Instant::now();
        while peer.accepted() == first {
            if started.elapsed() > FIRST {
                return Err(io::Error::other("nothing arrives from the bare client"));
            }
            sleep(Duration::from_millis(5));
        }
        sleep(self.warmup);
        let (before, meter) = (peer.accepted(), Meter::start(&process));
        sleep(self.length);
        Ok(meter.stop((peer.accepted() - before) as u64))
    }
}

/// A measurement under way.
struct Meter<'p> {
    process: &'p Process,
    cpu: Duration,
    started: Instant,
}

impl<'p> Meter<'p> {
    fn start(process: &'p Process) -> Self {
        Self { process, cpu: process.cpu_time(), started: Instant::now() }
    }

    fn stop(self, pushes: u64) -> Measured {
        let lasted = self.started.elapsed().as_secs_f64();
        let cpu = self.process.cpu_time().saturating_sub(self.cpu);
        Measured {
            cpu_micros: ratio(cpu.as_secs_f64() * 1e6, float(pushes)),
            per_second: ratio(float(pushes), lasted),
        }
    }
}
