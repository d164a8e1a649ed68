//! The mass-rejection guard of one app: when most pushkeys would be rejected, the fault is ours (a
//! wrong platform, topic or project), and no homeserver may delete its pushers for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::config::MassRejectionGuardConfig;
use super::table::{Bounds, Key, Table, Ticks, ticks};

/// The guard judges by the pushkeys of the last five minutes.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// A pushkey tried again within this time is not made younger by it.
const GRAIN: Duration = Duration::from_secs(5);

/// Most pushkeys it remembers; under more traffic it judges by the latest of them. A share of as
/// many is exact to a percent, and they stay in the processor's cache.
const CAPACITY: usize = 8192;

/// The guard of one app, shared by all worker threads.
#[derive(Debug)]
pub struct Guard(Mutex<Recent>);

#[derive(Debug)]
struct Recent {
    min_pushes: usize,
    percent: usize,
    /// Pushkeys that the provider judged lately, and whether it called them dead.
    tried: Table<bool>,
    /// How many of them it called dead.
    deaths: usize,
    /// Whether the last rejection was withheld.
    withholding: bool,
}

/// What to do with a rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Pass it on.
    PassOn,
    /// Withhold it: answer that the provider failed. What was passed on for these pushkeys before
    /// there were enough to judge by is not to be believed any more either.
    Withhold(Vec<Key>),
}

/// The guard at one moment, for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Distinct pushkeys that the provider judged lately.
    pub tried: usize,
    /// How many of them it called dead.
    pub would_be_rejected: usize,
    /// That share in percent, rounded down.
    pub percent: usize,
    /// From how many pushkeys on it judges.
    pub min_pushes: usize,
    /// Above which share it withholds.
    pub limit_percent: usize,
    /// Whether rejections are withheld.
    pub withholding: bool,
}

impl Guard {
    /// Makes a guard that has seen nothing.
    pub fn new(config: &MassRejectionGuardConfig) -> Self {
        Self(Mutex::new(Recent {
            min_pushes: config.min_pushes,
            percent: config.percent as usize,
            tried: Table::new(bounds(config)),
            deaths: 0,
            withholding: false,
        }))
    }

    /// Judges by other numbers from now on.
    pub fn adjust(&self, config: &MassRejectionGuardConfig) {
        let mut recent = self.recent();
        recent.min_pushes = config.min_pushes;
        recent.percent = config.percent as usize;
        recent.tried.bound(bounds(config));
    }

    /// Takes note of a pushkey that the provider took.
    pub fn accepted(&self, device: Key, now: Ticks) {
        self.recent().note(device, false, now);
    }

    /// Takes note of a pushkey that the provider calls dead, and says what to do with that.
    pub fn rejected(&self, device: Key, now: Ticks) -> Judgement {
        let mut recent = self.recent();
        recent.note(device, true, now);
        let was_withholding = recent.withholding;
        recent.withholding = recent.is_suspicious();
        match (was_withholding, recent.withholding) {
            (_, false) => Judgement::PassOn,
            (false, true) => Judgement::Withhold(recent.dead().collect()),
            (true, true) => Judgement::Withhold(Vec::new()),
        }
    }

    /// Returns what it judges by.
    pub fn reading(&self, now: Ticks) -> Reading {
        let mut recent = self.recent();
        recent.forget(now);
        let tried = recent.tried.count();
        Reading {
            tried,
            would_be_rejected: recent.deaths,
            percent: recent.deaths * 100 / tried.max(1),
            min_pushes: recent.min_pushes,
            limit_percent: recent.percent,
            withholding: recent.is_suspicious(),
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn note(&mut self, device: Key, dead: bool, now: Ticks) {
        let before = self.tried.place(device, dead, now);
        self.deaths += usize::from(dead);
        self.deaths -= usize::from(before == Some(true));
        self.forget(now);
    }

    fn forget(&mut self, now: Ticks) {
        while let Some(was_dead) = self.tried.pop_old(now) {
            self.deaths -= usize::from(was_dead);
        }
    }

    fn is_suspicious(&self) -> bool {
        let tried = self.tried.count();
        tried >= self.min_pushes && self.deaths * 100 > tried * self.percent
    }

    fn dead(&self) -> impl Iterator<Item = Key> {
        let dead = self.tried.iter().filter(|&(_, is_dead)| is_dead);
        dead.map(|(device, _)| device)
    }
}

fn bounds(config: &MassRejectionGuardConfig) -> Bounds {
    Bounds { grain: ticks(GRAIN), ..Bounds::new(CAPACITY.max(config.min_pushes), WINDOW) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Judgement::PassOn;
    use super::*;

    const MINUTES: Ticks = 50 * 60;

    fn guard(min_pushes: usize, percent: u32) -> Guard {
        Guard::new(&MassRejectionGuardConfig { min_pushes, percent })
    }

    fn withholds(judgement: &Judgement) -> bool {
        matches!(judgement, Judgement::Withhold(_))
    }

    #[test]
    fn judges_only_from_min_pushes_on_and_takes_back_what_slipped_through() {
        let guard = guard(5, 50);
        guard.accepted(100, 0);
        for device in 0..3 {
            assert_eq!(guard.rejected(device, 0), PassOn);
        }
        let Judgement::Withhold(mut wrong) = guard.rejected(3, 0) else {
            panic!("passed on");
        };
        wrong.sort_unstable();
        assert_eq!(wrong, [0, 1, 2, 3]);
        assert_eq!(guard.rejected(4, 0), Judgement::Withhold(vec![]), "once is enough");
    }

    #[test]
    fn counts_each_pushkey_once() {
        let guard = guard(5, 50);
        for _ in 0..100 {
            assert_eq!(guard.rejected(1, 0), PassOn);
        }
    }

    #[test]
    fn withholds_above_the_share_and_stops_when_it_falls() {
        let guard = guard(10, 50);
        (0..10).for_each(|device| guard.accepted(device, 0));
        for device in 10..20 {
            let judgement = guard.rejected(device, 0);
            assert_eq!(judgement, PassOn, "half is not more than half");
        }
        assert!(withholds(&guard.rejected(20, 0)));
        guard.accepted(21, 0);
        assert_eq!(guard.rejected(10, 0), PassOn);
        guard.accepted(10, 0);
        assert_eq!(guard.rejected(22, 0), PassOn, "a pushkey may come back to life");
    }

    #[test]
    fn says_what_it_judges_by() {
        let guard = guard(3, 50);
        guard.accepted(1, 0);
        (2..4).for_each(|device| drop(guard.rejected(device, 0)));
        let reading = guard.reading(0);
        assert_eq!((reading.tried, reading.would_be_rejected), (3, 2));
        assert_eq!((reading.percent, reading.withholding), (66, true));
        let reading = guard.reading(5 * MINUTES + 1);
        assert_eq!((reading.tried, reading.percent), (0, 0));
        assert!(!reading.withholding);
    }

    #[test]
    fn forgets_after_five_minutes() {
        let guard = guard(2, 50);
        guard.rejected(1, 0);
        assert!(withholds(&guard.rejected(2, 0)));
        assert!(guard.reading(5 * MINUTES).withholding);
        assert!(!guard.reading(5 * MINUTES + 1).withholding);
        assert_eq!(guard.rejected(3, 5 * MINUTES + 1), PassOn);
    }

    #[test]
    fn under_much_traffic_it_judges_by_the_latest_pushkeys() {
        let guard = guard(50, 50);
        let most = CAPACITY as Key;
        (0..most / 2).for_each(|device| drop(guard.rejected(device, 0)));
        assert!(guard.reading(0).withholding);
        (most..2 * most).for_each(|device| guard.accepted(device, 1));
        assert!(!guard.reading(1).withholding, "those that were dead are forgotten");
        assert_eq!(guard.rejected(0, 1), PassOn);
        assert_eq!(guard.recent().deaths, 1);
    }

    #[test]
    fn other_numbers_hold_at_once() {
        let guard = guard(2, 50);
        guard.rejected(1, 0);
        assert!(withholds(&guard.rejected(2, 0)));
        guard.adjust(&MassRejectionGuardConfig { min_pushes: 3, percent: 50 });
        assert!(!guard.reading(0).withholding);
    }

    proptest! {
        /// Judges as one does who looks through a list of what happened within the window.
        #[test]
        fn agrees_with_a_plain_list(
            min_pushes in 1..12_usize,
            percent in 1..=100_u32,
            steps in prop::collection::vec((0..20_u8, any::<bool>(), 0..4000_u32), 1..200),
        ) {
            let guard = guard(min_pushes, percent);
            let (window, grain) = (ticks(WINDOW), ticks(GRAIN));
            let mut list: Vec<(Key, bool, Ticks)> = Vec::new();
            let mut now = 0;
            for (device, dead, wait) in steps {
                now += wait;
                let device = Key::from(device);
                list.retain(|&(_, _, at)| now - at <= window);
                match list.iter_mut().find(|(known, _, _)| *known == device) {
                    Some((_, was_dead, at)) if now - *at <= grain => *was_dead = dead,
                    _ => {
                        list.retain(|&(known, _, _)| known != device);
                        list.push((device, dead, now));
                    }
                }
                let deaths = list.iter().filter(|(_, dead, _)| *dead).count();
                let share = 100 * deaths > percent as usize * list.len();
                let suspicious = list.len() >= min_pushes && share;
                if dead {
                    prop_assert_eq!(withholds(&guard.rejected(device, now)), suspicious);
                } else {
                    guard.accepted(device, now);
                }
                prop_assert_eq!(guard.reading(now).withholding, suspicious);
            }
        }
    }
}
