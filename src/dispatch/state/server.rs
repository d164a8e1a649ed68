//! The Redis that replicas share: how it is reached, whether it answers, and what it must be able
//! to do before a push relies on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use rustls::RootCertStore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::health::{Health, Trouble};
use super::scripts::Scripts;
use super::settings::Settings;
use crate::dispatch::config::StateConfig;
use crate::fault::Fault;
use crate::providers::Finding;
use crate::telemetry::Metrics;

/// Longest time to open a connection: two lost SYNs (RFC 6298, section 2: one second, doubling).
const OPENING: Duration = Duration::from_secs(5);

/// Questions that may wait to be written.
const QUEUE: usize = 4096;

/// What every worker thread's link shares.
pub struct Redis {
    /// How to reach it.
    pub(super) settings: Settings,
    /// Whether it answers.
    pub(super) health: Health,
    /// Tells this process from other replicas.
    replica: u64,
}

impl Redis {
    /// Prepares links; each worker thread opens its own.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the configuration.
    pub fn new(
        config: &StateConfig,
        roots: &Arc<RootCertStore>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Fault> {
        let settings = Settings::new(config, roots)?;
        let health = Health::new(settings.address(), metrics.clone());
        Ok(Self { settings, health, replica: fastrand::u64(..) })
    }

    /// Whether a worker thread remembers alone at the moment.
    pub fn is_down(&self) -> bool {
        self.health.is_down()
    }

    /// Whether this is the same Redis, reached in the same way.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.settings.is_same_as(&other.settings)
    }

    /// Opens a connection and closes it again, to see whether everything a push needs works.
    pub async fn probe(&self) -> Finding {
        let tried = format!("redis at {}", self.settings.address());
        let opened = async {
            let (mut connection, _driver) = self.connect().await?;
            self.prepare(&mut connection).await
        };
        match opened.await {
            Ok(_) => Finding::ok(tried, ""),
            Err(trouble) => Finding::failed(tried, &trouble.detail, trouble.instead()),
        }
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<(MultiplexedConnection, Driver), Trouble> {
        let Settings { origin, login, dialer, .. } = &self.settings;
        let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(QUEUE);
        let connecting = async {
            let stream = dialer.connect(origin).await?;
            let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
            let (connection, driver) = opened?;
            Ok((connection, Driver(actix_rt::spawn(driver))))
        };
        let connected = timeout(OPENING, connecting).await;
        connected.unwrap_or_else(|_| Err(Trouble::no_connection(OPENING)))
    }

    /// Makes the scripts known on a connection, and sees whether everything a push needs works.
    pub(super) async fn prepare(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Scripts, Trouble> {
        let limit = self.settings.timeout;
        let loaded = timeout(limit, Scripts::load(connection, self.replica)).await;
        loaded.unwrap_or_else(|_| Err(Trouble::timeout(limit)))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// Moves the bytes of one connection until it is dropped.
pub(super) struct Driver(pub(super) JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
