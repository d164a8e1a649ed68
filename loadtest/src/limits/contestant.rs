//! One process that is measured, and how it is put to work.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::bare::Recipe;
use super::homeservers::Homeservers;
use super::process::Process;
use crate::peers::Peer;

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

/// The provider behind a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Apns,
    Fcm,
    WebPush,
}

/// A process that is measured.
pub(super) enum Contestant {
    /// It runs all the time, and works while homeservers send.
    Taking {
        kind: Kind,
        process: Process,
        address: SocketAddr,
        homeservers: Homeservers,
        /// Where what it takes arrives.
        peer: Option<Peer>,
    },
    /// It is started for each measurement, and sends from itself.
    Sending {
        kind: Kind,
        recipe: Recipe,
        peer: Peer,
    },
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Pushes that arrived.
    pub(super) pushes: u64,
    /// CPU time that they took.
    pub(super) cpu: Duration,
    /// Wall-clock time that they took.
    pub(super) time: Duration,
}

impl Contestant {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Taking { kind, .. } | Self::Sending { kind, .. } => *kind,
        }
    }

    /// Puts it to work, and measures after `warm_up` for `duration`.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not do its work.
    pub(super) async fn measure(
        &self,
        in_flight: usize,
        warm_up: Duration,
        duration: Duration,
    ) -> io::Result<Measured> {
        match self {
            Self::Taking {
                process,
                address,
                homeservers,
                peer,
                ..
            } => {
                homeservers.send(*address, in_flight, warm_up).await?;
                let before = peer.as_ref().map(Peer::accepted);
                let meter = Meter::start(process)?;
                let answered = homeservers.send(*address, in_flight, duration).await?;
                let arrived = peer.as_ref().map(Peer::accepted).zip(before);
                meter.stop(arrived.map_or(answered, |(after, before)| (after - before) as u64))
            }
            Self::Sending { recipe, peer, .. } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bare", "send"]);
                let process = Process::start(command, Some(&recipe.to_json()?))?;
                let first = peer.accepted();
                timeout(Duration::from_secs(10), async {
                    while peer.accepted() == first {
                        sleep(Duration::from_millis(5)).await;
                    }
                })
                .await
                .map_err(|_| io::Error::other("nothing arrives from the bare client"))?;
                sleep(warm_up).await;
                let (before, meter) = (peer.accepted(), Meter::start(&process)?);
                sleep(duration).await;
                meter.stop((peer.accepted() - before) as u64)
            }
        }
    }
}

/// A measurement under way.
struct Meter<'p> {
    process: &'p Process,
    cpu: Duration,
    started: Instant,
}

impl<'p> Meter<'p> {
    fn start(process: &'p Process) -> io::Result<Self> {
        Ok(Self {
            process,
            cpu: process.cpu_time()?,
            started: Instant::now(),
        })
    }

    fn stop(self, pushes: u64) -> io::Result<Measured> {
        Ok(Measured {
            pushes,
            cpu: self.process.cpu_time()?.saturating_sub(self.cpu),
            time: self.started.elapsed(),
        })
    }
}
