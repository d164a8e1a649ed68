//! Starts gateways on free ports, each on a thread and in a folder of its own, and speaks HTTP to
//! them as a homeserver does.

pub(crate) mod bodies;
mod counts;
mod http;
pub(crate) mod proxy;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use http::{Answer, Hears, Line, request};
use loadtest::peers::apns::{self, Apns, ProviderKey};
use loadtest::peers::fcm::{self, Fcm};
use loadtest::peers::oauth::OAuth;
use loadtest::peers::pki;
use peregrine::app::Gateway;
use peregrine::config;
use peregrine::providers::App;
use peregrine::telemetry::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;

/// Far longer than anything here takes: a hanging test ends with a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The topic (bundle id) of every simulated APNs app.
pub(crate) const TOPIC: &str = "org.example.app";

/// The device token of most tests, as a homeserver sends it and as APNs gets it.
pub(crate) const TOKEN: &str = "3q2+796tvu8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc=";
pub(crate) const TOKEN_HEX: &str =
    "deadbeefdeadbeef000102030405060708090a0b0c0d0e0f1011121314151617";

/// A configuration in the making.
pub(crate) struct Setup {
    folder: TempDir,
    sections: String,
    apps: String,
    env: HashMap<String, String>,
    own: Vec<OwnApp>,
}

/// Makes an app of a provider that only tests have.
pub(crate) type OwnApp = Arc<dyn Fn(&Arc<Metrics>) -> App + Send + Sync>;

impl Setup {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let _ = pki::write_ca(folder.path());
        Self {
            folder,
            sections: String::new(),
            apps: String::new(),
            env: HashMap::new(),
            own: Vec::new(),
        }
    }

    /// Adds lines above the apps.
    pub(crate) fn section(mut self, yaml: &str) -> Self {
        writeln!(self.sections, "{yaml}").unwrap();
        self
    }

    /// Sets a variable of the gateway's environment, which has no other.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an app; `keys` are lines without indentation.
    pub(crate) fn app(mut self, pattern: &str, keys: &str) -> Self {
        writeln!(self.apps, "  '{pattern}':").unwrap();
        for line in keys.lines() {
            writeln!(self.apps, "    {line}").unwrap();
        }
        self
    }

    /// Adds an app with token authentication at a simulated APNs.
    pub(crate) fn apns(self, pattern: &str, peer: &Apns, key: &ProviderKey, keys: &str) -> Self {
        let keyfile = key.write(self.folder.path());
        let keys = format!(
            "type: apns\nkeyfile: {}\nkey_id: {}\nteam_id: {}\ntopic: {TOPIC}\nendpoint: {}\n{keys}",
            keyfile.display(),
            key.key_id(),
            key.team_id(),
            peer.url(),
        );
        self.app(pattern, &keys)
    }

    /// Adds an app with a service account at a simulated FCM.
    pub(crate) fn fcm(self, pattern: &str, peer: &Fcm, keys: &str) -> Self {
        let account = peer
            .oauth()
            .service_account("project")
            .write(self.folder.path());
        let keys = format!(
            "type: fcm\nproject_id: project\nservice_account_file: {}\nendpoint: {}\n{keys}",
            account.display(),
            peer.url(),
        );
        self.app(pattern, &keys)
    }

    /// Adds an app for web push with a VAPID key of its own.
    pub(crate) fn webpush(self, pattern: &str, keys: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(self.folder.path().join("vapid.pem"), key).unwrap();
        let keys = format!(
            "type: webpush\nvapid_private_key: vapid.pem\n\
             vapid_contact_email: push@example.org\n{keys}",
        );
        self.app(pattern, &keys)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the whole configuration.
    pub(crate) fn yaml(&self) -> String {
        format!(
            "http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\ntls: {{ca_file: ca.pem}}\n{}apps:\n{}",
            self.sections, self.apps,
        )
    }

    /// Starts the gateway.
    pub(crate) fn start(self) -> TestGateway {
        TestGateway::start(self)
    }
}

/// A simulated APNs with one key.
pub(crate) fn apns() -> (Apns, ProviderKey) {
    apns_with(apns::Options::default())
}

pub(crate) fn apns_with(options: apns::Options) -> (Apns, ProviderKey) {
    // A team of its own, so that no two tests share a provider token.
    let team = format!("T{:09}", fastrand_number());
    let key = ProviderKey::new("KEY0000001", &team, &[TOPIC]);
    (Apns::start(options.key(&key)), key)
}

/// A simulated FCM with its OAuth server.
pub(crate) fn fcm() -> Fcm {
    Fcm::start(fcm::Options::new("project").oauth(&OAuth::start()))
}

fn fastrand_number() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    u32::try_from(RandomState::new().hash_one(0) % 1_000_000_000).unwrap()
}

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
    fn start(setup: Setup) -> Self {
        let config = setup.folder.path().join("config.yaml");
        fs::write(&config, setup.yaml()).unwrap();
        let (orders, obey) = mpsc::unbounded_channel();
        let (started, addresses) = std::sync::mpsc::channel();
        let env = setup.env.clone();
        let own = setup.own.clone();
        let thread = thread::spawn(move || {
            let runtime = || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
            };
            let system = actix_rt::System::with_tokio_rt(runtime);
            system.block_on(run(config, env, own, started, obey));
        });
        let (public, admin) = addresses
            .recv_timeout(PATIENCE)
            .expect("the gateway starts");
        Self {
            public,
            admin,
            setup,
            orders,
            thread: Some(thread),
        }
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

    /// Puts another configuration in force, as SIGHUP does.
    pub(crate) async fn reload(&self, yaml: &str) -> Result<(), String> {
        let (done, reloaded) = oneshot::channel();
        self.orders
            .send(Order::Reload(yaml.to_owned(), done))
            .unwrap();
        timeout(PATIENCE, reloaded)
            .await
            .expect("the reload ends")
            .unwrap()
    }

    /// Returns what the gateway was started with.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Stops as SIGTERM does. Returns whether every push was settled.
    pub(crate) async fn drain(&self) -> bool {
        let (done, drained) = oneshot::channel();
        self.orders.send(Order::Drain(done)).unwrap();
        timeout(PATIENCE, drained)
            .await
            .expect("the drain ends")
            .unwrap()
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
    file: std::path::PathBuf,
    env: HashMap<String, String>,
    own: Vec<OwnApp>,
    started: std::sync::mpsc::Sender<(SocketAddr, SocketAddr)>,
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
    let addresses = (
        address(gateway.public_addresses()),
        address(gateway.admin_addresses()),
    );
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

/// An event notification to one device, with ids only.
pub(crate) fn event(app_id: &str, pushkey: &str, event_id: &str) -> Value {
    json!({ "notification": {
        "event_id": event_id,
        "room_id": "!room:example.org",
        "counts": { "unread": 2 },
        "prio": "high",
        "devices": [{ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 }],
    }})
}

/// A notification of unread counts alone, as Synapse sends it.
pub(crate) fn badge(app_id: &str, pushkey: &str, unread: u64) -> Value {
    json!({ "notification": {
        "id": "", "type": null, "sender": "",
        "counts": { "unread": unread },
        "devices": [{ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 }],
    }})
}

/// A notification of one event to several devices: app_id and pushkey of each.
pub(crate) fn event_to(devices: &[(&str, &str)], event_id: &str) -> Value {
    let device = |(app_id, pushkey): &(&str, &str)| json!({ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 });
    json!({ "notification": {
        "event_id": event_id,
        "room_id": "!room:example.org",
        "counts": { "unread": 2 },
        "devices": devices.iter().map(device).collect::<Vec<_>>(),
    }})
}

impl Setup {
    /// Adds an app of a provider that only tests have.
    pub(crate) fn own(mut self, app: OwnApp) -> Self {
        self.own.push(app);
        self
    }
}

impl TestGateway {
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
}

/// Asks again and again for what tells nobody when it is there.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let found = timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

impl TestGateway {
    /// Returns what the gateway was started with, to take it away.
    pub(crate) fn setup_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }
}
