//! From the first signal to the end: what the service manager and the operator can ask of a
//! running gateway, and what the service manager (`systemd`) is told of it.

mod systemd;

use std::io;
use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Gateway;

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every notification in flight was answered.
    Drained,
    /// The deadline or a second signal came before that.
    CutShort,
    /// A listener or worker thread ended by itself.
    Failed,
}

/// The signals that a gateway obeys.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Receives signals from now on. Each of them kills the process before, so this comes before
    /// anything that others can see.
    ///
    /// # Errors
    ///
    /// Returns an error if signals cannot be received.
    pub fn receive() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Runs a gateway until SIGTERM or SIGINT, then drains it; a second signal ends it at once. SIGHUP
/// calls `reload`, which returns whether the new configuration is in force.
pub async fn run_until_stopped(
    signals: Signals,
    mut gateway: Gateway,
    reload: impl Fn(&Gateway) -> bool,
) -> Ended {
    let Signals { mut terminate, mut interrupt, mut hang_up } = signals;
    let mut stop = async || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };

    let mut watchdog = pin!(systemd::watchdog(gateway.pulse()));
    systemd::ready(format_args!("serving {}", gateway.summary()));
    loop {
        tokio::select! {
            signal = stop() => {
                tracing::info!(signal, "stopping: pushes in flight are settled first");
                break;
            }
            _ = hang_up.recv() => {
                systemd::reloading();
                let remark = if reload(&gateway) { "" } else { "; the last reload was refused" };
                systemd::ready(format_args!("serving {}{remark}", gateway.summary()));
            }
            () = gateway.ended() => {
                tracing::error!("a listener ended by itself");
                return Ended::Failed;
            }
            never = &mut watchdog => match never {},
        }
    }
    systemd::stopping("settling the pushes in flight");
    let drained = tokio::select! {
        drained = gateway.drain() => drained,
        never = &mut watchdog => match never {},
        signal = stop() => {
            tracing::warn!(signal, "stopped at once; homeservers will repeat what was left");
            return Ended::CutShort;
        }
    };
    if !drained {
        tracing::warn!("stopped at the deadline; homeservers will repeat what was left");
        return Ended::CutShort;
    }
    tracing::info!("stopped");
    Ended::Drained
}
