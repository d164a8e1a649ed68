//! A bearer token of the whole process, renewed before it ends by one task at a time.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Time between attempts to renew a token that is still valid.
const RENEWAL_PAUSE: Duration = Duration::from_secs(15);

/// Time for which a failed renewal is the answer for those who come after it, so that a broken
/// issuer is not asked once for each push.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// Longest time a token is used, whatever its issuer says.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A fresh token.
#[derive(Clone)]
pub struct Fresh {
    /// The value of the `authorization` header.
    pub header: HeaderValue,
    /// How long it may be used from now on.
    pub valid_for: Duration,
}

/// A token shared by every thread.
#[derive(Debug)]
pub struct TokenCache<E> {
    early: Duration,
    state: Mutex<State<E>>,
    /// Wakes those who wait for a renewal to end.
    ended: Notify,
}

#[derive(Debug)]
struct State<E> {
    token: Option<Token>,
    renewing: bool,
    /// How often a renewal failed, when the last one did, and why.
    failures: u64,
    failed: Option<(Instant, E)>,
}

struct Token {
    header: HeaderValue,
    /// When to renew it.
    stale: Instant,
    /// When not to use it any more.
    ends: Instant,
    ends_at: SystemTime,
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("valid_for", &self.valid_for).finish_non_exhaustive()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("ends_at", &self.ends_at).finish_non_exhaustive()
    }
}

impl<E: Clone + Send + Sync + 'static> TokenCache<E> {
    /// Makes an empty cache whose tokens are renewed `early` before they end.
    ///
    /// A token that is valid for less than twice that is renewed at half its time.
    #[must_use]
    pub fn new(early: Duration) -> Arc<Self> {
        Arc::new(Self {
            early,
            state: Mutex::new(State { token: None, renewing: false, failures: 0, failed: None }),
            ended: Notify::new(),
        })
    }

    /// Returns the token. The first caller that finds none runs `renew` and every other waits for
    /// it; within the last `early` of a token's life one caller renews it in the background of its
    /// own thread while all use the old one.
    ///
    /// A caller that goes away while it renews is replaced by one that waits. A renewal in the
    /// background that fails is tried again after a pause, and is nobody's error while the old
    /// token is valid.
    ///
    /// # Errors
    ///
    /// Returns the error of `renew` to all who waited for it.
    pub async fn get<F, R>(self: &Arc<Self>, renew: F) -> Result<HeaderValue, E>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Fresh, E>> + 'static,
    {
        let mut failures_before = None;
        loop {
            match self.step(&mut failures_before) {
                Step::Use(header) => return Ok(header),
                Step::UseAndRenew(header, renewal) => {
                    actix_rt::spawn(renewal.run(renew()));
                    return Ok(header);
                }
                // In a box, so that those who find a token hold no room for getting one.
                Step::Renew(renewal) => return Box::pin(renewal.run(renew())).await,
                Step::Wait(ended) => ended.await,
                Step::Fail(error) => return Err(error),
            }
        }
    }

    /// Decides what a caller does next; `failures_before` is what it saw when it began to wait.
    fn step(self: &Arc<Self>, failures_before: &mut Option<u64>) -> Step<'_, E> {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.ends) {
            let header = token.header.clone();
            if now < token.stale || state.renewing {
                return Step::Use(header);
            }
            return Step::UseAndRenew(header, self.begin(&mut state));
        }
        let waited_for_it = failures_before.is_some_and(|before| before < state.failures);
        if let Some((when, error)) = &state.failed
            && (waited_for_it || now < *when + FAILURE_PAUSE)
        {
            return Step::Fail(error.clone());
        }
        if state.renewing {
            failures_before.get_or_insert(state.failures);
            // Made under the lock, so the end cannot be missed: it wakes all who have begun to
            // wait.
            return Step::Wait(self.ended.notified());
        }
        Step::Renew(self.begin(&mut state))
    }

    /// Forgets `token` after the provider refused it, unless it was replaced meanwhile.
    pub fn refused(&self, token: &HeaderValue) {
        self.lock().token.take_if(|held| held.header == token);
    }

    /// Returns when the token ends, if there is one.
    pub fn expires(&self) -> Option<SystemTime> {
        self.lock().token.as_ref().map(|token| token.ends_at)
    }

    fn begin(self: &Arc<Self>, state: &mut State<E>) -> Renewal<E> {
        state.renewing = true;
        Renewal(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller does next.
enum Step<'a, E: Clone + Send + Sync + 'static> {
    Use(HeaderValue),
    UseAndRenew(HeaderValue, Renewal<E>),
    Renew(Renewal<E>),
    Wait(Notified<'a>),
    Fail(E),
}

/// The right to renew the token; given back when it is dropped, at the latest with its thread.
struct Renewal<E: Clone + Send + Sync + 'static>(Arc<TokenCache<E>>);

impl<E: Clone + Send + Sync + 'static> Renewal<E> {
    async fn run(self, renewed: impl Future<Output = Result<Fresh, E>>) -> Result<HeaderValue, E> {
        let renewed = renewed.await;
        let now = Instant::now();
        let mut state = self.0.lock();
        match renewed {
            Ok(Fresh { header, valid_for }) => {
                let valid_for = valid_for.min(LONGEST_LIFE);
                let ends = now + valid_for;
                let early = self.0.early.min(valid_for / 2);
                state.token = Some(Token {
                    header: header.clone(),
                    stale: ends.checked_sub(early).unwrap_or(now),
                    ends,
                    ends_at: SystemTime::now() + valid_for,
                });
                state.failed = None;
                Ok(header)
            }
            Err(error) => {
                state.failures += 1;
                state.failed = Some((now, error.clone()));
                if let Some(token) = &mut state.token {
                    token.stale = now + RENEWAL_PAUSE;
                }
                Err(error)
            }
        }
    }
}

impl<E: Clone + Send + Sync + 'static> Drop for Renewal<E> {
    fn drop(&mut self) {
        self.0.lock().renewing = false;
        self.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
