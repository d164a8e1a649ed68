//! Which events were delivered to which device lately, and which are under way.
//!
//! A homeserver repeats a request whose answer it did not get, byte for byte. The specification
//! therefore asks for duplicate suppression by event_id
//! (<https://spec.matrix.org/latest/push-gateway-api/>). An event is remembered only after the
//! provider accepted it; a copy that arrives before waits for what comes of the first.

use std::sync::Arc;

use ahash::AHashMap;
use tokio::sync::watch;

use super::shards::Shards;
use super::table::{Bounds, Key, Table, Ticks};
use super::verdict::Settlement;

/// Delivered events of the whole process.
#[derive(Debug)]
pub struct Duplicates {
    shards: Shards<Shard>,
}

#[derive(Debug)]
struct Shard {
    delivered: Table<()>,
    /// The first copy of each event that is under way, with the channel its copies wait on.
    under_way: AHashMap<Key, Option<watch::Sender<Option<Settlement>>>>,
}

/// What is known of an event at a device.
#[derive(Debug)]
pub enum Sighting {
    /// Never seen: deliver it, then [`Leader::finish`].
    First(Leader),
    /// Delivered lately.
    Delivered,
    /// Another copy is under way: wait for it.
    UnderWay(Follower),
}

/// The first copy of an event. Dropped without a finish, its copies are told that it failed.
#[derive(Debug)]
pub struct Leader {
    duplicates: Arc<Duplicates>,
    key: Key,
    finished: bool,
}

/// A copy of an event under way.
#[derive(Debug)]
pub struct Follower(watch::Receiver<Option<Settlement>>);

impl Duplicates {
    /// Makes an empty table.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let bounds = Shards::<Shard>::share(bounds);
        Arc::new(Self {
            shards: Shards::new(|| Shard {
                delivered: Table::new(bounds),
                under_way: AHashMap::new(),
            }),
        })
    }

    /// Changes how many events are kept and for how long.
    pub fn bound(&self, bounds: Bounds) {
        let bounds = Shards::<Shard>::share(bounds);
        let shards = self.shards.each();
        shards.for_each(|mut shard| shard.delivered.bound(bounds));
    }

    /// Says what is known of an event, and marks it as under way if that is nothing.
    pub fn sight(self: &Arc<Self>, key: Key, now: Ticks) -> Sighting {
        let mut shard = self.shards.of(key);
        if shard.delivered.get(key, now).is_some() {
            return Sighting::Delivered;
        }
        if let Some(first) = shard.under_way.get_mut(&key) {
            let sender = first.get_or_insert_with(|| watch::Sender::new(None));
            return Sighting::UnderWay(Follower(sender.subscribe()));
        }
        shard.under_way.insert(key, None);
        Sighting::First(Leader { duplicates: self.clone(), key, finished: false })
    }

    /// Returns how many delivered events are remembered.
    pub fn count(&self) -> usize {
        self.shards.each().map(|shard| shard.delivered.count()).sum()
    }
}

impl Leader {
    /// Returns the key of the event.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Tells the copies what came of it, and remembers the event if the provider accepted it.
    pub fn finish(mut self, settlement: Settlement, accepted: bool, now: Ticks) {
        self.finished = true;
        self.end(settlement, accepted.then_some(now));
    }

    fn end(&self, settlement: Settlement, accepted: Option<Ticks>) {
        let mut shard = self.duplicates.shards.of(self.key);
        if let Some(now) = accepted {
            shard.delivered.put(self.key, (), now);
        }
        if let Some(Some(copies)) = shard.under_way.remove(&self.key) {
            copies.send_replace(Some(settlement));
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.finished {
            self.end(Settlement::ProviderFailed, None);
        }
    }
}

impl Follower {
    /// Waits for what comes of the first copy.
    pub async fn settlement(mut self) -> Settlement {
        match self.0.wait_for(Option::is_some).await {
            Ok(settlement) => settlement.unwrap_or(Settlement::ProviderFailed),
            Err(_) => Settlement::ProviderFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    const WINDOW: Ticks = 3000;

    fn duplicates(capacity: usize) -> Arc<Duplicates> {
        Duplicates::new(Bounds::new(capacity, Duration::from_secs(60)))
    }

    #[track_caller]
    fn first(duplicates: &Arc<Duplicates>, key: Key, now: Ticks) -> Leader {
        match duplicates.sight(key, now) {
            Sighting::First(leader) => leader,
            other => panic!("seen before: {other:?}"),
        }
    }

    #[track_caller]
    fn copy(duplicates: &Arc<Duplicates>, key: Key) -> Follower {
        match duplicates.sight(key, 0) {
            Sighting::UnderWay(follower) => follower,
            other => panic!("not under way: {other:?}"),
        }
    }

    #[track_caller]
    fn assert_delivered(duplicates: &Arc<Duplicates>, key: Key, now: Ticks) {
        let sighting = duplicates.sight(key, now);
        assert!(matches!(sighting, Sighting::Delivered), "{sighting:?}");
    }

    #[test]
    fn only_what_was_accepted_is_remembered() {
        let duplicates = duplicates(100);
        first(&duplicates, 1, 0).finish(Settlement::Done, true, 0);
        assert_delivered(&duplicates, 1, 0);
        // Dropped for a permanent fault: done, not delivered.
        first(&duplicates, 2, 0).finish(Settlement::Done, false, 0);
        first(&duplicates, 2, 0).finish(Settlement::ProviderFailed, false, 0);
        drop(first(&duplicates, 2, 0));
        assert_eq!(duplicates.count(), 1);
    }

    #[tokio::test]
    async fn every_copy_hears_what_came_of_the_first() {
        let duplicates = duplicates(100);
        let leader = first(&duplicates, 1, 0);
        let (early, late) = (copy(&duplicates, 1), copy(&duplicates, 1));
        let mut early = Box::pin(early.settlement());
        assert_eq!((&mut early).now_or_never(), None);
        leader.finish(Settlement::Rejected, false, 0);
        assert_eq!(early.await, Settlement::Rejected);
        assert_eq!(late.settlement().await, Settlement::Rejected);
    }

    #[tokio::test]
    async fn copies_survive_a_first_that_is_gone() {
        let duplicates = duplicates(100);
        let leader = first(&duplicates, 1, 0);
        let copy = copy(&duplicates, 1);
        drop(leader);
        assert_eq!(copy.settlement().await, Settlement::ProviderFailed);
        drop(first(&duplicates, 1, 0));
    }

    #[tokio::test]
    async fn a_copy_that_is_gone_disturbs_nobody() {
        let duplicates = duplicates(100);
        let leader = first(&duplicates, 1, 0);
        drop(copy(&duplicates, 1));
        let other = copy(&duplicates, 1);
        leader.finish(Settlement::Done, true, 0);
        assert_eq!(other.settlement().await, Settlement::Done);
        assert_delivered(&duplicates, 1, 0);
    }

    #[test]
    fn ends_with_the_window_from_the_delivery_on() {
        let duplicates = duplicates(100);
        first(&duplicates, 1, 0).finish(Settlement::Done, true, 100);
        assert_delivered(&duplicates, 1, 100 + WINDOW);
        let _again = first(&duplicates, 1, 101 + WINDOW);
    }

    #[test]
    fn holds_its_capacity_and_drops_the_oldest() {
        // One entry for each shard; these keys share one.
        let duplicates = duplicates(Shards::<()>::COUNT);
        for key in 0..10 {
            first(&duplicates, key, 0).finish(Settlement::Done, true, 0);
        }
        assert_eq!(duplicates.count(), 1);
        assert_delivered(&duplicates, 9, 0);
        let _again = first(&duplicates, 8, 0);
    }
}
