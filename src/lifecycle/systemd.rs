//! What systemd is told of a service of `Type=notify`, by `sd_notify(3)`: that it is ready,
//! reloads, stops, what it does, and (with `WatchdogSec=`) that its worker threads move.
//!
//! Without systemd nothing here does anything, or wakes anybody.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{sleep, timeout};

use crate::app::Pulse;

/// Tells that the service is ready, and what it does.
pub(super) fn ready(status: impl fmt::Display) {
    tell(&[NotifyState::Ready, NotifyState::Status(&status.to_string())]);
}

/// Tells that the configuration is read anew; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => failed(&error),
    }
}

/// Tells that the service stops.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Pats the watchdog, if there is one, as long as all worker threads move.
pub(super) async fn watchdog(pulse: Pulse) -> Infallible {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return pending().await;
    };
    loop {
        // With the look at the threads, not longer than three quarters of the time.
        sleep(within / 4).await;
        if moves(&pulse, within / 2).await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::warn!("a worker thread does not move: the watchdog is not patted");
        }
    }
}

async fn moves(pulse: &Pulse, within: Duration) -> bool {
    timeout(within, pulse.beats()).await.unwrap_or(false)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        failed(&error);
    }
}

fn failed(error: &io::Error) {
    tracing::warn!(%error, "cannot tell systemd");
}
