//! The composition root: a configuration becomes listeners, worker threads and supervisors.
//!
//! Used by `serve` and by the tests alike. actix-web makes the worker threads, each with a
//! single-threaded runtime of its own (`listen`); the first listener that comes up on a thread
//! starts that thread's supervisor (`crew`), and every handler on it talks to that one. Nothing
//! crosses threads on the way of a notification.

mod crew;
mod listen;

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::config::{Config, Standing};
use crate::dispatch::{Beat, Plan};
use crate::http::{self, AdminState, PublicState};
use crate::providers::Auto;
use crate::telemetry::Metrics;
use crew::Crew;
use listen::Listener;

pub use listen::StartError;

/// How often a drain looks whether the last push is settled.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// How long after the delivery deadline the last push is surely settled.
const AFTER_DEADLINE: Duration = Duration::from_secs(2);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    public: Listener,
    admin: Listener,
    prometheus: Option<Listener>,
    crew: Arc<Crew>,
    standing: Standing,
    lookout: JoinHandle<()>,
}

impl Gateway {
    /// Starts listening. Must be called within an actix `System`.
    ///
    /// # Errors
    ///
    /// Returns the address that cannot be listened on, and why.
    pub fn start(config: Config, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        let binds = (config.public_binds(), config.admin_binds(), config.prometheus_binds());
        let standing = config.standing();
        let workers = worker_threads(config.runtime.workers);
        let plan = Plan::new(config.delivery, config.apps, workers, None);
        let crew = Arc::new(Crew::new(plan, config.home, workers, config.runtime.pin_cores));

        let public = {
            let (crew, metrics) = (crew.clone(), metrics.clone());
            let trusted_proxies = Arc::new(config.http.trusted_proxies());
            let (max_body_bytes, access) = (config.http.max_body_bytes, config.log.access);
            move |routes: &mut ServiceConfig| {
                let state = PublicState {
                    dispatcher: crew.supervisor_here().recipient(),
                    max_body_bytes,
                    unifiedpush: crew.unifiedpush.clone(),
                    trusted_proxies: trusted_proxies.clone(),
                    access: access.clone(),
                    metrics: metrics.clone(),
                };
                http::configure(routes, state);
            }
        };
        let admin = {
            let (crew, metrics) = (crew.clone(), metrics.clone());
            let draining = crew.memory.draining.clone();
            let readiness = crew.clone();
            let state = AdminState {
                metrics,
                readiness: Arc::new(move || readiness.readiness()),
                draining,
                status: Arc::new(move |query| crew.status(query)),
            };
            move |routes: &mut ServiceConfig| http::configure_admin(routes, state.clone())
        };
        let prometheus =
            move |routes: &mut ServiceConfig| http::configure_metrics(routes, metrics.clone());

        Ok(Self {
            public: Listener::open(public, &binds.0, workers)?,
            admin: Listener::open(admin, &binds.1, 1)?,
            prometheus: match binds.2.as_slice() {
                [] => None,
                binds => Some(Listener::open(prometheus, binds, 1)?),
            },
            lookout: actix_rt::spawn({
                let crew = crew.clone();
                async move { crew.look_out().await }
            }),
            crew,
            standing,
        })
    }

    /// Returns where notifications are taken: `127.0.0.1:5000`, `unix:/run/peregrine.sock`.
    pub fn public_addresses(&self) -> &[String] {
        &self.public.addresses
    }

    /// Returns where health and metrics are.
    pub fn admin_addresses(&self) -> &[String] {
        &self.admin.addresses
    }

    /// Returns where metrics alone are, if anywhere.
    pub fn prometheus_addresses(&self) -> &[String] {
        self.prometheus.as_ref().map(|listener| listener.addresses.as_slice()).unwrap_or_default()
    }

    /// Puts another configuration in force without losing a push. Apps that did not change keep
    /// their connections, and nothing known is forgotten. Listeners, worker threads and the tables'
    /// home stay as they are.
    pub fn reload(&self, config: Config) {
        for key in self.standing.changed(&config.standing()) {
            tracing::warn!(key, "a change here takes a restart: it stays as it was");
        }
        if !config.home.is_same_as(&self.crew.memory.home) {
            tracing::warn!(
                "a change under `state` takes a restart: the tables stay where they are"
            );
        }
        let before = self.crew.plan.get();
        let plan = Plan::new(config.delivery, config.apps, self.crew.workers, Some(&before));
        self.crew.adopt(plan);
    }

    /// Says in a few words what is served where.
    pub fn summary(&self) -> String {
        let apps = self.crew.plan.get().lanes.len();
        let plural = if apps == 1 { "" } else { "s" };
        format!("{apps} app{plural} on {}", self.public.addresses.join(", "))
    }

    /// Returns what tells whether the worker threads move.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.crew.clone())
    }

    /// Waits until a listener ends by itself.
    pub async fn ended(&mut self) {
        let prometheus = async {
            match &mut self.prometheus {
                Some(listener) => listener.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.public.ended() => {}
            () = self.admin.ended() => {}
            () = prometheus => {}
        }
    }

    /// Stops: readiness goes down, accepting stops, pushes in flight are settled within the
    /// delivery deadline. Returns whether all of them were.
    pub async fn drain(&mut self) -> bool {
        let crew = &self.crew;
        crew.memory.drain();
        self.public.pause().await;
        // Soon after the deadline every push is settled one way or the other.
        let last = Instant::now() + crew.plan.get().config.deadline() + AFTER_DEADLINE;
        while crew.memory.unsettled() > 0 && Instant::now() < last {
            sleep(DRAIN_STEP).await;
        }
        let drained = crew.memory.unsettled() == 0;
        self.public.stop(true).await;
        self.stop().await;
        drained
    }

    /// Stops at once.
    pub async fn stop(&self) {
        self.lookout.abort();
        let listeners = [Some(&self.public), Some(&self.admin), self.prometheus.as_ref()];
        for listener in listeners.into_iter().flatten() {
            listener.stop(false).await;
        }
    }
}

/// Tells whether the worker threads of a gateway move.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Crew>);

impl Pulse {
    /// Waits until every worker thread has answered; returns whether all of them could.
    pub async fn beats(&self) -> bool {
        let answers = join_all(self.0.supervisors().iter().map(|it| it.send(Beat))).await;
        !answers.is_empty() && answers.iter().all(Result::is_ok)
    }
}

fn worker_threads(workers: Auto) -> usize {
    workers.or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a gateway on free ports that also has a listener for metrics.
    fn start() -> Gateway {
        let mut config = Config::default();
        config.http.port = 0;
        config.admin.bind = "127.0.0.1:0".to_owned();
        config.metrics.prometheus.enabled = true;
        config.metrics.prometheus.port = 0;
        config.runtime.workers = Auto::Count(std::num::NonZeroUsize::MIN.saturating_add(1));
        Gateway::start(config, Metrics::new()).unwrap()
    }

    #[actix_rt::test]
    async fn the_end_of_any_listener_is_noticed() {
        for which in 0..3 {
            let mut gateway = start();
            let listeners =
                [Some(&gateway.public), Some(&gateway.admin), gateway.prometheus.as_ref()];
            listeners[which].unwrap().stop(false).await;
            gateway.ended().await;
            gateway.stop().await;
        }
    }

    #[actix_rt::test]
    async fn the_pulse_is_that_of_every_thread() {
        let gateway = start();
        let pulse = gateway.pulse();
        // The threads tell nobody when they are up.
        while pulse.0.supervisors().len() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(pulse.beats().await);
        gateway.stop().await;
    }
}
