//! Hashes as keys: of a device (app_id, pushkey), and of an event at a device.
//!
//! 96 bits of a keyed hash whose key is drawn at start: nobody outside can make two pushkeys
//! collide, and a table never holds a pushkey. Among a million entries a newcomer meets its like by
//! chance once in 10^22 times.

use ahash::RandomState;

use super::table::Key;
use crate::matrix::Device;

/// The bits of a key.
const BITS: u32 = 96;

/// Makes keys. One for the whole process.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    high: RandomState,
    low: RandomState,
}

impl Keys {
    /// Returns the key of (app_id, pushkey).
    pub fn device(&self, device: &Device) -> Key {
        let parts = (
            device.app_id.as_ref() as &str,
            device.pushkey.as_ref() as &str,
        );
        self.of(|state| state.hash_one(parts))
    }

    /// Returns the key of (app_id, pushkey, event_id).
    pub fn event(&self, device: Key, event_id: &str) -> Key {
        self.of(|state| state.hash_one((device, event_id)))
    }

    fn of(&self, hash: impl Fn(&RandomState) -> u64) -> Key {
        let both = (Key::from(hash(&self.high)) << 64) | Key::from(hash(&self.low));
        both & ((1 << BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn device(app_id: &str, pushkey: &str) -> Device {
        Device {
            app_id: app_id.into(),
            pushkey: pushkey.into(),
            ..Device::default()
        }
    }

    #[test]
    fn every_part_counts() {
        let keys = Keys::default();
        let a = keys.device(&device("app", "key"));
        assert_eq!(a, keys.device(&device("app", "key")));
        assert_ne!(a, keys.device(&device("appk", "ey")));
        assert_ne!(a, keys.device(&device("app", "kez")));
        assert_ne!(
            a,
            Keys::default().device(&device("app", "key")),
            "drawn at start"
        );
        assert_eq!(keys.event(a, "$e"), keys.event(a, "$e"));
        assert_ne!(keys.event(a, "$e"), keys.event(a, "$f"));
        assert_ne!(keys.event(a, "$e"), keys.event(a + 1, "$e"));
    }

    #[test]
    fn every_bit_is_used() {
        let keys = Keys::default();
        let made: HashSet<Key> = (0..10_000)
            .map(|number| keys.device(&device("app", &number.to_string())))
            .collect();
        assert_eq!(made.len(), 10_000);
        let ones = made.iter().fold(0, |ones, key| ones | key);
        let zeros = made.iter().fold(0, |zeros, key| zeros | !key);
        assert_eq!(ones, (1 << BITS) - 1);
        assert_eq!(zeros & ones, ones);
    }
}
