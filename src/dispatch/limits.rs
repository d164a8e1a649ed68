//! The rate limit of each (app_id, pushkey): governor's GCRA over a bounded table.
//!
//! For each pushkey one time is kept: when its allowance will be whole again. A pushkey whose
//! allowance is whole costs nothing to meet anew, so its entry goes when that has surely passed.
//!
//! governor's own map has no bounds, and its own clock is read anew for each push. Here a push
//! makes a `RateLimiter` on the stack that begins at this moment: the table lends it what the
//! pushkey has used, and the time is that of the push's walk.

use std::num::NonZeroU32;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::config::RateLimitConfig;
use super::shards::Shards;
use super::table::{Bounds, Key, Table, tick, ticks};

/// Most pushkeys of which it is known how much they sent; beyond it the oldest start afresh.
pub const CAPACITY: usize = 1_000_000;

/// A larger burst is this one: governor counts how long it lasts in nanoseconds of 64 bits, which
/// hold as many minutes three times over, and does not look whether they hold more.
const LARGEST_BURST: u32 = 100_000_000;

/// The rate limits of the whole process.
#[derive(Debug)]
pub struct Limits {
    quota: RwLock<Option<Quota>>,
    /// The value is when the allowance is whole again, in nanoseconds since `began`.
    shards: Shards<Table<u64>>,
    began: Instant,
}

/// What pushkeys have used, as seen at the moment of one push.
struct Used<'a> {
    shards: &'a Shards<Table<u64>>,
    since_began: Duration,
}

/// The clock of one push, on which it is always the beginning.
struct Standing;

impl Limits {
    /// Makes limits under which every pushkey is fresh; `None` for no limit.
    pub fn new(config: Option<&RateLimitConfig>) -> Self {
        let quota = config.map(quota);
        let bounds = quota.map_or(Bounds::new(1, Duration::ZERO), bounds);
        Self {
            quota: RwLock::new(quota),
            shards: Shards::new(|| Table::new(bounds)),
            began: Instant::now(),
        }
    }

    /// Changes the limit; what pushkeys have used counts on.
    pub fn adjust(&self, config: Option<&RateLimitConfig>) {
        let quota = config.map(quota);
        if let Some(bounds) = quota.map(bounds) {
            self.shards.each().for_each(|mut shard| shard.bound(bounds));
        }
        *self.quota.write().unwrap_or_else(PoisonError::into_inner) = quota;
    }

    /// Takes one push from a pushkey's allowance.
    ///
    /// # Errors
    ///
    /// Returns the time until the limit allows one.
    pub fn take(&self, device: Key, now: Instant) -> Result<(), Duration> {
        let quota = *self.quota.read().unwrap_or_else(PoisonError::into_inner);
        let Some(quota) = quota else {
            return Ok(());
        };
        let used =
            Used { shards: &self.shards, since_began: now.saturating_duration_since(self.began) };
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(quota, used, Standing);
        limiter.check_key(&device).map_err(|not_until| not_until.wait_time_from(Standing.now()))
    }

    /// Returns how many pushkeys are known.
    pub fn count(&self) -> usize {
        self.shards.each().map(|shard| shard.count()).sum()
    }
}

impl StateStore for Used<'_> {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, device: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let tick = tick(self.since_began);
        let now = u64::try_from(self.since_began.as_nanos()).unwrap_or(u64::MAX);
        let mut shard = self.shards.of(*device);
        let until_whole = shard.get(*device, tick).map(|whole| whole.saturating_sub(now));
        let (taken, until_whole) = decide(until_whole.map(Nanos::from))?;
        shard.put(*device, now.saturating_add(until_whole.as_u64()), tick);
        Ok(taken)
    }
}

impl Clock for Standing {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::default()
    }
}

fn quota(config: &RateLimitConfig) -> Quota {
    let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(at_least_one(config.per_minute))
        .allow_burst(at_least_one(config.burst.min(LARGEST_BURST)))
}

/// Entries end when their allowance is surely whole. One that is used is renewed before that.
fn bounds(quota: Quota) -> Bounds {
    let whole_after = ticks(quota.burst_size_replenished_in());
    let grain = whole_after / 2;
    let bounds = Bounds { capacity: CAPACITY, window: whole_after + grain + 1, grain };
    Shards::<Table<u64>>::share(bounds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::runtime::Builder;
    use tokio::time::advance;

    use super::*;

    fn limits(per_minute: u32, burst: u32) -> Limits {
        Limits::new(Some(&RateLimitConfig { per_minute, burst }))
    }

    fn taken(limits: &Limits, device: Key, asked: usize) -> usize {
        (0..asked).filter(|_| limits.take(device, Instant::now()).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let limits = limits(60, 3);
        assert_eq!(taken(&limits, 1, 10), 3);
        assert_eq!(limits.take(1, Instant::now()), Err(Duration::from_secs(1)));
        assert!(limits.take(2, Instant::now()).is_ok(), "every pushkey has its own allowance");
        advance(Duration::from_millis(999)).await;
        assert_eq!(limits.take(1, Instant::now()), Err(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(taken(&limits, 1, 10), 1);
        advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&limits, 1, 10), 3, "no more than a burst is ever saved");
    }

    #[tokio::test(start_paused = true)]
    async fn used_steadily_an_entry_never_ends() {
        for (per_minute, burst) in [(60, 1), (60, 3), (240, 60), (6000, 1), (1, 2)] {
            let limits = limits(per_minute, burst);
            let mut taken = 0;
            for _ in 0..1000 {
                taken += usize::from(limits.take(1, Instant::now()).is_ok());
                advance(Duration::from_millis(100)).await;
            }
            // 100 s: the burst, then the rate.
            let most = burst as usize + per_minute as usize * 100 / 60;
            assert!(taken <= most.min(1000), "{taken} at {per_minute}/{burst}");
            assert!(taken + 2 >= most.min(1000), "{taken} at {per_minute}/{burst}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whole_allowances_are_forgotten() {
        let limits = limits(60, 3);
        (0..100).for_each(|device| limits.take(device, Instant::now()).unwrap());
        assert_eq!(limits.count(), 100);
        advance(Duration::from_secs(10)).await;
        limits.take(1000, Instant::now()).unwrap();
        assert_eq!(limits.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_limit_counts_what_was_used() {
        let limits = limits(60, 3);
        assert_eq!(taken(&limits, 1, 10), 3);
        limits.adjust(Some(&RateLimitConfig { per_minute: 60, burst: 5 }));
        assert_eq!(taken(&limits, 1, 10), 2);
        advance(Duration::from_secs(1)).await;
        limits.adjust(Some(&RateLimitConfig { per_minute: 60, burst: 6 }));
        assert_eq!(taken(&limits, 1, 10), 2);
        limits.adjust(None);
        assert_eq!(taken(&limits, 1, 10), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_smallest_and_the_largest_numbers() {
        for (per_minute, interval) in [
            (1, Duration::from_secs(60)),
            (60_000, Duration::from_millis(1)),
            (u32::MAX, Duration::from_nanos(13)),
        ] {
            let limits = limits(per_minute, 1);
            assert_eq!(taken(&limits, 1, 1), 1);
            assert_eq!(limits.take(1, Instant::now()), Err(interval));
            limits.adjust(Some(&RateLimitConfig { per_minute, burst: u32::MAX }));
            assert_eq!(taken(&limits, 1, 1000), 1000);
        }
    }

    /// Asks after each of these waits; returns when each push was taken, and whether every refusal
    /// named the first moment at which one is.
    async fn ask(limits: &Limits, waits: Vec<Duration>) -> (Vec<Duration>, bool) {
        let (start, mut taken, mut exact) = (Instant::now(), Vec::new(), true);
        for wait in waits {
            advance(wait).await;
            match limits.take(1, Instant::now()) {
                Ok(()) => taken.push(start.elapsed()),
                Err(wait) => {
                    let almost = wait.saturating_sub(Duration::from_millis(1));
                    advance(almost).await;
                    exact &= limits.take(1, Instant::now()).is_err();
                    advance(wait.saturating_sub(almost)).await;
                    exact &= limits.take(1, Instant::now()).is_ok();
                    taken.push(start.elapsed());
                }
            }
        }
        (taken, exact)
    }

    proptest! {
        /// Over any stretch of time no more than a burst and what the rate allows meanwhile.
        #[test]
        fn never_more_than_the_rate_and_a_burst(
            per_minute in 1..3000_u32,
            burst in 1..40_u32,
            waits in prop::collection::vec(0..400_u64, 1..120),
        ) {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            let waits = waits.into_iter().map(Duration::from_millis).collect();
            let (taken, exact) = runtime.unwrap().block_on(async {
                ask(&limits(per_minute, burst), waits).await
            });
            prop_assert!(exact, "a refusal says when");
            let interval = Duration::from_nanos(60_000_000_000 / u64::from(per_minute));
            for (i, &first) in taken.iter().enumerate() {
                for (more, &last) in (1_u32..).zip(&taken[i + 1..]) {
                    // One beyond the burst for each interval that passed.
                    let beyond = (more + 1).saturating_sub(burst);
                    prop_assert!(last.saturating_sub(first) >= interval * beyond);
                }
            }
        }
    }
}
