//! A gateway on free ports, on a thread and in a folder of its own.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use peregrine::app::Gateway;
use peregrine::config;
use peregrine::telemetry::Metrics;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;

use super::{Answer, OwnApp, PATIENCE, Setup, request, until};

/// A running gateway. Dropped, it is stopped at once.
pub(crate) struct TestGateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    setup: Setup,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Reload(String, oneshot::Sender<Result<(), String>>),
    Drain(oneshot::Sender<bool>),
}

impl TestGateway {
    pub(super) fn start(setup: Setup) -> Self {
        let config = setup.folder().join("config.yaml");
        fs::write(&config, setup.yaml()).unwrap();
        let (orders, obey) = mpsc::unbounded_channel();
        let (started, addresses) = channel();
        let env = setup.env.clone();
        let own = setup.own.clone();
        let thread = thread::spawn(move || {
            let runtime =
                || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let system = actix_rt::System::with_tokio_rt(runtime);
            system.block_on(run(config, env, own, started, obey));
        });
        let (public, admin) = addresses.recv_timeout(PATIENCE).expect("the gateway starts");
        Self { public, admin, setup, orders, thread: Some(thread) }
    }

    /// Sends a notification.
    pub(crate) async fn notify(&self, body: &Value) -> Answer {
        self.post(body.to_string().as_bytes()).await
    }

    /// Sends a body as it is.
    pub(crate) async fn post(&self, body: &[u8]) -> Answer {
        request(self.public, "POST", "/_matrix/push/v1/notify", body).await
    }

    /// Asks the admin port.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        request(self.admin, "GET", path, b"").await
    }

    /// Sends a notification on a task of its own.
    pub(crate) fn begin(&self, body: &Value) -> task::JoinHandle<Answer> {
        let (public, body) = (self.public, body.to_string());
        task::spawn(async move {
            request(public, "POST", "/_matrix/push/v1/notify", body.as_bytes()).await
        })
    }

    /// Waits until readiness has this status, and returns the answer.
    pub(crate) async fn until_ready_is(&self, status: u16) -> Answer {
        until("readiness changes", async || {
            let answer = self.admin("/health/ready").await;
            (answer.status == status).then_some(answer)
        })
        .await
    }

    /// Puts another configuration in force, as SIGHUP does.
    pub(crate) async fn reload(&self, yaml: &str) -> Result<(), String> {
        let (done, reloaded) = oneshot::channel();
        self.orders.send(Order::Reload(yaml.to_owned(), done)).unwrap();
        timeout(PATIENCE, reloaded).await.expect("the reload ends").unwrap()
    }

    /// Returns what the gateway was started with.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Returns what the gateway was started with, to take it away.
    pub(crate) fn setup_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }

    /// Stops as SIGTERM does. Returns whether every push was settled.
    pub(crate) async fn drain(&self) -> bool {
        let (done, drained) = oneshot::channel();
        self.orders.send(Order::Drain(done)).unwrap();
        timeout(PATIENCE, drained).await.expect("the drain ends").unwrap()
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        // Without orders the gateway's thread ends.
        let (orders, _) = mpsc::unbounded_channel();
        self.orders = orders;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(
    file: PathBuf,
    env: HashMap<String, String>,
    own: Vec<OwnApp>,
    started: Sender<(SocketAddr, SocketAddr)>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let metrics = Metrics::new();
    let env = |name: &str| env.get(name).cloned();
    let load = |file: &Path| {
        let mut loaded = config::load(file, &env, &metrics).map_err(|report| report.to_string())?;
        let own = own.iter().map(|app| app(&metrics));
        loaded.config.apps.extend(own);
        Ok::<_, String>(loaded)
    };
    let loaded = load(&file).unwrap_or_else(|report| panic!("{report}"));
    let mut gateway = Gateway::start(loaded.config, metrics.clone()).unwrap();
    let address = |addresses: &[String]| addresses[0].parse().unwrap();
    let addresses = (address(gateway.public_addresses()), address(gateway.admin_addresses()));
    started.send(addresses).unwrap();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Reload(yaml, done) => {
                fs::write(&file, yaml).unwrap();
                let reloaded = load(&file).map(|loaded| gateway.reload(loaded.config));
                let _ = done.send(reloaded);
            }
            Order::Drain(done) => {
                let _ = done.send(gateway.drain().await);
                return;
            }
        }
    }
    gateway.stop().await;
}
