//! Sets the contestants up: a rig for each gateway, and for those who have to send the same as it a
//! request of another one, which is the recipe, and that one's provider.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::bare::Recipe;
use super::contestant::{Contestant, Kind, Sending, Taking, Way};
use super::haproxy;
use crate::driver::clients::{Order, Plan};
use crate::driver::options::{Kind as Provider, Options};
use crate::driver::process::Process;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Rig, Setup};
use crate::driver::watch::Timeline;
use crate::peers::{Ledger, Peer};

/// The providers whose floor is known.
const PROVIDERS: [Provider; 3] = [Provider::Apns, Provider::Fcm, Provider::Webpush];

fn setup(options: &Options, provider: Provider) -> Setup {
    Setup { workers: 1, ..Setup::new(options, provider) }
}

/// Starts the gateways.
pub(super) fn gateways(options: &Options, progress: &Progress) -> io::Result<Vec<Rig>> {
    let start = |&provider| {
        progress.run(Kind::Gateway(provider).name());
        Rig::start(options, &setup(options, provider))
    };
    PROVIDERS.iter().map(start).collect()
}

/// Makes every contestant, the gateways being those that run.
pub(super) fn contestants(
    options: &Options,
    progress: &Progress,
    gateways: &[Rig],
    connections: usize,
) -> io::Result<Vec<Contestant>> {
    let order = |to| Order {
        gateway: to,
        bodies: Arc::clone(&gateways[0].bodies),
        groups: 1,
        ledger: Arc::new(Ledger::default()),
        plan: Plan::Closed,
        connections,
        threads: options.client_threads(),
        first_number: 0,
        limit: None,
        again: Vec::new(),
    };
    let (process, address) = accept()?;
    let taking = Taking { process, order: order(address), peer: None, _folder: None };
    let mut contestants = vec![Contestant { kind: Kind::Accept, way: Way::Taking(taking) }];
    for (at, provider) in PROVIDERS.into_iter().enumerate() {
        let kind = Kind::Send(provider);
        progress.run(kind.name());
        let (recipe, peer) = recipe(options, &setup(options, provider), connections)?;
        contestants.push(Contestant { kind, way: Way::Sending(Sending { recipe, peer }) });
        contestants.push(Contestant { kind: Kind::Gateway(provider), way: Way::Gateway(at) });
    }
    // Many streams from the first on: it would open a connection for each.
    let trusting = Setup { first_streams: Some(1000), ..setup(options, Provider::Apns) };
    progress.run(Kind::Forward.name());
    let (recipe, peer) = self::recipe(options, &trusting, connections)?;
    let folder = tempfile::tempdir()?;
    if let Some((process, address)) = haproxy::start(&recipe, folder.path())? {
        let taking =
            Taking { process, order: order(address), peer: Some(peer), _folder: Some(folder) };
        contestants.push(Contestant { kind: Kind::Forward, way: Way::Taking(taking) });
    }
    Ok(contestants)
}

fn accept() -> io::Result<(Process, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", "accept"]).stderr(Stdio::piped());
    let mut process = Process::start(command, None)?;
    let address = process.wait_for(io::sink(), |line| line.parse().ok())?;
    Ok((process, address))
}

/// Has a gateway deliver one push. Returns what arrived, and its receiver.
fn recipe(options: &Options, setup: &Setup, in_flight: usize) -> io::Result<(Recipe, Peer)> {
    let setup = Setup { name: format!("{} recipe", setup.name), ..setup.clone() };
    let sample = Rig::start(options, &setup)?.sample()?;
    Ok((Recipe::of(&sample, in_flight)?, sample.peer))
}

/// Closes the gateways' books.
pub(super) fn close(
    rigs: &mut [Rig],
    timelines: Vec<Timeline>,
    findings: &mut Findings,
) -> io::Result<()> {
    for ((rig, provider), timeline) in rigs.iter_mut().zip(PROVIDERS).zip(timelines) {
        let run = Run::close(Kind::Gateway(provider).name(), rig, timeline)?;
        findings.keep(run, Doubles::Never);
    }
    Ok(())
}
