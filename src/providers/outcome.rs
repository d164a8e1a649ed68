//! What came of handing one push to its provider.

use std::time::Duration;

use crate::transport::{Failure, Sent, TransportError};

/// What came of handing one push to its provider: every answer is exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Accepted,
    /// The pushkey is dead; the homeserver must drop the pusher. Never for an outage, a wrong
    /// credential, a wrong topic or project, or a payload fault.
    Rejected(Cause),
    /// It did not arrive, and may arrive later.
    Transient {
        /// Why.
        cause: Cause,
        /// When another attempt makes sense.
        retry: Retry,
    },
    /// No attempt will succeed, and the pushkey is not to blame: this message is dropped.
    Permanent(Cause),
}

/// Why, as a metric label and for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// One of a closed list: the provider's, or ours.
    pub reason: &'static str,
    /// Whether only the operator can mend it: raises the alarm.
    pub alarm: bool,
    /// Whether it says nothing of the provider's health: it came about here, or it is one lost
    /// connection, which takes every push on it along.
    pub neutral: bool,
    /// What to do about it, or what exactly failed; for the log. Never content, never a pushkey.
    pub detail: Option<Box<str>>,
}

/// When another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At once and free: the provider surely did not process the request.
    AtOnce,
    /// After the usual backoff.
    Backoff,
    /// Not before this time has passed: the provider said so.
    After(Duration),
    /// Not within this request: the operator has to act first.
    Useless,
}

impl Cause {
    /// A reason that needs no operator.
    pub const fn new(reason: &'static str) -> Self {
        Self { reason, alarm: false, neutral: false, detail: None }
    }

    /// A reason that was found here, without asking the provider.
    pub const fn local(reason: &'static str) -> Self {
        Self { reason, alarm: false, neutral: true, detail: None }
    }

    /// A reason that only the operator can mend.
    pub const fn alarm(reason: &'static str) -> Self {
        Self { reason, alarm: true, neutral: false, detail: None }
    }

    /// Adds what the log should say.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl Outcome {
    /// A transient outcome after the usual backoff.
    pub const fn backoff(cause: Cause) -> Self {
        Self::Transient { cause, retry: Retry::Backoff }
    }

    /// An operator's mistake: 502 towards the homeserver, not repeated within the request.
    pub const fn operator(reason: &'static str) -> Self {
        Self::Transient { cause: Cause::alarm(reason), retry: Retry::Useless }
    }

    /// A transient outcome after the wait that the provider asked for, else after the usual
    /// backoff.
    pub fn later(cause: Cause, wait: Option<Duration>) -> Self {
        Self::Transient { cause, retry: wait.map_or(Retry::Backoff, Retry::After) }
    }

    /// Adds what the log should say of why.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Box<str>>) -> Self {
        match &mut self {
            Self::Accepted => {}
            Self::Rejected(cause) | Self::Permanent(cause) | Self::Transient { cause, .. } => {
                cause.detail = Some(detail.into());
            }
        }
        self
    }

    /// Returns the metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Transient { .. } => "transient",
            Self::Permanent(_) => "permanent",
        }
    }

    /// Takes out why, except for what was accepted.
    pub fn into_cause(self) -> Option<Cause> {
        match self {
            Self::Accepted => None,
            Self::Rejected(cause) | Self::Permanent(cause) | Self::Transient { cause, .. } => {
                Some(cause)
            }
        }
    }

    /// Returns why, except for what was accepted.
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Accepted => None,
            Self::Rejected(cause) | Self::Permanent(cause) | Self::Transient { cause, .. } => {
                Some(cause)
            }
        }
    }
}

impl From<TransportError> for Outcome {
    fn from(error: TransportError) -> Self {
        if error.failure == Failure::Forbidden {
            let cause = Cause::local("endpoint_not_allowed").with_detail(error.detail);
            return Self::Permanent(cause);
        }
        // A request that found no place in time would find none at once either.
        let found_no_place = matches!(error.failure, Failure::Overloaded | Failure::Timeout);
        let retry = match error.sent {
            _ if error.failure == Failure::Resting => Retry::Useless,
            Sent::No if !found_no_place => Retry::AtOnce,
            Sent::No | Sent::Unreachable | Sent::Perhaps => Retry::Backoff,
        };
        let cause = Cause {
            // A host that closes every connection is another matter: then there is none to be had.
            neutral: error.failure == Failure::Closed && error.sent == Sent::Perhaps,
            ..Cause::new(error.failure.as_str()).with_detail(error.detail)
        };
        Self::Transient { cause, retry }
    }
}
