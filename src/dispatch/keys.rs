//! Hashes as keys: of a device (app_id, pushkey), and of an event at a device.
//!
//! 96 bits, so a table never holds a pushkey, and among a million entries a newcomer meets its like
//! by chance once in 10^22 times. Where memory is this process's alone the hash is keyed, and the
//! key drawn at start: nobody outside can make two pushkeys collide. Replicas that share their
//! tables have to agree, so there it is SHA-256: to meet another's pushkey takes 2^96 attempts.

use ahash::RandomState;
use aws_lc_rs::digest::{Context, SHA256};

use super::table::Key;
use crate::matrix::Device;

/// The bits of a key.
const BITS: u32 = 96;

/// Makes keys. One for the whole process.
#[derive(Debug, Clone)]
pub enum Keys {
    /// By a keyed hash of this process.
    Drawn {
        /// The upper bits.
        high: RandomState,
        /// The lower bits.
        low: RandomState,
    },
    /// By a hash that is the same in every process.
    Shared,
}

impl Keys {
    /// Draws a hash for this process.
    pub fn drawn() -> Self {
        Self::Drawn { high: RandomState::new(), low: RandomState::new() }
    }

    /// Returns the hash that all replicas agree on.
    pub fn shared() -> Self {
        Self::Shared
    }

    /// Returns the key of (app_id, pushkey).
    pub fn device(&self, device: &Device) -> Key {
        let (app_id, pushkey): (&str, &str) = (device.app_id.as_ref(), device.pushkey.as_ref());
        match self {
            Self::Drawn { high, low } => {
                let parts = (app_id, pushkey);
                of(high.hash_one(parts), low.hash_one(parts))
            }
            // Between them a byte that no text has, so that no two pairs read the same.
            Self::Shared => digest(&[app_id.as_bytes(), &[0xff], pushkey.as_bytes()]),
        }
    }

    /// Returns the key of (app_id, pushkey, event_id).
    pub fn event(&self, device: Key, event_id: &str) -> Key {
        match self {
            Self::Drawn { high, low } => {
                let parts = (device, event_id);
                of(high.hash_one(parts), low.hash_one(parts))
            }
            Self::Shared => digest(&[&device.to_be_bytes(), event_id.as_bytes()]),
        }
    }
}

fn of(high: u64, low: u64) -> Key {
    cut((Key::from(high) << 64) | Key::from(low))
}

fn digest(parts: &[&[u8]]) -> Key {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let digest = context.finish();
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    cut(Key::from_be_bytes(first))
}

fn cut(hash: u128) -> Key {
    hash & ((1 << BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn device(app_id: &str, pushkey: &str) -> Device {
        Device { app_id: app_id.into(), pushkey: pushkey.into(), ..Device::default() }
    }

    #[test]
    fn every_part_counts() {
        for keys in [Keys::drawn(), Keys::shared()] {
            let a = keys.device(&device("app", "key"));
            assert_eq!(a, keys.device(&device("app", "key")));
            assert_ne!(a, keys.device(&device("appk", "ey")));
            assert_ne!(a, keys.device(&device("app", "kez")));
            assert_eq!(keys.event(a, "$e"), keys.event(a, "$e"));
            assert_ne!(keys.event(a, "$e"), keys.event(a, "$f"));
            assert_ne!(keys.event(a, "$e"), keys.event(a + 1, "$e"));
        }
    }

    #[test]
    fn drawn_at_start_or_the_same_everywhere() {
        let device = device("app", "key");
        assert_ne!(Keys::drawn().device(&device), Keys::drawn().device(&device));
        // printf 'app\377key' | sha256sum | cut -c9-32
        let key = Keys::shared().device(&device);
        assert_eq!(format!("{key:024x}"), "90a1d75e461b2de1bc197265");
    }

    #[test]
    fn every_bit_is_used() {
        for keys in [Keys::drawn(), Keys::shared()] {
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
}
