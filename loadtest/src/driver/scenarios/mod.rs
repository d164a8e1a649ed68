//! The scenarios: one file each, one line each in the list below.
//!
//! A scenario is a function from the options to its findings. It may live anywhere in this crate:
//! to add one, write the function and its line.

mod compare;
mod latency;
pub(super) mod limits;
mod outage;
mod overload;
mod ratios;
mod scale;
mod soak;
mod steady;
mod tune;

use std::io;

use clap::ValueEnum;

use super::options::Options;
use super::progress::Progress;
use super::report::Findings;

/// Lists the scenarios: name on the command line, what it answers, and the function that runs it.
macro_rules! scenarios {
    ($($(#[doc = $doc:literal])+ $command:literal $name:ident => $run:path,)+) => {
        /// What to measure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub enum Scenario {
            $($(#[doc = $doc])+ #[value(name = $command)] $name,)+
        }

        impl Scenario {
            /// Returns its name, as on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $command,)+
                }
            }

            /// Runs it.
            pub(crate) fn run(
                self,
                options: &Options,
                progress: &Progress,
            ) -> io::Result<Findings> {
                let mut findings = match self {
                    $(Self::$name => $run(options, progress)?,)+
                };
                findings.question = match self {
                    $(Self::$name => concat!($($doc),+).trim().to_owned(),)+
                };
                Ok(findings)
            }
        }
    };
}

scenarios! {
    /// What does a push to Apple cost, and how many a second are there?
    "apns" Apns => steady::apns,
    /// What does a push to Google cost, and how many a second are there?
    "fcm" Fcm => steady::fcm,
    /// What does a push to a browser cost, encryption and all, and how many a second are there?
    "webpush" Webpush => steady::webpush,
    /// What does a push to a phone without Google cost, and how many a second are there?
    "unifiedpush" Unifiedpush => steady::unifiedpush,
    /// What does real traffic cost: bodies of a real homeserver, every provider, many apps?
    "mixed" Mixed => steady::mixed,
    /// How long does a push wait in the gateway at half of its capacity, or at `--rate`?
    "latency" Latency => latency::run,
    /// What happens while a provider stalls, throttles, dies and returns, and to whom?
    "outage" Outage => outage::run,
    /// What happens at five times the capacity, and how soon is it over?
    "overload" Overload => overload::run,
    /// Does anything grow or slow down over hours?
    "soak" Soak => soak::run,
    /// What does each more worker thread bring?
    "scale" Scale => scale::run,
    /// Does a push cost the same with more workers, requests, table entries and apps?
    "ratios" Ratios => ratios::run,
    /// Which workers, actors, connections and limit suit this machine and provider?
    "tune" Tune => tune::run,
    /// What does a push cost at least, and how far from that is the gateway?
    "limits" Limits => limits::run,
}
