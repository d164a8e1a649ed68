//! Figures for people: arithmetic on counts and durations that need not be exact.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Returns a count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Returns `dividend / divisor`, or zero where that has no meaning.
pub(crate) fn ratio(dividend: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { dividend / divisor } else { 0.0 }
}

/// Returns the middle one of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => 0.0,
        (middle, 0) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (middle, _) => sorted[middle],
    }
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latency {
    /// Reads them from a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let millis = |micros| float(micros) / 1000.0;
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(if histogram.is_empty() { 0 } else { histogram.max() }),
        }
    }
}

/// How often a latency was seen.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Bar {
    /// Its lower end, in milliseconds.
    pub(crate) from: f64,
    /// Its upper end.
    pub(crate) to: f64,
    pub(crate) count: u64,
}

/// Cuts a histogram of microseconds into bars, ten to a power of ten.
pub(crate) fn bars(histogram: &Histogram<u64>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut edge = 1.0_f64;
    let step = 10_f64.powf(0.1);
    for value in histogram.iter_recorded() {
        let micros = float(value.value_iterated_to());
        while edge * step <= micros {
            edge *= step;
            if let Some(last) = bars.last().map(|bar| bar.to) {
                let to = edge * step / 1000.0;
                bars.push(Bar { from: last, to, count: 0 });
            }
        }
        if bars.is_empty() {
            bars.push(Bar { from: edge / 1000.0, to: edge * step / 1000.0, count: 0 });
        }
        if let Some(bar) = bars.last_mut() {
            bar.count += value.count_at_value();
        }
    }
    bars
}

/// Returns a duration in seconds.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::clients::histogram;

    #[test]
    fn bars_hold_every_value_and_leave_no_gap() {
        let mut of = histogram();
        for micros in [1, 90, 95, 1000, 20_000] {
            of.saturating_record(micros);
        }
        let bars = bars(&of);
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 5);
        assert!(bars.windows(2).all(|two| (two[0].to - two[1].from).abs() < 1e-9));
        assert!(bars[0].from <= 0.001 && bars.last().unwrap().to >= 20.0);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < 1e-9);
    }
}
