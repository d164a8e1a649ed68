//! Keys with an end, and the commands on them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::resp::Reply;

/// What a Redis holds.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Scripts by their names.
    pub(super) scripts: HashMap<String, String>,
    values: BTreeMap<Vec<u8>, (Vec<u8>, Option<Instant>)>,
}

impl Store {
    /// Runs a command.
    pub(super) fn call(&mut self, command: &[&[u8]]) -> Reply {
        match command {
            [b"PING"] => Reply::Bulk(b"PONG".to_vec()),
            [b"GET", key] => match self.look(key) {
                Some((value, _)) => Reply::Bulk(value.to_vec()),
                None => Reply::Nil,
            },
            [b"SET", key, value] => {
                self.set(key, value, None);
                Reply::Ok
            }
            [b"SET", key, value, b"PX", millis] => {
                let millis = std::str::from_utf8(millis).ok();
                match millis.and_then(|it| it.parse().ok()) {
                    Some(millis) if millis > 0 => {
                        self.set(key, value, Some(Duration::from_millis(millis)));
                        Reply::Ok
                    }
                    _ => Reply::error("ERR invalid expire time in 'set' command"),
                }
            }
            [b"DEL", keys @ ..] => {
                let there = keys.iter().filter(|key| self.look(key).is_some()).count();
                self.values.retain(|key, _| !keys.contains(&key.as_slice()));
                Reply::Int(i64::try_from(there).unwrap_or(i64::MAX))
            }
            [b"TIME"] => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.unwrap_or_default();
                let part = |number: String| Reply::Bulk(number.into_bytes());
                Reply::Array(vec![
                    part(now.as_secs().to_string()),
                    part(now.subsec_micros().to_string()),
                ])
            }
            [name, ..] => {
                let name = String::from_utf8_lossy(name);
                Reply::error(format!("ERR unknown command or wrong arguments: '{name}'"))
            }
            [] => Reply::error("ERR empty command"),
        }
    }

    /// Returns a key's value and how long it is kept.
    pub(super) fn look(&self, key: &[u8]) -> Option<(&[u8], Option<Duration>)> {
        let (value, ends) = self.values.get(key)?;
        let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
        (left != Some(Duration::ZERO)).then_some((value, left))
    }

    /// Sets a key, for a while or for ever.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8], lasts: Option<Duration>) {
        let ends = lasts.map(|lasts| Instant::now() + lasts);
        self.values.insert(key.to_vec(), (value.to_vec(), ends));
    }

    /// Returns the keys that have not ended.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.values.keys().filter(|key| self.look(key).is_some());
        keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }
}

/// Whether a cluster keeps all these keys in one slot: they have the same text in braces.
pub(super) fn is_one_slot(keys: &[&[u8]]) -> bool {
    let tag = |key: &[u8]| {
        let text = String::from_utf8_lossy(key);
        let tag = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        tag.map_or_else(|| text.clone().into_owned(), |(tag, _)| tag.to_owned())
    };
    keys.windows(2).all(|two| tag(two[0]) == tag(two[1]))
}
