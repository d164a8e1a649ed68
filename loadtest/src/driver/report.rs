//! What a run showed, as a table for people.

use std::fmt;
use std::time::Duration;

use super::Options;
use super::client::Seen;
use super::scenario::Truth;

/// What a run showed.
pub(super) struct Report<'a> {
    pub(super) options: &'a Options,
    pub(super) seen: &'a Seen,
    pub(super) cpu: Duration,
    pub(super) resident_kib: u64,
    pub(super) truth: Truth,
}

impl fmt::Display for Report<'_> {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            options,
            seen,
            cpu,
            resident_kib,
            truth,
        } = self;
        let pushes = truth.accepted as f64;
        let millis = |quantile| seen.latency.value_at_quantile(quantile) as f64 / 1000.0;
        writeln!(f, "scenario             {:?}", options.scenario)?;
        writeln!(
            f,
            "method               closed loop, {} keep-alive connections, {} worker(s), provider latency {} ms,",
            options.connections, options.workers, options.latency_ms,
        )?;
        writeln!(
            f,
            "                     {} s after {} s of warm-up; driver and provider share the machine",
            options.seconds, options.warmup,
        )?;
        writeln!(
            f,
            "pushes per second    {:.0}",
            pushes / seen.elapsed.as_secs_f64()
        )?;
        writeln!(
            f,
            "CPU per push         {:.1} µs (the gateway's process, user + system)",
            cpu.as_secs_f64() * 1e6 / pushes.max(1.0),
        )?;
        writeln!(
            f,
            "pushes per CPU s     {:.0}",
            pushes / cpu.as_secs_f64().max(1e-9)
        )?;
        writeln!(
            f,
            "latency              p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            millis(0.5),
            millis(0.99),
            millis(1.0),
        )?;
        writeln!(
            f,
            "resident memory      {:.1} MiB",
            *resident_kib as f64 / 1024.0
        )?;
        writeln!(
            f,
            "answers              {} × 200, {} others",
            seen.ok, seen.failed
        )?;
        let lost = i128::from(seen.ok) - truth.accepted as i128;
        write!(
            f,
            "truth                {} arrived, {} refused, {} lost, {} doubled, {} connection(s)",
            truth.accepted,
            truth.refused,
            lost.max(0),
            (-lost).max(0),
            truth.connections,
        )
    }
}
