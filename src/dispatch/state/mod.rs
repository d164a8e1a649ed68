//! The tables' two homes: this process alone, or Redis besides, where replicas share them.
//!
//! This process's memory comes first in both. What it does not know is asked of Redis in one round
//! trip before a push is sent, and what came of the push is told in another (`replicas`, in the
//! words of `scripts`). Redis may be down, slow or wrong: then memory alone decides, because a
//! duplicate is better than a loss. `link` keeps one connection to the `server` for each worker
//! thread, `health` says once a minute what is wrong with it, `settings` reads `redis_url`.

#[cfg(not(feature = "redis"))]
pub mod alone;
#[cfg(feature = "redis")]
pub mod health;
#[cfg(feature = "redis")]
pub mod link;
#[cfg(feature = "redis")]
pub mod replicas;
#[cfg(feature = "redis")]
pub mod scripts;
#[cfg(feature = "redis")]
pub mod server;
#[cfg(feature = "redis")]
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::time::Instant;

use super::config::{Config, StateBackend, StateConfig};
use super::keys::Keys;
use super::table::Key;
use crate::fault::Fault;
use crate::providers::Finding;
use crate::telemetry::Metrics;

#[cfg(not(feature = "redis"))]
pub use alone::{Redis, Replicas};
#[cfg(feature = "redis")]
pub use {replicas::Replicas, server::Redis};

/// Where the tables live, for the whole process.
#[derive(Debug, Clone, Default)]
pub enum Home {
    /// In this process.
    #[default]
    Memory,
    /// In Redis besides.
    Redis(Arc<Redis>),
}

impl Home {
    /// Prepares what is configured; connections are opened by [`Self::replicas`].
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the configuration; a Redis that does not answer is not.
    pub fn prepare(
        config: &StateConfig,
        roots: &Arc<RootCertStore>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Fault> {
        match config.backend {
            StateBackend::Memory => Ok(Self::Memory),
            StateBackend::Redis => {
                let redis = Redis::new(config, roots, metrics)?;
                Ok(Self::Redis(Arc::new(redis)))
            }
        }
    }

    /// Returns what makes the tables' keys: where they are shared, every replica makes the same.
    pub fn keys(&self) -> Keys {
        match self {
            Self::Memory => Keys::drawn(),
            Self::Redis(_) => Keys::shared(),
        }
    }

    /// Opens this worker thread's connection to the other replicas, if there can be any.
    pub fn replicas(&self) -> Option<Replicas> {
        self.redis().map(Replicas::new)
    }

    /// Tries whether the other replicas can be asked; `None` where there is nobody to ask.
    pub async fn probe(&self) -> Option<Finding> {
        Some(self.redis()?.probe().await)
    }

    /// Says what operators should know about it while the gateway serves all the same.
    pub fn trouble(&self) -> Option<&'static str> {
        self.redis()?.is_down().then_some(
            "redis does not answer: duplicates, rejections and rate limits are not shared with \
             other replicas",
        )
    }

    /// Whether this is where the tables live already.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self.redis(), other.redis()) {
            (Some(one), Some(other)) => one.is_same_as(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn redis(&self) -> Option<&Arc<Redis>> {
        match self {
            Self::Memory => None,
            Self::Redis(redis) => Some(redis),
        }
    }
}

/// A push that is to be sent, as far as other replicas may know of it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The key of its device.
    pub device: Key,
    /// When the device was registered.
    pub pushkey_ts: Option<u64>,
    /// The key of its event, if it has one that may come twice.
    pub event: Option<Key>,
    /// Where the rate limit and the windows stand.
    pub config: &'a Config,
    /// When it must be settled.
    pub deadline: Instant,
}

/// Why a push need not or may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The pushkey gets more pushes than its limit.
    RateLimited {
        /// When the limit allows one.
        retry_after: Duration,
    },
    /// Another replica heard that the pushkey is dead.
    Dead,
    /// Another replica delivered the event.
    Delivered,
    /// Another replica has the event under way, and nothing came of it before the deadline.
    DeadlinePassed,
}
