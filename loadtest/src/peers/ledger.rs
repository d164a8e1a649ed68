//! The truth about a load, event by event: which arrived at a provider, which arrived twice, and
//! which the gateway answered for without delivering them.
//!
//! A load numbers its events and writes the number into the event id. Providers mark what they
//! accepted, clients mark what was promised to them (200, not rejected); two bits for each event,
//! so that an hour of load fits in a few megabytes.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Digits of an event id after its `$`, as long as the ids of homeservers.
const DIGITS: usize = 43;

/// What became of numbered events; shared by clients and providers.
#[derive(Debug, Default)]
pub struct Ledger {
    arrived: Mutex<Arrived>,
    promised: Mutex<Bits>,
}

#[derive(Debug, Default)]
struct Arrived {
    events: Bits,
    doubled: u64,
    without_id: u64,
}

/// What a ledger says in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Distinct events that a provider accepted.
    pub arrived: u64,
    /// Events that were answered for.
    pub promised: u64,
    /// Events that were answered for and never arrived.
    pub lost: u64,
    /// Times that a provider accepted an event once more.
    pub doubled: u64,
    /// Pushes without an event id that a provider accepted.
    pub without_id: u64,
}

impl Ledger {
    /// Writes the digits of an event id: `event_id` is what follows the `$`.
    pub fn write_id(mut number: u64, event_id: &mut [u8]) {
        for digit in event_id.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    }

    /// Returns the event id with this number.
    #[must_use]
    pub fn event_id(number: u64) -> String {
        format!("${number:0DIGITS$}")
    }

    /// Marks an event as accepted by a provider; what is not numbered is only counted.
    pub(super) fn arrive(&self, event_id: Option<&str>) {
        let number = event_id.and_then(|id| id.strip_prefix('$')?.parse::<u64>().ok());
        let mut arrived = lock(&self.arrived);
        match number {
            Some(number) => {
                if !arrived.events.set(number) {
                    arrived.doubled += 1;
                }
            }
            None => arrived.without_id += 1,
        }
    }

    /// Marks an event as answered for.
    pub fn promise(&self, number: u64) {
        lock(&self.promised).set(number);
    }

    /// Returns whether an event arrived.
    #[must_use]
    pub fn has_arrived(&self, number: u64) -> bool {
        lock(&self.arrived).events.get(number)
    }

    /// Counts everything.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let promised = lock(&self.promised);
        let arrived = lock(&self.arrived);
        Truth {
            arrived: arrived.events.count(),
            promised: promised.count(),
            lost: promised.count_without(&arrived.events),
            doubled: arrived.doubled,
            without_id: arrived.without_id,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One bit for each number, as far as the highest one set.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Sets a bit; returns whether it was not set before.
    fn set(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn get(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    fn count_without(&self, other: &Self) -> u64 {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(others).map(|(bits, other)| u64::from((bits & !other).count_ones())).sum()
    }
}

fn place(number: u64) -> (usize, u64) {
    let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
    (word, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        let ledger = Ledger::default();
        let mut id = *b"$0000000000000000000000000000000000000000000";
        for number in [0, 7, 1_234_567_890_123] {
            Ledger::write_id(number, &mut id[1..]);
            assert_eq!(id, Ledger::event_id(number).as_bytes());
        }
        ledger.arrive(Some(&Ledger::event_id(77)));
        assert!(ledger.has_arrived(77) && !ledger.has_arrived(78));
    }

    #[test]
    fn lost_doubled_and_late() {
        let ledger = Ledger::default();
        for number in [0, 1, 1, 200] {
            ledger.arrive(Some(&Ledger::event_id(number)));
        }
        ledger.arrive(None);
        ledger.arrive(Some("$of-somebody-else"));
        for number in [0, 1, 64, 300] {
            ledger.promise(number);
        }
        let truth = Truth { arrived: 3, promised: 4, lost: 2, doubled: 1, without_id: 2 };
        assert_eq!(ledger.truth(), truth);
    }
}
