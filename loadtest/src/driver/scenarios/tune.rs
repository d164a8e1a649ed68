//! Which settings suit this machine and a provider of this latency: one after the other, each tried
//! with the best of those before it.

use std::io;

use super::compare::{Candidate, Result, compare};
use super::ratios::table;
use super::steady;
use crate::driver::clients::Plan;
use crate::driver::figures::seconds;
use crate::driver::machine::Machine;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Advice, Findings};
use crate::driver::rig::{Pool, Setup};

/// Length of a turn in seconds, if nothing is said.
const SECONDS: f64 = 2.0;

/// The provider's latency in milliseconds, if nothing is said.
const LATENCY: u64 = 50;

/// What a setting may cost and still be as good as the best: less is noise.
const AS_GOOD: f64 = 0.97;

/// Connections to a provider that are tried.
const POOL_CONNECTIONS: [usize; 4] = [1, 2, 4, 8];

/// Share of full load at which a limit must refuse nothing.
const BUSY: f64 = 0.7;

/// Limits that are tried, in what the provider's latency alone keeps in flight.
const TIMES_IN_FLIGHT: [u64; 4] = [1, 2, 4, 8];

/// The least limit that is tried.
const LEAST_LIMIT: u64 = 16;

/// Connections of homeservers at most.
const MOST_CONNECTIONS: usize = 4096;

/// Seconds that a provider may stall before pushes are refused.
const STALL: f64 = 2.0;

/// What limits are rounded up to.
const ROUND: u64 = 100;

/// The tuning so far.
struct Tuning<'a> {
    options: &'a Options,
    progress: &'a Progress,
    connections: usize,
    best: Setup,
    /// Pushes a second with the best so far.
    per_second: f64,
    findings: Findings,
    advice: Advice,
}

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let latency = options.latency_or(LATENCY);
    let millis = usize::try_from(latency.as_millis()).unwrap_or(usize::MAX);
    let cores = Machine::look().cores;
    let most_workers = options.workers.unwrap_or(cores).max(1);
    // Little's law: what a worker can send in the provider's latency, at some 40 pushes a
    // millisecond.
    let enough = 64 + 40 * millis * most_workers.min(cores);
    let connections = options.connections.unwrap_or(enough.min(MOST_CONNECTIONS));
    let mut tuning = Tuning {
        options,
        progress,
        connections,
        best: Setup { latency, ..Setup::new(options, options.provider) },
        per_second: 0.0,
        findings: Findings::default(),
        advice: Advice { yaml: String::new(), reasons: Vec::new() },
    };
    tuning.workers(most_workers)?;
    tuning.pool_connections()?;
    tuning.actors()?;
    tuning.inflight_limit()?;
    Ok(tuning.end(cores))
}

impl Tuning<'_> {
    fn workers(&mut self, most: usize) -> io::Result<()> {
        let setups = (1..=most).map(|workers| Setup {
            name: format!("workers: {workers}"),
            workers,
            client_threads: self.options.client_threads.unwrap_or(most.div_ceil(2)),
            ..self.best.clone()
        });
        let (results, at) = self.sweep("runtime.workers", Plan::Closed, setups.collect())?;
        self.advice.reasons.push(format!(
            "workers: {} gives {:.0} pushes a second, the most seen being {:.0}; clients and \
             provider share this machine's cores, so on a machine of its own `auto` is right if the \
             last one here is",
            at + 1,
            results[at].per_second,
            most_per_second(&results),
        ));
        Ok(())
    }

    fn pool_connections(&mut self) -> io::Result<()> {
        let setups = POOL_CONNECTIONS.map(|connections| Setup {
            name: format!("connections: {connections}"),
            pool: Pool { connections: Some(connections), ..self.best.pool },
            ..self.best.clone()
        });
        let (results, at) = self.sweep("pool.connections", Plan::Closed, setups.to_vec())?;
        self.advice.reasons.push(format!(
            "connections: with {} an actor gives {:.0} pushes a second, with 1 it gives {:.0}; a \
             connection carries the provider's stream limit / latency at most",
            POOL_CONNECTIONS[at], results[at].per_second, results[0].per_second,
        ));
        Ok(())
    }

    fn actors(&mut self) -> io::Result<()> {
        if self.best.workers == 1 {
            let why = "actors: with one worker there is one; `auto` is one for each worker";
            self.advice.reasons.push(why.to_owned());
            return Ok(());
        }
        let workers = self.best.workers;
        // `auto`, which is one for each worker, comes first: it wins unless another is better.
        let setups = (1..=workers).rev().map(|actors| Setup {
            name: format!("actors: {actors}"),
            pool: Pool { actors: (actors < workers).then_some(actors), ..self.best.pool },
            ..self.best.clone()
        });
        let (results, at) = self.sweep("pool.actors", Plan::Closed, setups.collect())?;
        self.advice.reasons.push(format!(
            "actors: {} give {:.0} pushes a second at {:.1} µs; with fewer than workers messages go \
             between threads",
            workers - at,
            results[at].per_second,
            results[at].cpu_micros,
        ));
        Ok(())
    }

    /// Tries limits at less than full load: at full load whatever is over the limit is refused, and
    /// what is under it only waits.
    fn inflight_limit(&mut self) -> io::Result<()> {
        let rate = self.per_second * BUSY;
        let in_flight = whole(rate * seconds(self.best.latency)).max(LEAST_LIMIT);
        let limits = TIMES_IN_FLIGHT.map(|times| times * in_flight);
        let with =
            |limit: u64| Pool { inflight_limit: usize::try_from(limit).ok(), ..self.best.pool };
        let setups = limits.map(|limit| Setup {
            name: format!("inflight_request_limit: {limit}"),
            pool: with(limit),
            ..self.best.clone()
        });
        let plan = Plan::Paced { rate };
        let (_, at) = self.sweep("inflight_request_limit", plan, setups.to_vec())?;
        let limit = (limits[at] + whole(rate * STALL)).next_multiple_of(ROUND);
        self.best.pool.inflight_limit = usize::try_from(limit).ok();
        self.advice.reasons.push(format!(
            "inflight_request_limit: {in_flight} are in flight at {rate:.0} pushes a second, and {} \
             are enough; {limit} are room for a stall of {STALL} s before pushes are refused with 503",
            limits[at],
        ));
        Ok(())
    }

    /// Compares setups, and takes on the first that is as good as the best.
    fn sweep(
        &mut self,
        what: &str,
        plan: Plan,
        setups: Vec<Setup>,
    ) -> io::Result<(Vec<Result>, usize)> {
        let connections = self.connections;
        let candidate = |setup| Candidate { setup, plan, connections };
        let candidates: Vec<Candidate> = setups.into_iter().map(candidate).collect();
        let results = compare(
            self.options,
            self.progress,
            &candidates,
            self.options.seconds_or(SECONDS),
            &mut self.findings,
        )?;
        let enough = most_per_second(&results) * AS_GOOD;
        let good = |it: &Result| it.per_second >= enough && it.failed < 0.001;
        let at = results.iter().position(good).unwrap_or(results.len() - 1);
        self.findings.tables.push(table(what, &results, Some(at)));
        self.best = candidates[at].setup.clone();
        self.per_second = results[at].per_second;
        Ok((results, at))
    }

    fn end(self, cores: usize) -> Findings {
        let Self { options, connections, best, mut findings, mut advice, .. } = self;
        let auto = best.workers == cores;
        let workers = if auto { "auto".to_owned() } else { best.workers.to_string() };
        let keys = best.pool.yaml().trim_end().replace('\n', "\n    ");
        advice.yaml = format!(
            "runtime: {{workers: {workers}}}\napps:\n  # each app of this provider\n  your.app.id:\n    {keys}\n"
        );
        findings.method = vec![
            format!(
                "one setting after the other, each with the best of those before; {} rounds in turns \
                 of {:.1} s; medians; {connections} connections in a closed loop, for the limit at {:.0} % of full load",
                options.rounds,
                options.seconds_or(SECONDS).as_secs_f64(),
                BUSY * 100.0,
            ),
            format!(
                "the first setting within {:.0} % of the best throughput, with nothing refused, wins",
                (1.0 - AS_GOOD) * 100.0
            ),
        ];
        findings.method.extend(steady::around(&best));
        findings.advice = Some(advice);
        findings
    }
}

fn most_per_second(results: &[Result]) -> f64 {
    results.iter().map(|it| it.per_second).fold(0.0, f64::max)
}

/// Returns a number of pushes, without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pushes")]
fn whole(pushes: f64) -> u64 {
    pushes as u64
}
