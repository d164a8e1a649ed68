//! Which pushkeys are known to be dead.
//!
//! A homeserver that did not hear of a rejection (its request failed for another device, or it was
//! a badge-only push, whose answer homeservers do not read) sends to the dead pushkey again. The
//! answer then comes from memory; a newer `pushkey_ts` says that the client registered anew.

use super::shards::Shards;
use super::table::{Bounds, Key, Table, Ticks};

/// Dead pushkeys of the whole process.
#[derive(Debug)]
pub struct Rejections {
    /// The value is the `pushkey_ts` that was rejected; 0 for none.
    shards: Shards<Table<u64>>,
}

impl Rejections {
    /// Makes an empty table.
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Shards::<Table<u64>>::share(bounds);
        Self { shards: Shards::new(|| Table::new(bounds)) }
    }

    /// Changes how many pushkeys are kept and for how long.
    pub fn bound(&self, bounds: Bounds) {
        let bounds = Shards::<Table<u64>>::share(bounds);
        self.shards.each().for_each(|mut shard| shard.bound(bounds));
    }

    /// Whether the pushkey is known to be dead. A newer `pushkey_ts` brings it back to life.
    pub fn is_dead(&self, device: Key, pushkey_ts: Option<u64>, now: Ticks) -> bool {
        let mut shard = self.shards.of(device);
        let Some(rejected_ts) = shard.get(device, now) else {
            return false;
        };
        let is_newer = pushkey_ts.is_some_and(|ts| ts > rejected_ts);
        if is_newer {
            shard.remove(device);
        }
        !is_newer
    }

    /// Returns for how long a pushkey is known to be dead.
    pub fn age(&self, device: Key, now: Ticks) -> Option<Ticks> {
        self.shards.of(device).age(device, now)
    }

    /// Remembers a dead pushkey. The word about an older registration does not undo a newer one's.
    pub fn remember(&self, device: Key, pushkey_ts: Option<u64>, now: Ticks) {
        let mut shard = self.shards.of(device);
        let known = shard.get(device, now).unwrap_or(0);
        shard.put(device, pushkey_ts.unwrap_or(0).max(known), now);
    }

    /// Forgets a pushkey whose rejection is not believed any more.
    pub fn forget(&self, device: Key) {
        self.shards.of(device).remove(device);
    }

    /// Returns how many dead pushkeys are remembered.
    pub fn count(&self) -> usize {
        self.shards.each().map(|shard| shard.count()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WINDOW: Ticks = 3000;

    fn rejections(capacity: usize) -> Rejections {
        Rejections::new(Bounds::new(capacity, Duration::from_secs(60)))
    }

    #[test]
    fn a_newer_registration_revives() {
        for (rejected, asked, is_dead) in [
            (None, None, true),
            (Some(5), None, true),
            (Some(5), Some(4), true),
            (Some(5), Some(5), true),
            (Some(5), Some(6), false),
            (None, Some(1), false),
        ] {
            let rejections = rejections(100);
            rejections.remember(1, rejected, 0);
            assert_eq!(rejections.is_dead(1, asked, 1), is_dead, "{rejected:?} {asked:?}");
            assert_eq!(rejections.count(), usize::from(is_dead));
            let again = rejections.is_dead(1, None, 1);
            assert_eq!(again, is_dead, "revived for good: {rejected:?} {asked:?}");
            assert!(!rejections.is_dead(2, asked, 1), "another pushkey");
        }
    }

    #[test]
    fn the_newest_registration_counts() {
        let rejections = rejections(100);
        rejections.remember(1, Some(7), 0);
        rejections.remember(1, Some(5), 1);
        assert!(rejections.is_dead(1, Some(7), 2));
        assert!(!rejections.is_dead(1, Some(8), 2));
    }

    #[test]
    fn ends_with_the_window_which_answers_do_not_prolong() {
        let rejections = rejections(100);
        rejections.remember(1, None, 0);
        assert!(rejections.is_dead(1, None, WINDOW));
        assert_eq!(rejections.age(1, WINDOW), Some(WINDOW));
        assert!(!rejections.is_dead(1, None, WINDOW + 1));
        assert_eq!(rejections.count(), 0);
    }

    #[test]
    fn holds_its_capacity_and_drops_the_oldest() {
        // One entry for each shard; these keys share one.
        let rejections = rejections(Shards::<()>::COUNT);
        (0..10).for_each(|key| rejections.remember(key, None, 0));
        assert_eq!(rejections.count(), 1);
        assert!(rejections.is_dead(9, None, 0));
        rejections.forget(9);
        assert!(!rejections.is_dead(9, None, 0));
    }

    #[test]
    fn a_shorter_window_holds_at_once() {
        let rejections = rejections(100);
        rejections.remember(1, None, 0);
        rejections.bound(Bounds::new(100, Duration::from_secs(1)));
        assert!(rejections.is_dead(1, None, 50));
        assert!(!rejections.is_dead(1, None, 51));
    }
}
