//! Badge-only pushes that wait for their turn: of each device only the latest.
//!
//! Homeservers do not repeat a badge-only push and read nothing from its answer, so one that must
//! wait (over the rate limit, or to be joined with the next) is answered at once and sent later.
//! Every event asks here whether it makes one stale, so devices do not wait for each other.

use std::sync::Arc;

use ahash::RandomState;
use dashmap::{DashMap, Entry};

use super::table::Key;
use crate::providers::Push;

/// Most devices that wait at once, and one more for each worker that comes at the very moment; the
/// rest is shed.
const CAPACITY: usize = 100_000;

/// Waiting badge-only pushes of the whole process.
#[derive(Debug, Default)]
pub struct Badges {
    /// `None` where the push that waited became stale; whoever comes for it finds nothing.
    waiting: DashMap<Key, Option<Push>, RandomState>,
}

/// What became of a push that has to wait.
#[derive(Debug)]
pub enum Placed {
    /// Nothing waited for this device: the caller comes back for it.
    First(Turn),
    /// It took the place of an older one.
    Replaced,
    /// Too many devices wait.
    Full,
}

/// The duty to come back for a device's push. Dropped, the device waits no more.
#[derive(Debug)]
pub struct Turn {
    badges: Arc<Badges>,
    device: Key,
    taken: bool,
}

impl Badges {
    /// Lets a push wait, instead of any older one for the same device.
    pub fn place(self: &Arc<Self>, device: Key, push: Push) -> Placed {
        // Before the entry, which holds a lock that counting takes.
        let is_full = self.waiting.len() >= CAPACITY;
        match self.waiting.entry(device) {
            Entry::Occupied(mut older) => {
                older.insert(Some(push));
                Placed::Replaced
            }
            Entry::Vacant(_) if is_full => Placed::Full,
            Entry::Vacant(place) => {
                place.insert(Some(push));
                Placed::First(Turn { badges: self.clone(), device, taken: false })
            }
        }
    }

    /// Lets a push take the place of one that waits; returns whether one did. Otherwise a push
    /// that need not wait would overtake an older one, which then undid it.
    pub fn replace(&self, device: Key, push: &Push) -> bool {
        let older = self.waiting.get_mut(&device);
        older.map(|mut older| *older = Some(push.clone())).is_some()
    }

    /// Forgets what waits for a device: something newer with counts of its own is on its way.
    pub fn supersede(&self, device: Key) {
        if let Some(mut older) = self.waiting.get_mut(&device) {
            *older = None;
        }
    }

    /// Returns how many devices wait.
    pub fn count(&self) -> usize {
        self.waiting.len()
    }
}

impl Turn {
    /// Whether there is still something to send.
    pub fn is_needed(&self) -> bool {
        let waiting = self.badges.waiting.get(&self.device);
        waiting.is_some_and(|push| push.is_some())
    }

    /// Takes the latest push that waits.
    pub fn take(mut self) -> Option<Push> {
        self.taken = true;
        self.badges.waiting.remove(&self.device)?.1
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.taken {
            self.badges.waiting.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::testing::push;

    #[track_caller]
    fn first(badges: &Arc<Badges>, device: Key, mark: &str) -> Turn {
        match badges.place(device, push(mark)) {
            Placed::First(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    fn taken(turn: Turn) -> Option<String> {
        turn.take().map(|push| push.device().pushkey.to_string())
    }

    #[test]
    fn of_each_device_the_latest() {
        let badges = Arc::default();
        let (a, b) = (first(&badges, 1, "1a"), first(&badges, 2, "2a"));
        assert!(matches!(badges.place(1, push("1b")), Placed::Replaced));
        assert!(badges.replace(1, &push("1c")));
        assert_eq!(badges.count(), 2);
        assert_eq!(taken(a).as_deref(), Some("1c"));
        assert_eq!(taken(b).as_deref(), Some("2a"));
        assert!(!badges.replace(1, &push("1d")), "nobody would come for it");
        assert_eq!(badges.count(), 0);
    }

    #[test]
    fn what_an_event_made_stale_is_not_sent() {
        let badges = Arc::default();
        let turn = first(&badges, 1, "a");
        badges.supersede(1);
        badges.supersede(2);
        assert!(!turn.is_needed());
        assert!(matches!(badges.place(1, push("b")), Placed::Replaced));
        assert!(turn.is_needed());
        badges.supersede(1);
        assert_eq!(taken(turn), None);
        assert_eq!(badges.count(), 0);
    }

    #[test]
    fn a_turn_that_is_lost_gives_its_place_back() {
        let badges = Arc::default();
        drop(first(&badges, 1, "a"));
        assert_eq!(badges.count(), 0);
        let again = first(&badges, 1, "b");
        assert_eq!(taken(again).as_deref(), Some("b"));
    }

    #[test]
    fn too_many_devices_are_shed_and_known_ones_are_not() {
        let badges: Arc<Badges> = Arc::default();
        let one = push("a");
        let turns: Vec<Placed> =
            (0..CAPACITY as Key).map(|device| badges.place(device, one.clone())).collect();
        assert!(matches!(badges.place(Key::MAX, one.clone()), Placed::Full));
        assert!(matches!(badges.place(7, one), Placed::Replaced));
        drop(turns);
        assert_eq!(badges.count(), 0);
    }
}
