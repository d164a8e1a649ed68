//! What a peer was sent: every request, or only counts of them, or nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::Notify;

use super::ledger::Ledger;

/// How much a peer remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recording {
    /// Every request whole, and the counts.
    #[default]
    Everything,
    /// Counts for each token and event only.
    Counts,
    /// How many requests, and how many accepted, only.
    Totals,
}

/// One request, read whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// The body as JSON, unsealed if it was; null if it is none.
    pub json: Value,
    /// The device token, registration token, installation id or subscription; empty if there is
    /// none.
    pub token: String,
    /// The event the push is about.
    pub event_id: Option<String>,
    /// The connection it came on; the peer's first is 1.
    pub connection: u64,
    /// The HTTP/2 stream; 0 over HTTP/1.1.
    pub stream: u32,
    /// When it was read.
    pub at: Instant,
    /// The reason by which the peer's own rules refused it; none if it was valid.
    pub refused: Option<String>,
    /// The status it is answered with; none if it is not answered.
    pub status: Option<u16>,
}

impl Received {
    /// Returns a header's text, empty if it is not there or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Pages {
    received: Vec<Received>,
    /// How many of `received` were handed out by `next`.
    taken: usize,
    /// Accepted pushes by hash of the token, and by hash of token and event.
    tokens: HashMap<u64, usize>,
    events: HashMap<u64, usize>,
    doubled: usize,
}

/// The record of one peer.
#[derive(Default)]
pub(super) struct Record {
    level: AtomicU8,
    count: AtomicUsize,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    hasher: RandomState,
    pages: Mutex<Pages>,
    ledger: OnceLock<Arc<Ledger>>,
    arrived: Notify,
}

/// What the record needs to know of a request, whatever its level.
pub(super) struct Note<'a> {
    pub(super) token: &'a str,
    pub(super) event_id: Option<&'a str>,
    pub(super) accepted: bool,
    pub(super) refused: bool,
}

impl Record {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn level(&self) -> Recording {
        match self.level.load(Ordering::Relaxed) {
            0 => Recording::Everything,
            1 => Recording::Counts,
            _ => Recording::Totals,
        }
    }

    pub(super) fn set_ledger(&self, ledger: Arc<Ledger>) {
        // A peer keeps the first.
        let _ = self.ledger.set(ledger);
    }

    pub(super) fn set_level(&self, level: Recording) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Notes one request; `whole` is asked only if everything is recorded.
    pub(super) fn note(&self, note: &Note<'_>, whole: impl FnOnce() -> Received) {
        let level = self.level();
        if level != Recording::Totals {
            let whole = (level == Recording::Everything).then(whole);
            let mut pages = self.pages();
            pages.received.extend(whole);
            if note.accepted {
                *pages.tokens.entry(self.hasher.hash_one(note.token)).or_default() += 1;
                if let Some(event_id) = note.event_id {
                    let event = self.hasher.hash_one((note.token, event_id));
                    let seen = pages.events.entry(event).or_default();
                    *seen += 1;
                    pages.doubled += usize::from(*seen > 1);
                }
            }
        }
        if note.accepted
            && let Some(ledger) = self.ledger.get()
        {
            ledger.arrive(note.event_id);
        }
        self.accepted.fetch_add(usize::from(note.accepted), Ordering::Relaxed);
        self.refused.fetch_add(usize::from(note.refused), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
        self.arrived.notify_waiters();
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn doubled(&self) -> usize {
        self.pages().doubled
    }

    pub(super) fn accepted_for(&self, token: &str) -> usize {
        self.pages().tokens.get(&self.hasher.hash_one(token)).copied().unwrap_or_default()
    }

    pub(super) fn accepted_event(&self, token: &str, event_id: &str) -> usize {
        let event = self.hasher.hash_one((token, event_id));
        self.pages().events.get(&event).copied().unwrap_or_default()
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.pages().received.clone()
    }

    pub(super) fn clear(&self) {
        *self.pages() = Pages::default();
        for counter in [&self.count, &self.accepted, &self.refused] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<Received> {
        let mut pages = self.pages();
        let next = pages.received.get(pages.taken).cloned()?;
        pages.taken += 1;
        Some(next)
    }

    /// Waits until `look` finds something.
    async fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            let arrived = self.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            // Enlisted before looking, or an arrival between the two would be missed.
            arrived.as_mut().enable();
            if let Some(found) = look(self) {
                return found;
            }
            arrived.await;
        }
    }

    pub(super) async fn next(&self) -> Received {
        self.until(Self::take).await
    }

    pub(super) async fn wait_for(&self, count: usize) {
        self.until(|record| (record.count() >= count).then_some(())).await;
    }
}
