//! Full load of one kind, or of every kind: what a push costs and how many there are.

use std::io;
use std::time::Duration;

use crate::driver::bodies;
use crate::driver::clients::Plan;
use crate::driver::figures::{float, ratio};
use crate::driver::options::{Kind, Options};
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Groups, Rig, Setup};
use crate::driver::watch::{Phase, Watch};

/// How long the last answers may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// Connections if nothing is said.
pub(super) const CONNECTIONS: usize = 64;

/// How long is measured if nothing is said, in seconds.
pub(super) const SECONDS: f64 = 10.0;

/// Pushes to Apple.
pub(super) fn apns(options: &Options, progress: &Progress) -> io::Result<Findings> {
    one(options, progress, Kind::Apns)
}

/// Pushes to Google.
pub(super) fn fcm(options: &Options, progress: &Progress) -> io::Result<Findings> {
    one(options, progress, Kind::Fcm)
}

/// Pushes to browsers.
pub(super) fn webpush(options: &Options, progress: &Progress) -> io::Result<Findings> {
    one(options, progress, Kind::Webpush)
}

/// Pushes to phones without Google.
pub(super) fn unifiedpush(options: &Options, progress: &Progress) -> io::Result<Findings> {
    one(options, progress, Kind::Unifiedpush)
}

fn one(options: &Options, progress: &Progress, kind: Kind) -> io::Result<Findings> {
    full_load(options, progress, &Setup::new(options, kind))
}

/// Bodies of a real homeserver, to every provider.
pub(super) fn mixed(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let apps = options.apps.unwrap_or(10).max(1);
    let setup = Setup {
        name: "mixed".to_owned(),
        kinds: Kind::ALL.to_vec(),
        apps,
        busy_apps: options.busy_apps.unwrap_or(apps),
        peers: 1,
        recorded: bodies::read(&options.bodies)?,
        groups: Groups::Kinds,
        ..Setup::new(options, Kind::Apns)
    };
    full_load(options, progress, &setup)
}

fn full_load(options: &Options, progress: &Progress, setup: &Setup) -> io::Result<Findings> {
    progress.run(&setup.name);
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let mut rig = Rig::start(options, setup)?;
    let length = options.seconds_or(SECONDS);
    let mut watch = Watch::new(&rig, progress, options.warmup() + length);
    let load = rig.load(Plan::Closed, connections)?;
    watch.phase(&load, "warm-up", options.warmup(), false);
    let measured = watch.phase(&load, "full load", length, true);
    watch.settle(load, "the rest", PATIENCE)?;
    let timeline = watch.end();
    let mut findings = Findings::default();
    findings.method.push(format!(
        "closed loop: {connections} keep-alive connections, each sends the next notification when \
         its last is answered; {:.1} s after {:.1} s of warm-up",
        length.as_secs_f64(),
        options.warmup,
    ));
    findings.method.extend(around(setup));
    figures(&mut findings, &rig.groups, &measured, "from request to answer");
    let run = Run::close(&setup.name, &mut rig, timeline)?;
    findings.keep(run, Doubles::Never);
    Ok(findings)
}

/// Says what is the same in every method.
pub(super) fn around(setup: &Setup) -> Vec<String> {
    let kinds: Vec<&str> = setup.kinds.iter().map(|kind| kind.name()).collect();
    let carried = if setup.recorded.is_empty() {
        format!("{:?} in each body", setup.payload).to_lowercase()
    } else {
        format!("{} bodies of a homeserver", setup.recorded.len())
    };
    let mut method = vec![
        format!(
            "{}: {} app(s) of each, {} with pushes; {carried}; every event id unique",
            kinds.join(", "),
            setup.apps,
            setup.busy_apps,
        ),
        format!(
            "gateway: {} worker(s), duplicates, rejections, limits and metrics on, access log off; \
             providers answer after {} ms",
            setup.workers,
            setup.latency.as_millis(),
        ),
        "clients and providers are simulated on the same machine".to_owned(),
    ];
    if setup.entries > 0 {
        method.push(format!(
            "before that, {} delivered events and as many rejected pushkeys went through the gateway",
            setup.entries
        ));
    }
    method
}

/// Adds the figures of a phase.
pub(super) fn figures(findings: &mut Findings, groups: &[String], phase: &Phase, since: &str) {
    let answered = phase.settled + phase.failed.values().sum::<u64>();
    findings.figure("pushes per second", format!("{:.0}", phase.pushes_per_second), "");
    let cpu = format!("{:.1} µs", phase.cpu_micros_per_push);
    findings.figure("CPU per push", cpu, "the gateway's process, user + system");
    let per_cpu = ratio(1e6, phase.cpu_micros_per_push);
    findings.figure("pushes per CPU s", format!("{per_cpu:.0}"), "");
    for (group, it) in groups.iter().zip(&phase.latency) {
        let name = match groups {
            [_] => "latency".to_owned(),
            _ => format!("latency, {group}"),
        };
        let text = format!(
            "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
            it.p50, it.p90, it.p99, it.p999, it.max,
        );
        findings.figure(&name, text, since);
    }
    let memory = format!("{:.1} MiB", phase.resident_mib);
    findings.figure("resident memory", memory, "the gateway's most while measured");
    let lasted = phase.to - phase.from;
    let per_push = |cores: f64| ratio(cores * lasted * 1e6, float(answered));
    let driver = format!(
        "clients {:.1} µs, providers {:.1} µs a push",
        per_push(phase.client_cores),
        per_push(phase.peer_cores),
    );
    findings.figure("driver's CPU", driver, "not in the figures above");
    let failed: u64 = phase.failed.values().sum();
    let answers = format!("{} × 200, {failed} others", phase.settled);
    findings.figure("answers", answers, "");
}
