//! What the sorting room remembers over requests, for the whole process: it survives a reload.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::badges::Badges;
use super::config::{Config, DuplicatesConfig, RejectionsConfig};
use super::duplicates::Duplicates;
use super::keys::Keys;
use super::limits::Limits;
use super::rejections::Rejections;
use super::state::Home;
use super::status::Recents;
use super::table::{Bounds, Key, TICK, Ticks, tick};

/// The tables of the whole process, and the count of what is not settled yet.
#[derive(Debug)]
pub struct Memory {
    /// Makes the tables' keys.
    pub keys: Keys,
    /// Where the tables live.
    pub home: Home,
    /// Events delivered lately, or under way.
    pub duplicates: Arc<Duplicates>,
    /// Dead pushkeys.
    pub rejections: Rejections,
    /// Rate limits.
    pub limits: Limits,
    /// Badge-only pushes that wait.
    pub badges: Arc<Badges>,
    /// What came of the latest pushes.
    pub recents: Recents,
    /// Whether the gateway is shutting down: new notifications are shed.
    pub draining: Arc<AtomicBool>,
    drain_begun: Notify,
    unsettled: Arc<AtomicUsize>,
    began: Instant,
}

/// A notification, or a badge-only push that was answered before it was sent, until it is settled.
#[derive(Debug)]
pub struct Unsettled(Arc<AtomicUsize>);

impl Memory {
    /// Makes empty tables of the configured sizes.
    pub fn new(config: &Config, home: Home) -> Self {
        Self {
            keys: home.keys(),
            home,
            duplicates: Duplicates::new(config.duplicates.bounds()),
            rejections: Rejections::new(config.rejections.bounds()),
            limits: Limits::new(config.rate_limit.as_ref()),
            badges: Arc::default(),
            recents: Recents::default(),
            draining: Arc::default(),
            drain_begun: Notify::new(),
            unsettled: Arc::default(),
            began: Instant::now(),
        }
    }

    /// Takes over the sizes, windows and limits of a reloaded configuration.
    pub fn adjust(&self, config: &Config) {
        self.duplicates.bound(config.duplicates.bounds());
        self.rejections.bound(config.rejections.bounds());
        self.limits.adjust(config.rate_limit.as_ref());
    }

    /// Returns a time as the tables have it.
    pub fn tick(&self, at: Instant) -> Ticks {
        tick(at.saturating_duration_since(self.began))
    }

    /// Returns since when a pushkey is known to be dead.
    pub fn rejected_since(&self, device: Key) -> Option<Instant> {
        let now = Instant::now();
        let age = self.rejections.age(device, self.tick(now))?;
        now.checked_sub(TICK * age)
    }

    /// Begins a notification; `None` once the gateway is shutting down.
    pub fn begin(&self) -> Option<Unsettled> {
        // Counted before looking: a drain that begins meanwhile sees it, or is seen here.
        let unsettled = self.begin_later();
        (!self.draining.load(Ordering::SeqCst)).then_some(unsettled)
    }

    /// Begins what was promised by an answer already given.
    pub fn begin_later(&self) -> Unsettled {
        self.unsettled.fetch_add(1, Ordering::SeqCst);
        Unsettled(self.unsettled.clone())
    }

    /// Returns how many notifications and promised pushes are not settled yet.
    pub fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::SeqCst)
    }

    /// Whether the gateway is shutting down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Begins to shut down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.drain_begun.notify_waiters();
    }

    /// Waits this long, or until the gateway begins to shut down; returns whether it does.
    pub async fn sleep_unless_draining(&self, wait: Duration) -> bool {
        let mut begun = pin!(self.drain_begun.notified());
        // Enlisted before looking, or a drain that begins between the two would be missed.
        begun.as_mut().enable();
        if self.draining.load(Ordering::SeqCst) {
            return true;
        }
        tokio::time::timeout(wait, begun).await.is_ok()
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl DuplicatesConfig {
    fn bounds(&self) -> Bounds {
        Bounds::new(self.capacity, Duration::from_secs(self.window_seconds))
    }
}

impl RejectionsConfig {
    fn bounds(&self) -> Bounds {
        Bounds::new(self.capacity, Duration::from_secs(self.window_seconds))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_every_wait_and_begins_nothing_new() {
        let memory = Memory::new(&Config::default(), Home::Memory);
        let hour = Duration::from_secs(3600);
        assert!(!memory.sleep_unless_draining(hour).await);
        let running = memory.begin().unwrap();
        let mut waiting = Box::pin(memory.sleep_unless_draining(hour));
        assert_eq!((&mut waiting).now_or_never(), None);
        memory.drain();
        assert_eq!((&mut waiting).now_or_never(), Some(true));
        assert!(memory.sleep_unless_draining(hour).await, "later ones too");
        assert!(memory.begin().is_none());
        assert_eq!(memory.unsettled(), 1);
        drop(running);
        assert_eq!(memory.unsettled(), 0);
    }
}
