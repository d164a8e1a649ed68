//! A table bounded in entries and time: at capacity the oldest go, after the window all go.
//!
//! Entries stand in a ring, oldest first; an index finds them by their turn. Keys are hashes, so an
//! entry costs the same whatever the pushkey's length: 16 bytes and the value in the ring, of which
//! up to as many again are spare, and 6 to 11 in the index. Measured (`cargo test --lib
//! dispatch::table -- --nocapture bytes`): 27 bytes for each of a million events, 36 for dead
//! pushkeys, and 42 or 58 at worst while a table grows.
//!
//! One table is for one thread at a time; `shards` keep many of them behind locks. Each grows by
//! itself, so growth copies a 64th of what there is.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashTable;

/// A hash of what an entry is about, see `keys`: 96 bits of it tell entries apart.
pub type Key = u128;

/// Time since the process began, in [`TICK`]s. It may wrap, after years.
pub type Ticks = u32;

/// What a tick lasts: how exact a window is.
pub const TICK: Duration = Duration::from_millis(20);

/// Counts entries, to name their places. It may wrap.
type Turn = u32;

/// Most entries of one table, so that turns name them all.
pub const MOST: usize = 1 << 28;

/// A bounded table of values by key.
#[derive(Debug)]
pub struct Table<V> {
    /// Oldest first. An entry that was renewed or removed since leaves its old place behind.
    ring: VecDeque<Entry<V>>,
    /// The turns of present entries, by their keys' low bits.
    index: HashTable<Turn>,
    /// The turn of the ring's front.
    first: Turn,
    bounds: Bounds,
}

/// How many entries, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most entries.
    pub capacity: usize,
    /// How long an entry is kept; up to two ticks longer.
    pub window: Ticks,
    /// An entry put again keeps its place, and goes with it, if it is younger than this.
    pub grain: Ticks,
}

#[derive(Debug, Clone, Copy)]
struct Entry<V> {
    low: u64,
    high: u32,
    at: Ticks,
    value: V,
}

impl<V> Entry<V> {
    fn is_of(&self, key: Key) -> bool {
        (self.low, self.high) == parts(key)
    }

    fn key(&self) -> Key {
        (Key::from(self.high) << 64) | Key::from(self.low)
    }
}

impl Bounds {
    /// Returns bounds under which every entry that is put again is young again.
    pub fn new(capacity: usize, window: Duration) -> Self {
        Self { capacity, window: ticks(window), grain: 0 }
    }
}

impl<V: Copy> Table<V> {
    /// Makes an empty table; memory is taken as entries come.
    pub fn new(bounds: Bounds) -> Self {
        Self { ring: VecDeque::new(), index: HashTable::new(), first: 0, bounds }
    }

    /// Changes how many entries are kept and for how long; what is too much goes in time.
    pub fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Returns a live entry's value.
    pub fn get(&mut self, key: Key, now: Ticks) -> Option<V> {
        self.trim(now);
        let entry = self.entry(self.find(key)?)?;
        (!self.is_old(entry, now)).then_some(entry.value)
    }

    /// Returns how long ago an entry was put.
    pub fn age(&self, key: Key, now: Ticks) -> Option<Ticks> {
        let entry = self.entry(self.find(key)?)?;
        Some(now.wrapping_sub(entry.at))
    }

    /// Adds or renews an entry; at capacity the oldest goes. Returns the value it replaces.
    pub fn put(&mut self, key: Key, value: V, now: Ticks) -> Option<V> {
        let before = self.place(key, value, now);
        self.trim(now);
        before
    }

    /// Adds or renews an entry without making room for it, see [`Self::pop_old`].
    pub fn place(&mut self, key: Key, value: V, now: Ticks) -> Option<V> {
        let (low, high) = parts(key);
        let newcomer = Entry { low, high, at: now, value };
        let (first, last) = (self.first, self.turn(self.ring.len()));
        let mut before = None;
        if let Some(turn) = self.find(key)
            && let Some(entry) = self.ring.get_mut(position(first, turn))
        {
            before = Some(std::mem::replace(&mut entry.value, value));
            if now.wrapping_sub(entry.at) <= self.bounds.grain {
                return before;
            }
            if let Some(place) = self.index.find_mut(low, |&it| it == turn) {
                *place = last;
            }
            self.ring.push_back(newcomer);
        } else {
            self.ring.push_back(newcomer);
            let ring = &self.ring;
            let hash = |&turn: &Turn| ring.get(position(first, turn)).map_or(0, |it| it.low);
            self.index.insert_unique(low, last, hash);
        }
        self.compact();
        before
    }

    /// Removes an entry. Returns its value.
    pub fn remove(&mut self, key: Key) -> Option<V> {
        let turn = self.find(key)?;
        let value = self.entry(turn)?.value;
        self.forget(parts(key).0, turn);
        self.compact();
        Some(value)
    }

    /// Removes the oldest entry if it is older than the window or one too many. Returns its value.
    pub fn pop_old(&mut self, now: Ticks) -> Option<V> {
        loop {
            let &oldest = self.ring.front()?;
            if self.index.len() <= self.bounds.capacity && !self.is_old(&oldest, now) {
                return None;
            }
            let was_present = self.forget(oldest.low, self.first);
            self.ring.pop_front();
            self.first = self.first.wrapping_add(1);
            if was_present {
                return Some(oldest.value);
            }
        }
    }

    /// Removes what is too old or too much.
    pub fn trim(&mut self, now: Ticks) {
        while self.pop_old(now).is_some() {}
    }

    /// Returns every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, V)> {
        let present = self.index.iter().filter_map(|&turn| self.entry(turn));
        present.map(|entry| (entry.key(), entry.value))
    }

    /// Returns how many entries there are.
    pub fn count(&self) -> usize {
        self.index.len()
    }

    /// Returns the bytes it holds, spare ones too.
    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Entry<V>>() + self.index.allocation_size()
    }

    fn find(&self, key: Key) -> Option<Turn> {
        let is_it = |&turn: &Turn| self.entry(turn).is_some_and(|entry| entry.is_of(key));
        self.index.find(parts(key).0, is_it).copied()
    }

    fn entry(&self, turn: Turn) -> Option<&Entry<V>> {
        self.ring.get(position(self.first, turn))
    }

    fn is_old(&self, entry: &Entry<V>, now: Ticks) -> bool {
        now.wrapping_sub(entry.at) > self.bounds.window
    }

    fn forget(&mut self, low: u64, turn: Turn) -> bool {
        let found = self.index.find_entry(low, |&it| it == turn);
        found.map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }

    /// Forgets places left behind once they outnumber the entries: a constant cost for each change.
    fn compact(&mut self) {
        if self.ring.len() <= 2 * self.index.len() + 64 {
            return;
        }
        let (index, mut turn) = (&self.index, self.first);
        self.ring.retain(|entry| {
            let is_present = index.find(entry.low, |&it| it == turn).is_some();
            turn = turn.wrapping_add(1);
            is_present
        });
        self.index.clear();
        for (place, entry) in self.ring.iter().enumerate() {
            let hash = |&turn: &Turn| {
                let entry = self.ring.get(position(self.first, turn));
                entry.map_or(0, |it| it.low)
            };
            let turn = self.first.wrapping_add(small(place));
            self.index.insert_unique(entry.low, turn, hash);
        }
    }

    fn turn(&self, place: usize) -> Turn {
        self.first.wrapping_add(small(place))
    }
}

fn position(first: Turn, turn: Turn) -> usize {
    turn.wrapping_sub(first) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a table has at most 2^28 entries")]
fn small(place: usize) -> Turn {
    place as Turn
}

#[expect(clippy::cast_possible_truncation, reason = "part of a hash is a hash")]
fn parts(key: Key) -> (u64, u32) {
    (key as u64, (key >> 64) as u32)
}

/// Returns a time in ticks, rounded up; at most half of what a clock of ticks can tell.
pub fn ticks(time: Duration) -> Ticks {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    Ticks::try_from(ticks).map_or(Ticks::MAX / 2, |ticks| ticks.min(Ticks::MAX / 2))
}

/// Returns a time since the process began, in ticks.
#[expect(clippy::cast_possible_truncation, reason = "a clock of ticks wraps")]
pub fn tick(since_the_beginning: Duration) -> Ticks {
    (since_the_beginning.as_nanos() / TICK.as_nanos()) as Ticks
}

#[cfg(test)]
mod tests;
