//! One app's lane: the seats of its provider actors, its places in flight, and what is known of its
//! provider's health.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::alarms::Alarms;
use super::budget::Budget;
use super::circuit::Circuit;
use super::config::Config;
use super::guard::Guard;
use super::pace::{BUSY, Pace};
use super::seats::Seats;
use super::status::Record;
use crate::providers::App;

/// The least and the most that a refused push is told to wait.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// One app's lane, shared by all worker threads. A reload keeps the lanes of unchanged apps.
#[derive(Debug)]
pub struct Lane {
    /// The app it serves.
    pub app: App,
    /// What only the operator can mend.
    pub alarms: Alarms,
    /// Whether the provider is left alone at the moment.
    pub circuit: Circuit,
    /// How many retries its traffic grants.
    pub budget: Budget,
    /// Whether rejections are believed at the moment.
    pub guard: Guard,
    /// Its provider actors.
    pub seats: Seats,
    /// What came of its pushes.
    pub record: Arc<Record>,
    pace: Pace,
    in_flight: AtomicUsize,
}

/// Why a push found no place in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The metric label.
    pub cause: &'static str,
    /// When trying again makes sense.
    pub retry_after: Duration,
}

impl Lane {
    /// Lays out the app's actors over `workers` threads: `pool.actors` of them, or one on each.
    /// Those of apps with few are spread by `turn`.
    pub fn new(app: App, config: &Config, workers: usize, turn: usize) -> Self {
        let actors = app.common.pool.actors.or(workers);
        let now = Instant::now();
        let record = Arc::new(Record::new(workers));
        let workers = (0..actors).map(|actor| (turn + actor) % workers);
        // Else anyone could open it with an endpoint that never works.
        let circuit = if app.many_hosts {
            Circuit::always_closed(app.metrics.clone())
        } else {
            Circuit::new(&config.circuit_breaker, app.metrics.clone())
        };
        Self {
            alarms: Alarms::default(),
            circuit,
            budget: Budget::new(config.retry.budget_percent, now),
            guard: Guard::new(&config.mass_rejection_guard),
            seats: Seats::new(workers),
            record,
            pace: Pace::new(now),
            in_flight: AtomicUsize::new(0),
            app,
        }
    }

    /// Goes on with the record of the lane that served the app before a reload changed it.
    #[must_use]
    pub fn with_record_of(self, before: &Self) -> Self {
        Self { record: before.record.clone(), ..self }
    }

    /// Takes over the numbers of a reloaded configuration; what is known of the provider stays.
    pub fn adjust(&self, config: &Config) {
        if !self.app.many_hosts {
            self.circuit.adjust(&config.circuit_breaker);
        }
        self.budget.adjust(config.retry.budget_percent);
        self.guard.adjust(&config.mass_rejection_guard);
    }

    /// Returns the lane's name in this process.
    pub fn id(&self) -> u64 {
        self.seats.lane()
    }

    /// Takes a place in flight.
    ///
    /// # Errors
    ///
    /// Refuses when `inflight_request_limit` is reached, and what could not be delivered before its
    /// deadline.
    pub fn enter(self: &Arc<Self>, now: Instant, deadline: Instant) -> Result<Place, Refused> {
        let left = deadline.saturating_duration_since(now);
        let limit = self.app.common.inflight_request_limit;
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let wait = self.pace.wait(before, now);
        let refused = if left.is_zero() {
            Some(("deadline", None))
        } else if before >= limit {
            Some(("in_flight", wait))
        } else {
            let too_late = wait.and_then(|wait| wait.checked_sub(left));
            too_late.map(|by| ("deadline", Some(by)))
        };
        if let Some((cause, wait)) = refused {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            let retry_after = wait.unwrap_or_default().clamp(SOONEST, LATEST);
            return Err(Refused { cause, retry_after });
        }
        if before + 1 == BUSY {
            self.pace.grew_busy(now);
        }
        self.app.metrics.in_flight.inc();
        Ok(Place(self.clone()))
    }

    /// Returns how many pushes are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A place in flight, given back on drop.
#[derive(Debug)]
pub struct Place(Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) > BUSY {
            self.0.pace.settled(Instant::now());
        }
        self.0.app.metrics.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::super::testing::{Stage, at_once};
    use super::*;
    use crate::providers::Outcome;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn places_in_flight_are_given_back_and_refusals_say_when() {
        let stage = Stage::new(&Config::default(), |_, _| at_once(Outcome::Accepted));
        let lane = stage.lane;
        let limit = lane.app.common.inflight_request_limit;
        let enter = |lane: &Arc<Lane>, seconds: u32| {
            let now = Instant::now();
            lane.enter(now, now + seconds * SECOND)
        };
        let mut places: Vec<Place> = (0..limit).map(|_| enter(&lane, 25).unwrap()).collect();
        let full = Refused { cause: "in_flight", retry_after: SOONEST };
        assert_eq!(enter(&lane, 25).unwrap_err(), full, "nothing is known of its pace");

        // 500 a second: 18 seconds for those who are left.
        for _ in 0..1000 {
            advance(SECOND / 500).await;
            places.pop();
        }
        let refused = enter(&lane, 10).unwrap_err();
        assert_eq!(refused.cause, "deadline");
        assert!((7 * SECOND..9 * SECOND).contains(&refused.retry_after), "{refused:?}");
        let in_time = enter(&lane, 25);
        assert!(in_time.is_ok());
        assert_eq!(enter(&lane, 0).unwrap_err().cause, "deadline");
        assert_eq!(lane.in_flight(), places.len() + 1);
        places.extend(std::iter::from_fn(|| enter(&lane, 60).ok()));
        let full = enter(&lane, 60).unwrap_err();
        assert_eq!(full.cause, "in_flight");
        assert!((18 * SECOND..22 * SECOND).contains(&full.retry_after), "{full:?}");

        drop((places, in_time));
        assert_eq!(lane.in_flight(), 0);
        assert_eq!(lane.app.metrics.in_flight.get(), 0);
    }
}
