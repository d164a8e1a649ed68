//! The latest outcomes by pushkey: "why did this phone get no push".
//!
//! Each worker thread writes into rings of its own. Rejections, failures and successes have rings
//! apart, so that neither an outage nor a flood of successes washes out what somebody looks for.
//! Under a flood only some of the successes are kept, and it is counted how many are not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::dispatch::ending::{Ending, Fate};
use crate::dispatch::lane::Lane;
use crate::telemetry::logs::ShortHash;

/// Most entries of a ring; about 80 bytes each, taken as they come.
const REJECTED: usize = 2048;
const FAILED: usize = 1024;
const PASSED: usize = 512;

/// A success for each of these is kept, and as many at once as a ring holds.
const PACE: Duration = Duration::from_millis(5);
const BURST: Duration = PACE.saturating_mul(512);

/// Worker threads beyond this many share rings.
const DESKS: usize = 64;

/// The latest outcomes of the whole process.
#[derive(Debug)]
pub struct Recents {
    desks: Box<[Mutex<Option<Box<Desk>>>]>,
    left_out: AtomicU64,
}

/// What one worker thread saw.
#[derive(Debug)]
struct Desk {
    rejected: VecDeque<Entry>,
    failed: VecDeque<Entry>,
    passed: VecDeque<Entry>,
    /// When the pace allows as many successes at once as a ring holds.
    whole: Instant,
}

/// A push that was settled.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// The lane of its app; `None` where no app has its app_id.
    pub lane: Option<&'a Lane>,
    /// Its pushkey: only a hash of it is kept.
    pub pushkey: &'a str,
    /// What came of it.
    pub ending: &'a Ending,
    /// When the rejection was learnt that is answered from memory.
    pub known_since: Option<Instant>,
}

/// What is kept of a settled push.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// The hash of its pushkey.
    pub pushkey: u32,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub fate: Fate,
    /// Why.
    pub reason: &'static str,
    /// How often the provider was asked.
    pub attempts: u32,
    /// Its app, if there is one.
    pub app: Option<Arc<str>>,
    /// When the rejection was learnt that is answered from memory.
    pub known_since: Option<Instant>,
}

impl Default for Recents {
    fn default() -> Self {
        Self { desks: (0..DESKS).map(|_| Mutex::default()).collect(), left_out: AtomicU64::new(0) }
    }
}

impl Recents {
    /// Takes note of a push that was settled on worker thread `worker` just now: counts it in its
    /// app's record, and keeps it here.
    pub fn note(&self, worker: usize, settled: &Settled<'_>, now: Instant) {
        if let Some(lane) = settled.lane {
            lane.record.count(worker, settled, now);
        }
        let mut desk = lock(&self.desks[worker % DESKS]);
        let desk = desk.get_or_insert_with(|| Box::new(Desk::new(now)));
        let ending = settled.ending;
        let (ring, capacity) = match ending.fate {
            Fate::Rejected | Fate::RejectedFromMemory | Fate::UnknownApp => {
                (&mut desk.rejected, REJECTED)
            }
            Fate::Accepted | Fate::Duplicate | Fate::Coalesced => {
                let next = desk.whole.max(now) + PACE;
                if next > now + BURST {
                    self.left_out.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                desk.whole = next;
                (&mut desk.passed, PASSED)
            }
            Fate::Transient
            | Fate::Permanent
            | Fate::Shed
            | Fate::RateLimited
            | Fate::AmbiguousApp => (&mut desk.failed, FAILED),
        };
        if ring.len() == capacity {
            ring.pop_front();
        }
        ring.push_back(Entry {
            at: now,
            pushkey: ShortHash(settled.pushkey).bits(),
            took: ending.took,
            fate: ending.fate,
            reason: ending.reason,
            attempts: ending.attempts,
            app: settled.lane.map(|lane| lane.app.metrics.app().clone()),
            known_since: settled.known_since,
        });
    }

    /// Returns the latest entries, newest first: of this pushkey, or of all.
    pub fn latest(&self, count: usize, pushkey: Option<u32>) -> Vec<Entry> {
        let mut found = Vec::new();
        for desk in &self.desks {
            if let Some(desk) = lock(desk).as_deref() {
                for ring in [&desk.rejected, &desk.failed, &desk.passed] {
                    let newest_first = ring.iter().rev();
                    let wanted =
                        newest_first.filter(|it| pushkey.is_none_or(|is| it.pushkey == is));
                    found.extend(wanted.take(count).cloned());
                }
            }
        }
        found.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        found.truncate(count);
        found
    }

    /// Returns how many successes were not kept, because there were too many at once.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

impl Desk {
    fn new(now: Instant) -> Self {
        Self {
            rejected: VecDeque::new(),
            failed: VecDeque::new(),
            passed: VecDeque::new(),
            whole: now,
        }
    }
}

fn lock(desk: &Mutex<Option<Box<Desk>>>) -> MutexGuard<'_, Option<Box<Desk>>> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::dispatch::verdict::Settlement;

    fn note(recents: &Recents, worker: usize, pushkey: &str, fate: Fate) {
        let settled = Settled {
            lane: None,
            pushkey,
            ending: &Ending::at_once(Settlement::Done, fate, "because"),
            known_since: None,
        };
        recents.note(worker, &settled, Instant::now());
    }

    fn of(recents: &Recents, pushkey: &str) -> Vec<Entry> {
        recents.latest(usize::MAX, Some(ShortHash(pushkey).bits()))
    }

    #[tokio::test(start_paused = true)]
    async fn finds_what_happened_to_a_pushkey_newest_first() {
        let recents = Recents::default();
        note(&recents, 0, "phone", Fate::Transient);
        note(&recents, 1, "other", Fate::Accepted);
        advance(Duration::from_secs(1)).await;
        note(&recents, 1, "phone", Fate::Accepted);
        let found = of(&recents, "phone");
        let fates: Vec<Fate> = found.iter().map(|entry| entry.fate).collect();
        assert_eq!(fates, [Fate::Accepted, Fate::Transient]);
        assert_eq!(recents.latest(10, None).len(), 3);
        assert_eq!(recents.latest(1, None)[0].fate, Fate::Accepted);
        assert!(of(&recents, "nobody").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn floods_wash_out_only_their_own_kind() {
        let recents = Recents::default();
        note(&recents, 0, "dead", Fate::Rejected);
        note(&recents, 0, "unlucky", Fate::Transient);
        for _ in 0..3 * FAILED {
            note(&recents, 0, "flood", Fate::Accepted);
        }
        for pushkey in ["dead", "unlucky"] {
            assert_eq!(of(&recents, pushkey).len(), 1, "{pushkey}");
        }
        for _ in 0..3 * FAILED {
            note(&recents, 0, "flood", Fate::Shed);
        }
        assert_eq!(of(&recents, "dead").len(), 1);
        assert!(of(&recents, "unlucky").is_empty());
        let kept = of(&recents, "flood").len();
        assert_eq!(kept, FAILED + PASSED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_successes_is_thinned_and_says_so() {
        let recents = Recents::default();
        for _ in 0..PASSED {
            note(&recents, 0, "phone", Fate::Accepted);
        }
        assert_eq!(recents.left_out(), 0, "a burst is kept whole");
        for _ in 0..100 {
            note(&recents, 0, "phone", Fate::Accepted);
        }
        assert_eq!(recents.left_out(), 100);
        advance(PACE).await;
        note(&recents, 0, "phone", Fate::Accepted);
        assert_eq!(recents.left_out(), 100);
    }
}
