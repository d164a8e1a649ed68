//! The circuit breaker of one app: a provider that fails again and again is left alone for a while,
//! then asked by single probes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::config::CircuitBreakerConfig;
use crate::telemetry::AppMetrics;

/// The circuit of one app, shared by all worker threads.
#[derive(Debug)]
pub struct Circuit {
    metrics: AppMetrics,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    failures: u32,
    open_for: Duration,
    state: State,
    probes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Pushes flow; this many transient outcomes in a row so far.
    Closed(u32),
    /// No push is tried before this time.
    Open(Instant),
    /// A push is under way as a probe since this time; probes are numbered.
    Probing(Instant, u64),
}

/// The circuit at one moment, for the status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Whether pushes flow.
    pub state: Position,
    /// Transient outcomes in a row so far.
    pub failures: u32,
    /// Seconds until the provider may be asked again; null while pushes flow.
    pub seconds_left: Option<u64>,
}

/// Whether pushes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// They do.
    Closed,
    /// The provider is left alone.
    Open,
    /// A single push asks whether it works again, or the next one will.
    Probing,
}

/// Leave to try a push. Told what came of it; a probe that is dropped untold makes room for
/// another.
#[derive(Debug)]
#[must_use]
pub struct Leave<'a> {
    circuit: &'a Circuit,
    probe: Option<u64>,
}

impl Circuit {
    /// Makes a closed circuit that shows in the app's metrics when it opens.
    pub fn new(config: &CircuitBreakerConfig, metrics: AppMetrics) -> Self {
        let inner = Inner {
            failures: config.failures,
            open_for: Duration::from_secs(config.open_seconds),
            state: State::Closed(0),
            probes: 0,
        };
        Self { metrics, inner: Mutex::new(inner) }
    }

    /// Opens by other numbers from now on.
    pub fn adjust(&self, config: &CircuitBreakerConfig) {
        let mut inner = self.inner();
        inner.failures = config.failures;
        inner.open_for = Duration::from_secs(config.open_seconds);
    }

    /// Makes one that stays closed.
    pub fn always_closed(metrics: AppMetrics) -> Self {
        let never = CircuitBreakerConfig { failures: u32::MAX, open_seconds: 0 };
        Self::new(&never, metrics)
    }

    /// Asks to try a push.
    ///
    /// # Errors
    ///
    /// Returns the time until asking again makes sense.
    pub fn enter(&self, now: Instant) -> Result<Leave<'_>, Duration> {
        let mut inner = self.inner();
        let open_for = inner.open_for;
        let probe = match inner.state {
            State::Closed(_) => None,
            State::Open(until) if now < until => return Err(until - now),
            // One that hangs is joined by another in the end.
            State::Probing(since, _) if now < since + open_for => {
                return Err(since + open_for - now);
            }
            State::Open(_) | State::Probing(..) => {
                inner.probes += 1;
                inner.state = State::Probing(now, inner.probes);
                Some(inner.probes)
            }
        };
        Ok(Leave { circuit: self, probe })
    }

    /// Whether pushes are refused at the moment, but for probes.
    pub fn is_open(&self) -> bool {
        !matches!(self.inner().state, State::Closed(_))
    }

    /// Returns where it stands.
    pub fn reading(&self, now: Instant) -> Reading {
        let inner = self.inner();
        let (state, failures, until) = match inner.state {
            State::Closed(failures) => (Position::Closed, failures, None),
            State::Open(until) if now < until => (Position::Open, inner.failures, Some(until)),
            State::Open(until) => (Position::Probing, inner.failures, Some(until)),
            State::Probing(since, _) => {
                let until = since + inner.open_for;
                (Position::Probing, inner.failures, Some(until))
            }
        };
        let left = until.map(|until| until.saturating_duration_since(now));
        Reading {
            state,
            failures,
            // Rounded up: a second is left until none is.
            seconds_left: left.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        }
    }

    fn worked(&self) {
        let mut inner = self.inner();
        let was_open = !matches!(inner.state, State::Closed(_));
        inner.state = State::Closed(0);
        if was_open {
            // Counted under the lock, so that it never disagrees with the state.
            self.metrics.circuit_open.dec();
            drop(inner);
            let app = &**self.metrics.app();
            tracing::info!(app, "the provider works again: circuit closed");
        }
    }

    fn failed(&self, probe: Option<u64>, now: Instant) {
        let mut inner = self.inner();
        let until = now + inner.open_for;
        match inner.state {
            State::Closed(failures) if failures + 1 < inner.failures => {
                inner.state = State::Closed(failures + 1);
            }
            State::Closed(_) => {
                inner.state = State::Open(until);
                self.metrics.circuit_open.inc();
                drop(inner);
                let app = &**self.metrics.app();
                tracing::warn!(app, "the provider keeps failing: circuit opened");
            }
            State::Probing(_, number) if probe == Some(number) => inner.state = State::Open(until),
            // Pushes that were under way when the circuit opened say nothing new.
            State::Open(_) | State::Probing(..) => {}
        }
    }

    fn abandoned(&self, probe: u64) {
        let mut inner = self.inner();
        if let State::Probing(since, number) = inner.state
            && number == probe
        {
            inner.state = State::Open(since);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        if self.is_open() {
            self.metrics.circuit_open.dec();
        }
    }
}

impl Leave<'_> {
    /// Whether this push is a probe of which nothing is known yet.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Takes note of an outcome that shows the provider at work: all but a transient one.
    pub fn worked(&mut self) {
        self.probe = None;
        self.circuit.worked();
    }

    /// Takes note of a transient outcome.
    pub fn failed(&mut self, now: Instant) {
        self.circuit.failed(self.probe.take(), now);
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe {
            self.circuit.abandoned(probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    const OPEN: Duration = Duration::from_secs(10);

    fn circuit() -> Circuit {
        let config = CircuitBreakerConfig { failures: 3, open_seconds: 10 };
        Circuit::new(&config, Metrics::new().app("app", "log"))
    }

    fn open(circuit: &Circuit, now: Instant) {
        (0..3).for_each(|_| circuit.enter(now).unwrap().failed(now));
        assert!(circuit.is_open());
    }

    #[track_caller]
    fn probe(circuit: &Circuit, now: Instant) -> Leave<'_> {
        let leave = circuit.enter(now).expect("leave");
        assert!(leave.is_probe());
        leave
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let (circuit, now) = (circuit(), Instant::now());
        let mut leave = circuit.enter(now).unwrap();
        leave.failed(now);
        leave.failed(now);
        leave.worked();
        leave.failed(now);
        leave.failed(now);
        assert!(!circuit.is_open());
        assert!(!circuit.enter(now).unwrap().is_probe());
        leave.failed(now);
        assert_eq!(circuit.enter(now).unwrap_err(), OPEN);
        let later = now + OPEN / 4;
        assert_eq!(circuit.enter(later).unwrap_err(), OPEN * 3 / 4);
    }

    #[test]
    fn says_where_it_stands() {
        let (circuit, now) = (circuit(), Instant::now());
        let stands = |now| {
            let Reading { state, failures, seconds_left } = circuit.reading(now);
            (state, failures, seconds_left)
        };
        circuit.enter(now).unwrap().failed(now);
        assert_eq!(stands(now), (Position::Closed, 1, None));
        (0..2).for_each(|_| circuit.enter(now).unwrap().failed(now));
        let third = OPEN / 3;
        assert_eq!(stands(now + third), (Position::Open, 3, Some(7)));
        assert_eq!(stands(now + OPEN), (Position::Probing, 3, Some(0)));
        let mut leave = probe(&circuit, now + OPEN);
        assert_eq!(stands(now + OPEN), (Position::Probing, 3, Some(10)));
        leave.worked();
        assert_eq!(stands(now + OPEN), (Position::Closed, 0, None));
    }

    #[test]
    fn probes_singly_and_closes_when_one_works() {
        let (circuit, now) = (circuit(), Instant::now());
        open(&circuit, now);
        let mut leave = probe(&circuit, now + OPEN);
        assert!(circuit.enter(now + OPEN).is_err(), "a second probe at once");
        leave.worked();
        assert!(!circuit.enter(now + OPEN).unwrap().is_probe());
    }

    #[test]
    fn a_failed_probe_opens_again() {
        let (circuit, now) = (circuit(), Instant::now());
        let mut straggler = circuit.enter(now).unwrap();
        open(&circuit, now);
        let later = now + OPEN;
        let mut leave = probe(&circuit, later);
        straggler.failed(later);
        assert!(circuit.enter(later).is_err(), "a straggler decides nothing");
        leave.failed(later);
        assert!(!leave.is_probe());
        assert_eq!(circuit.enter(later).unwrap_err(), OPEN);
        drop(leave);
        assert_eq!(circuit.enter(later).unwrap_err(), OPEN, "told is told");
    }

    #[test]
    fn a_probe_that_is_gone_makes_room_at_once() {
        let (circuit, now) = (circuit(), Instant::now());
        open(&circuit, now);
        drop(probe(&circuit, now + OPEN));
        drop(probe(&circuit, now + OPEN));
    }

    #[test]
    fn a_probe_that_hangs_is_joined_by_another_which_decides() {
        let (circuit, now) = (circuit(), Instant::now());
        open(&circuit, now);
        let mut hanging = probe(&circuit, now + OPEN);
        let joined = now + 2 * OPEN;
        let second = probe(&circuit, joined);
        hanging.failed(joined);
        assert_eq!(circuit.enter(joined).unwrap_err(), OPEN);
        assert_eq!(circuit.enter(joined + OPEN / 2).unwrap_err(), OPEN / 2);
        drop(hanging);
        assert!(circuit.enter(joined).is_err());
        drop(second);
        let mut third = probe(&circuit, joined);
        third.worked();
        assert!(!circuit.is_open());
    }

    #[test]
    fn the_metric_is_the_state_whoever_is_gone() {
        let now = Instant::now();
        let metrics = Metrics::new().app("app", "log");
        let config = CircuitBreakerConfig::default();
        let config = CircuitBreakerConfig { failures: 3, ..config };
        let before = Circuit::new(&config, metrics.clone());
        open(&before, now);
        assert_eq!(metrics.circuit_open.get(), 1);
        let after = Circuit::new(&config, metrics.clone());
        drop(before);
        assert_eq!(metrics.circuit_open.get(), 0);
        open(&after, now);
        probe(&after, now + OPEN).worked();
        assert_eq!(metrics.circuit_open.get(), 0);
    }

    #[test]
    fn other_numbers_hold_at_once() {
        let (circuit, now) = (circuit(), Instant::now());
        circuit.adjust(&CircuitBreakerConfig { failures: 1, open_seconds: 3 });
        circuit.enter(now).unwrap().failed(now);
        assert_eq!(circuit.enter(now).unwrap_err(), Duration::from_secs(3));
    }
}
