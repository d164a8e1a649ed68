//! What came of each push, for those who watch: the access line, the traces, the status page.
//!
//! An [`Ending`] goes up the walk of every push and costs nothing but its few words; a [`Report`]
//! gathers them for those who asked for one.

use std::sync::Arc;
use std::time::Duration;

use super::plan::Plan;
use super::routes::Routed;
use super::verdict::{Settlement, Verdict};
use crate::matrix::{Device, NotifyRequest};
use crate::providers::Outcome;

/// What came of one push, in more words than the homeserver needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The provider took it.
    Accepted,
    /// The provider called the pushkey dead, or none could take it.
    Rejected,
    /// The provider failed, or the deadline came first.
    Transient,
    /// Dropped for a fault of the message.
    Permanent,
    /// The event was delivered before, or is under way.
    Duplicate,
    /// The pushkey is known to be dead: nobody was asked.
    RejectedFromMemory,
    /// Over the rate limit of its pushkey.
    RateLimited,
    /// A badge that waits, and gives way to a later one.
    Coalesced,
    /// Not attempted, to protect the rest.
    Shed,
    /// No app has the app_id.
    UnknownApp,
    /// More than one app matches the app_id.
    AmbiguousApp,
}

impl Fate {
    /// Every fate, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Rejected,
        Self::Transient,
        Self::Permanent,
        Self::Duplicate,
        Self::RejectedFromMemory,
        Self::RateLimited,
        Self::Coalesced,
        Self::Shed,
        Self::UnknownApp,
        Self::AmbiguousApp,
    ];

    /// Returns its name in logs, traces and the status data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Duplicate => "duplicate",
            Self::RejectedFromMemory => "rejected_from_memory",
            Self::RateLimited => "rate_limited",
            Self::Coalesced => "coalesced",
            Self::Shed => "shed",
            Self::UnknownApp => "unknown_app",
            Self::AmbiguousApp => "ambiguous_app",
        }
    }

    /// Returns what a provider's outcome means.
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Transient { .. } => Self::Transient,
            Outcome::Permanent(_) => Self::Permanent,
        }
    }

    /// Whether somebody should know why it came about.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Transient | Self::Permanent | Self::Shed)
    }

    /// Whether the provider had its say, or its time: such pushes make up the latencies.
    pub const fn was_attempted(self) -> bool {
        matches!(self, Self::Accepted | Self::Rejected | Self::Transient | Self::Permanent)
    }
}

/// How the walk of one push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// For the homeserver.
    pub settlement: Settlement,
    /// For those who watch.
    pub fate: Fate,
    /// Why; empty where the fate says it all.
    pub reason: &'static str,
    /// What exactly. Never content, never a pushkey.
    pub detail: Option<Box<str>>,
    /// How often the provider was asked.
    pub attempts: u32,
    /// How long that took; nothing for what was answered at once.
    pub took: Duration,
}

impl Ending {
    /// Ends a walk at once, without an attempt.
    pub const fn at_once(settlement: Settlement, fate: Fate, reason: &'static str) -> Self {
        Self { settlement, fate, reason, detail: None, attempts: 0, took: Duration::ZERO }
    }

    /// Ends a walk that is not begun, to protect the rest.
    pub const fn shed(retry_after: Duration, reason: &'static str) -> Self {
        Self::at_once(Settlement::Shed { retry_after }, Fate::Shed, reason)
    }

    /// Whether the provider took the push.
    pub fn is_accepted(&self) -> bool {
        self.fate == Fate::Accepted
    }
}

/// What came of a notification.
#[derive(Debug, Clone)]
pub struct Notified {
    /// For the homeserver.
    pub verdict: Verdict,
    /// For those who watch, if they asked.
    pub report: Option<Report>,
}

/// What came of each device of a notification.
#[derive(Debug, Clone)]
pub struct Report {
    plan: Arc<Plan>,
    request: Arc<NotifyRequest>,
    endings: Vec<Ending>,
}

impl Report {
    /// Gathers the endings, one for each device in the request's order.
    pub fn new(plan: Arc<Plan>, request: Arc<NotifyRequest>, endings: Vec<Ending>) -> Self {
        Self { plan, request, endings }
    }

    /// Returns how many devices there are.
    pub fn len(&self) -> usize {
        self.endings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endings.is_empty()
    }

    /// Returns each device with what came of it.
    pub fn devices(&self) -> impl Iterator<Item = (&Device, &Ending)> {
        self.request.devices.iter().zip(&self.endings)
    }

    /// Returns the configured name of a device's app, if there is one.
    pub fn app(&self, device: &Device) -> Option<&str> {
        match self.plan.routes.find(&device.app_id) {
            Routed::To(lane) => Some(&self.plan.lanes[lane].app.pattern),
            Routed::Unknown | Routed::Ambiguous(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_are_listed_in_the_order_of_their_numbers() {
        for (number, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(fate as usize, number, "{}", fate.as_str());
        }
    }
}
