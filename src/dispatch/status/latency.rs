//! How long pushes took: a histogram of fixed size, written with one atomic addition.
//!
//! Log-linear: eight parts to each doubling from 32 µs to 67 s, so a percentile is exact to 6 % and
//! 700 bytes hold all of it. The Prometheus histogram beside it has 14 wide buckets, made for sums
//! over many gateways; percentiles of one gateway read off those would jump.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Each doubling has 2^3 parts.
const PART_BITS: u32 = 3;

/// Below 2^5 µs all is one bucket; from 2^26 µs on too.
const LOWEST: u32 = 5;
const HIGHEST: u32 = 26;

const BUCKETS: usize = 1 + ((HIGHEST - LOWEST) << PART_BITS) as usize;

/// Durations as they come. Counters wrap; only differences of them mean something.
#[derive(Debug)]
pub struct Latencies([AtomicU32; BUCKETS]);

/// Durations up to a moment, or between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Box<[u32; BUCKETS]>);

/// What most, nearly all, and all but one in a hundred stayed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    #[serde(serialize_with = "milliseconds")]
    pub p50: Micros,
    /// Nine of ten stayed under it.
    #[serde(serialize_with = "milliseconds")]
    pub p90: Micros,
    /// 99 of a hundred stayed under it.
    #[serde(serialize_with = "milliseconds")]
    pub p99: Micros,
}

/// A duration in microseconds.
pub type Micros = u32;

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl Latencies {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let bucket = bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.0[bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what was counted so far.
    pub fn add_to(&self, sum: &mut Counts) {
        for (sum, count) in sum.0.iter_mut().zip(&self.0) {
            *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
        }
    }
}

impl Counts {
    /// Returns what came after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        for (count, before) in since.0.iter_mut().zip(before.0.iter()) {
            *count = count.wrapping_sub(*before);
        }
        since
    }

    /// Returns how many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// Returns the percentiles; `None` of nothing.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let count = self.count();
        (count > 0).then(|| Percentiles {
            p50: self.at(count, 50),
            p90: self.at(count, 90),
            p99: self.at(count, 99),
        })
    }

    /// Returns what `percent` of `count` stayed under, as if each bucket were filled evenly.
    fn at(&self, count: u64, percent: u64) -> Micros {
        let rank = (count * percent).div_ceil(100).max(1);
        let mut below = 0;
        for (bucket, &here) in self.0.iter().enumerate() {
            let here = u64::from(here);
            if below + here >= rank {
                let (low, high) = (lower(bucket), lower(bucket + 1));
                // In the middle of its share of the bucket.
                let share = u64::from(high - low) * (2 * (rank - below) - 1) / (2 * here);
                return low + Micros::try_from(share).unwrap_or(0);
            }
            below += here;
        }
        lower(BUCKETS)
    }
}

fn bucket(micros: u64) -> usize {
    let Some(bit) = micros.checked_ilog2().filter(|&bit| bit >= LOWEST) else {
        return 0;
    };
    if bit >= HIGHEST {
        return BUCKETS - 1;
    }
    let part = (micros >> (bit - PART_BITS)) & ((1 << PART_BITS) - 1);
    let octave = u64::from(bit - LOWEST);
    1 + usize::try_from((octave << PART_BITS) | part).unwrap_or(0)
}

/// Returns the least duration that belongs into a bucket.
fn lower(bucket: usize) -> Micros {
    let Some(place) = bucket.checked_sub(1) else {
        return 0;
    };
    let place = u32::try_from(place).unwrap_or(0);
    let (octave, part) = (place >> PART_BITS, place & ((1 << PART_BITS) - 1));
    ((1 << PART_BITS) + part) << (octave + LOWEST - PART_BITS)
}

/// Writes a duration in milliseconds, to a tenth; to a hundredth below one.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's serialize_with passes references")]
fn milliseconds<S: Serializer>(micros: &Micros, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(in_milliseconds(*micros))
}

/// Returns a duration in milliseconds, to a tenth; to a hundredth below one.
pub fn in_milliseconds(micros: Micros) -> f64 {
    if micros < 1000 {
        f64::from(micros.div_ceil(10)) / 100.0
    } else {
        f64::from((micros + 50) / 100) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_bucket_around_it() {
        for micros in [0, 1, 31, 32, 33, 1000, 12_345, 999_999, 25_000_000] {
            let bucket = bucket(micros);
            let (low, high) = (u64::from(lower(bucket)), u64::from(lower(bucket + 1)));
            assert!((low..high).contains(&micros), "{micros} in {low}..{high}, bucket {bucket}");
            assert!(low == 0 || (high - low) * 8 <= low, "{low}..{high} is wide");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_exact_to_a_part_of_a_doubling() {
        let latencies = Latencies::default();
        (1..=1000).for_each(|millis| latencies.observe(Duration::from_millis(millis)));
        let mut counts = Counts::default();
        latencies.add_to(&mut counts);
        let found = counts.percentiles().unwrap();
        for (found, exact) in [(found.p50, 500), (found.p90, 900), (found.p99, 990)] {
            let exact = exact * 1000;
            assert!(found.abs_diff(exact) * 16 <= exact, "{found} for {exact}");
        }
    }

    #[test]
    fn a_difference_is_what_came_between() {
        let latencies = Latencies::default();
        latencies.observe(Duration::from_secs(5));
        let (mut before, mut after) = (Counts::default(), Counts::default());
        latencies.add_to(&mut before);
        latencies.observe(Duration::from_millis(2));
        latencies.add_to(&mut after);
        let between = after.since(&before);
        assert_eq!(between.count(), 1);
        let p99 = between.percentiles().unwrap().p99;
        assert!((1900..2200).contains(&p99), "{p99}");
        assert_eq!(after.since(&after).percentiles(), None);
    }

    #[test]
    fn is_told_in_milliseconds() {
        for (micros, millis) in
            [(0, 0.0), (47, 0.05), (999, 1.0), (1449, 1.4), (25_000_000, 25_000.0)]
        {
            assert!((in_milliseconds(micros) - millis).abs() < 1e-9, "{micros}");
        }
    }
}
