//! What memory costs a push, with a thousand entries and with a million.
//!
//! `cargo bench --bench tables`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise. With a
//! million entries nearly all of the time is the memory's, not ours.

use std::sync::Arc;
use std::time::Duration;

use divan::{Bencher, black_box};
use peregrine::dispatch::config::RateLimitConfig;
use peregrine::dispatch::duplicates::{Duplicates, Sighting};
use peregrine::dispatch::limits::Limits;
use peregrine::dispatch::rejections::Rejections;
use peregrine::dispatch::table::{Bounds, Key};
use peregrine::dispatch::verdict::Settlement;
use tokio::time::Instant;

fn main() {
    divan::main();
}

const SIZES: [usize; 2] = [1_000, 1_000_000];

/// A new event is delivered; the table is full, so the oldest goes.
#[divan::bench(args = SIZES)]
fn delivered_event(bencher: Bencher, size: usize) {
    let duplicates = delivered(size);
    let mut keys = keys().skip(size);
    bencher.bench_local(|| deliver(&duplicates, keys.next().unwrap_or_default()));
}

/// A copy of a delivered event.
#[divan::bench(args = SIZES)]
fn copied_event(bencher: Bencher, size: usize) {
    let duplicates = delivered(size);
    let mut keys = keys().take(size / 2).cycle();
    bencher.bench_local(|| duplicates.sight(keys.next().unwrap_or_default(), 0));
}

/// A pushkey that lives, beside many that are dead.
#[divan::bench(args = SIZES)]
fn live_pushkey(bencher: Bencher, size: usize) {
    let rejections = rejected(size);
    let mut keys = keys().skip(2 * size);
    bencher.bench_local(|| rejections.is_dead(keys.next().unwrap_or_default(), Some(1), 0));
}

/// A pushkey that is dead.
#[divan::bench(args = SIZES)]
fn dead_pushkey(bencher: Bencher, size: usize) {
    let rejections = rejected(size);
    let mut keys = keys().take(size / 2).cycle();
    bencher.bench_local(|| rejections.is_dead(keys.next().unwrap_or_default(), Some(1), 0));
}

/// A push of a pushkey seen before.
#[divan::bench(args = SIZES)]
fn rate_limit(bencher: Bencher, size: usize) {
    let (limits, now) = (Limits::new(Some(&RateLimitConfig::default())), Instant::now());
    keys().take(size).for_each(|key| assert!(limits.take(key, now).is_ok()));
    let mut keys = keys().take(size).cycle();
    bencher.bench_local(|| black_box(limits.take(keys.next().unwrap_or_default(), now)));
}

fn delivered(size: usize) -> Arc<Duplicates> {
    // Shards fill unevenly, so there is room for what is looked for.
    let duplicates = Duplicates::new(bounds(size));
    keys().take(size).for_each(|key| deliver(&duplicates, key));
    duplicates
}

fn deliver(duplicates: &Arc<Duplicates>, key: Key) {
    if let Sighting::First(first) = duplicates.sight(black_box(key), 0) {
        first.finish(Settlement::Done, true, 0);
    }
}

fn rejected(size: usize) -> Rejections {
    let rejections = Rejections::new(bounds(size));
    keys().take(size).for_each(|key| rejections.remember(key, Some(1), 0));
    rejections
}

/// Room for so many entries, for longer than any benchmark runs.
fn bounds(capacity: usize) -> Bounds {
    Bounds::new(capacity, Duration::from_secs(24 * 3600))
}

/// Endless keys, spread as hashes are: steps of the golden ratio.
fn keys() -> impl Iterator<Item = Key> + Clone {
    const STEP: Key = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    (1..).map(|i: Key| i.wrapping_mul(STEP))
}
