//! Panics as log lines: where, and never what about, because a message may quote what was handled.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::thread;

use super::logs::Seldom;

/// Logs panics of all threads from now on, instead of printing them.
pub(super) fn log() {
    let seldom = Seldom::default();
    panic::set_hook(Box::new(move |panic| {
        let Some(left_out) = seldom.is_due() else {
            return;
        };
        // A text that is part of the program quotes nobody.
        let what = panic.payload().downcast_ref::<&'static str>();
        // Taken if RUST_BACKTRACE is set.
        let backtrace = Backtrace::capture();
        let taken = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            at = panic.location().map(tracing::field::display),
            thread = thread::current().name(),
            what,
            left_out,
            backtrace = taken.then_some(backtrace).map(tracing::field::display),
            "a panic: please report it, peregrine goes on without the push that met it",
        );
    }));
}
