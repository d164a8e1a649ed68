//! The devices of an app: pushkeys as each provider's clients register them.

use std::sync::Arc;

use crate::driver::options::Kind;

/// The devices of an app.
#[derive(Debug, Clone)]
pub(crate) enum Devices {
    /// Pushkeys that are a number between fixed characters.
    Numbered {
        /// What stands before and after the number's digits.
        around: (&'static str, &'static str),
        /// How many digits it has.
        digits: usize,
        /// The first number.
        first: u64,
        /// How many there are.
        count: u64,
    },
    /// Devices that are registered somewhere, each with what it was given there.
    Registered(Arc<[Registered]>),
}

/// A device that is registered at a push service. All of an app have values of the same length.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) pushkey: String,
    /// `endpoint` of the pusher's data.
    pub(crate) endpoint: Option<String>,
    /// `auth` of the pusher's data.
    pub(crate) auth: Option<String>,
}

impl Devices {
    /// Makes devices of a provider whose pushkeys need not be registered anywhere.
    pub(crate) fn numbered(kind: Kind, first: u64, count: u64) -> Self {
        let (around, digits) = match kind {
            // 32 bytes in base64; the last characters carry bits that decoders may drop.
            Kind::Apns => (("", "AAA="), 40),
            _ => (("dRNW8JkQTXCFZ2uPmlDdyl:APA91b", ""), 128),
        };
        Self::Numbered { around, digits, first, count }
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Numbered { count, .. } => *count,
            Self::Registered(all) => all.len() as u64,
        }
    }
}
