//! What came of each device, and the fold of all of them into one answer for the homeserver.

use std::time::Duration;

use crate::matrix::Text;
use crate::providers::Outcome;

/// What came of a notification, over all its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every device is settled: delivered, dropped for a permanent fault of the message, or
    /// rejected.
    Settled {
        /// The dead pushkeys, each once, in device order.
        rejected: Vec<Text>,
    },
    /// A provider failed and the attempts are used up.
    ProviderFailed,
    /// The deadline came first.
    DeadlinePassed,
    /// We did not try, to protect the rest.
    Shed {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The pushkey gets more pushes than its limit.
    RateLimited {
        /// When trying again makes sense.
        retry_after: Duration,
    },
}

/// What came of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Delivered, or dropped for a permanent fault of the message.
    Done,
    /// The pushkey is dead.
    Rejected,
    /// The provider failed and the attempts are used up.
    ProviderFailed,
    /// The deadline came first.
    DeadlinePassed,
    /// Not tried, to protect the rest.
    Shed {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// Over the pushkey's rate limit.
    RateLimited {
        /// When trying again makes sense.
        retry_after: Duration,
    },
}

impl Settlement {
    /// Whether the homeserver need not repeat it.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::Rejected)
    }

    /// Returns what a provider's last outcome means for the homeserver.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted | Outcome::Permanent(_) => Self::Done,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Transient { .. } => Self::ProviderFailed,
        }
    }
}

impl Verdict {
    /// Folds the devices: settled if every one is, else the worst of them.
    pub fn fold<'a>(devices: impl IntoIterator<Item = (&'a Text, Settlement)>) -> Self {
        let mut rejected: Vec<&Text> = Vec::new();
        let mut worst = Settlement::Done;
        for (pushkey, settlement) in devices {
            match settlement {
                Settlement::Done => {}
                Settlement::Rejected => rejected.push(pushkey),
                unsettled => worst = worse(worst, unsettled),
            }
        }
        match worst {
            Settlement::Done | Settlement::Rejected => Self::Settled { rejected: once(rejected) },
            Settlement::ProviderFailed => Self::ProviderFailed,
            Settlement::DeadlinePassed => Self::DeadlinePassed,
            Settlement::Shed { retry_after } => Self::Shed { retry_after },
            Settlement::RateLimited { retry_after } => Self::RateLimited { retry_after },
        }
    }
}

/// Returns the worse of two: 502, 504, 503, 429; of two equal ones the longer wait.
fn worse(a: Settlement, b: Settlement) -> Settlement {
    let rank = |settlement: &Settlement| match *settlement {
        Settlement::ProviderFailed => (5, Duration::ZERO),
        Settlement::DeadlinePassed => (4, Duration::ZERO),
        Settlement::Shed { retry_after } => (3, retry_after),
        Settlement::RateLimited { retry_after } => (2, retry_after),
        Settlement::Rejected => (1, Duration::ZERO),
        Settlement::Done => (0, Duration::ZERO),
    };
    if rank(&b) > rank(&a) { b } else { a }
}

/// Lists each pushkey once, in order. Linear: a request may list thousands of dead devices.
fn once(pushkeys: Vec<&Text>) -> Vec<Text> {
    let mut seen = std::collections::HashSet::with_capacity(pushkeys.len());
    pushkeys.into_iter().filter(|&pushkey| seen.insert(pushkey)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHED: Settlement = Settlement::Shed { retry_after: Duration::from_secs(3) };
    const LIMITED: Settlement = Settlement::RateLimited { retry_after: Duration::from_secs(9) };

    fn fold(devices: &[(&str, Settlement)]) -> Verdict {
        let devices: Vec<(Text, Settlement)> =
            devices.iter().map(|&(pushkey, settlement)| (pushkey.into(), settlement)).collect();
        Verdict::fold(devices.iter().map(|(pushkey, settlement)| (pushkey, *settlement)))
    }

    #[test]
    fn settled_lists_the_dead_once_in_order() {
        use Settlement::{Done, Rejected};
        let verdict = fold(&[("c", Rejected), ("a", Done), ("b", Rejected), ("c", Rejected)]);
        assert_eq!(verdict, Verdict::Settled { rejected: vec!["c".into(), "b".into()] });
        assert_eq!(fold(&[("a", Done)]), Verdict::Settled { rejected: vec![] });
    }

    #[test]
    fn unsettled_is_the_worst_of_all() {
        use Settlement::{DeadlinePassed, Done, ProviderFailed, Rejected};
        let all = [("a", Done), ("b", Rejected), ("c", LIMITED), ("d", SHED)];
        assert_eq!(fold(&all[..3]), Verdict::RateLimited { retry_after: Duration::from_secs(9) });
        assert_eq!(fold(&all), Verdict::Shed { retry_after: Duration::from_secs(3) });
        let late = [&all[..], &[("e", DeadlinePassed)]].concat();
        assert_eq!(fold(&late), Verdict::DeadlinePassed);
        let failed = [&[("f", ProviderFailed)], &late[..]].concat();
        assert_eq!(fold(&failed), Verdict::ProviderFailed);
    }

    #[test]
    fn of_two_waits_the_longer() {
        let long = Settlement::Shed { retry_after: Duration::from_secs(7) };
        let verdict = Verdict::Shed { retry_after: Duration::from_secs(7) };
        assert_eq!(fold(&[("a", SHED), ("b", long)]), verdict);
        assert_eq!(fold(&[("a", long), ("b", SHED)]), verdict);
    }
}
