//! What a push costs at least, and how far from that the gateway is.
//!
//! The floor of a push is what the two halves of a gateway cost without a gateway between them:
//! `actix-web` taking the same POST and answering at once, and a bare `h2` client sending the same
//! request to the same simulated provider. Both are processes of their own (`bare`), measured in
//! turns with the gateway and with `HAProxy` merely forwarding the POST, so that a busy machine
//! is unfair to all of them alike. A `contestant` is one of these processes; `stages` sets them up,
//! `verdict` compares the medians.
//!
//! What a push costs depends on how many come at once: a socket that is read, a thread that is
//! woken and a record that is sealed for ten requests cost each of them a tenth. So everybody is
//! measured at the same rate, which compares like with like, and at the most that each can do.

pub mod bare;
mod contestant;
mod haproxy;
mod stages;
mod verdict;

use std::io;

use super::steady::CONNECTIONS;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::Findings;
use crate::driver::watch::Watch;
use contestant::{Measured, Pace, Turn, Way};
use verdict::Row;

/// Length of a turn in seconds, if nothing is said.
const SECONDS: f64 = 2.0;

/// Pushes a second at which all are measured, if nothing is said: what each of them can do.
const RATE: f64 = 10_000.0;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let length = options.seconds_or(SECONDS);
    let rounds = options.rounds.max(1);
    let mut rigs = stages::gateways(options, progress)?;
    let contestants = stages::contestants(options, progress, &rigs, connections)?;

    let paces = [Pace::Same(options.rate.unwrap_or(RATE)), Pace::Full];
    let whole = length * u32::try_from(paces.len() * rounds).unwrap_or(u32::MAX);
    let mut watches: Vec<Watch<'_>> =
        rigs.iter().map(|rig| Watch::new(rig, progress, whole)).collect();
    let mut measured: Vec<Vec<Vec<Measured>>> = vec![vec![Vec::new(); contestants.len()]; 2];
    for round in 1..=rounds {
        for (pace, measured) in paces.iter().zip(&mut measured) {
            let turn = Turn {
                name: format!("round {round}, {pace}"),
                pace: *pace,
                connections,
                // Later rounds only wake what is warm.
                warmup: options.warmup() / if round == 1 { 1 } else { 4 },
                length,
            };
            for (contestant, measured) in contestants.iter().zip(measured) {
                progress.run(contestant.kind.name());
                measured.push(match &contestant.way {
                    Way::Gateway(at) => turn.gateway(&rigs[*at], &mut watches[*at])?,
                    Way::Taking(taking) => turn.taking(taking)?,
                    Way::Sending(sending) => turn.sending(sending)?,
                });
            }
        }
    }
    let timelines: Vec<_> = watches.into_iter().map(Watch::end).collect();
    let mut findings = Findings::default();
    for (pace, measured) in paces.iter().zip(&measured) {
        let rows = contestants.iter().zip(measured);
        let rows: Vec<Row> = rows.map(|(it, all)| Row::new(it.kind, all)).collect();
        verdict::compare(&rows, *pace, &mut findings);
    }
    findings.method = vec![
        format!(
            "{rounds} rounds, the processes taking turns of {:.1} s; medians; up to {connections} \
             requests under way, 1 worker thread each",
            length.as_secs_f64(),
        ),
        "CPU is that of the process under test, user and system; pushes are counted where they \
         arrive, and what is only taken where it is answered"
            .to_owned(),
    ];
    stages::close(&mut rigs, timelines, &mut findings)?;
    Ok(findings)
}
