//! Many tables of a kind, each behind its own lock: workers rarely meet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::table::{Bounds, Key, MOST};

/// Many of a kind, each behind its own lock.
#[derive(Debug)]
pub struct Shards<T>(Box<[Mutex<T>]>);

impl<T> Shards<T> {
    /// How many there are.
    pub const COUNT: usize = 64;

    /// Makes all of them.
    pub fn new(shard: impl Fn() -> T) -> Self {
        Self((0..Self::COUNT).map(|_| Mutex::new(shard())).collect())
    }

    /// Returns the one that a key belongs to.
    pub fn of(&self, key: Key) -> MutexGuard<'_, T> {
        // The top bits of 96: a table's index uses the lower ones.
        lock(&self.0[(key >> 90) as usize % Self::COUNT])
    }

    /// Returns one after the other.
    pub fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(lock)
    }

    /// Returns the bounds of one of them, for so many entries in all.
    pub fn share(bounds: Bounds) -> Bounds {
        let capacity = bounds.capacity.div_ceil(Self::COUNT).clamp(1, MOST);
        Bounds { capacity, ..bounds }
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
