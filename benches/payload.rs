//! What making a provider's request costs, sealing included, from the smallest push to the largest.
//!
//! Through the door that `render` uses: the request is made as for sending, and, but for webhooks,
//! its message once more without a limit, to tell what was cut. So the figures are for comparing,
//! and about twice what a push pays; what a push costs in all, `loadtest/run.sh limits` tells.
//!
//! `cargo bench --bench payload`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use loadtest::peers::apns::ProviderKey;
use loadtest::peers::oauth::OAuth;
use loadtest::peers::webpush::{self, WebPush};
use peregrine::config;
use peregrine::matrix;
use peregrine::providers::{App, Push};
use peregrine::telemetry::Metrics;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const IDS: &str = include_str!("../tests/homeserver_bodies/event_id_only_message.json");
const FULL: &str = include_str!("../tests/homeserver_bodies/full_message.json");

const PROVIDERS: [&str; 5] = ["apns", "fcm", "webpush", "unifiedpush", "webhook"];

/// Those whose messages have a limit.
const CUTTING: [&str; 4] = ["apns", "fcm", "webpush", "unifiedpush"];

/// Ids and counts only.
#[divan::bench(args = PROVIDERS)]
fn ids(bencher: Bencher, provider: &str) {
    make(bencher, provider, serde_json::from_str(IDS).unwrap_or_default());
}

/// A message in full.
#[divan::bench(args = PROVIDERS)]
fn full(bencher: Bencher, provider: &str) {
    make(bencher, provider, serde_json::from_str(FULL).unwrap_or_default());
}

/// A message of 60 kB, of which little fits.
#[divan::bench(args = CUTTING)]
fn truncated(bencher: Bencher, provider: &str) {
    let mut body: Value = serde_json::from_str(FULL).unwrap_or_default();
    body["notification"]["content"]["body"] = json!("grüße \"alle\"\n".repeat(60_000 / 16));
    make(bencher, provider, body);
}

fn make(bencher: Bencher, provider: &str, mut body: Value) {
    let device = &mut body["notification"]["devices"][0];
    match provider {
        "apns" => device["pushkey"] = json!("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
        "fcm" => device["pushkey"] = json!(format!("dRNW8JkQTXCFZ2uPmlDdyl:APA91b{:0128}", 7)),
        // Without keys, as most clients come; `benches/encrypt.rs` tells what sealing costs.
        "unifiedpush" => device["pushkey"] = json!("https://push.example.org/upMDEyMzQ1?up=1"),
        "webhook" => {}
        _ => {
            let browser = WebPush::start(&webpush::Options::default()).subscribe();
            device["pushkey"] = json!(browser.p256dh);
            device["data"] = browser.data();
        }
    }
    let app = app(provider);
    let request = Arc::new(decoded(&body));
    let make = || {
        let push = Push::new(request.clone(), 0)?;
        app.preview(&push).ok()?
    };
    assert!(make().is_some(), "a push that is not sent");
    bencher.bench_local(make);
}

fn decoded(body: &Value) -> matrix::NotifyRequest {
    matrix::decode(Bytes::from(body.to_string())).unwrap_or_default()
}

/// Configures one app of the provider, with credentials of its own.
fn app(provider: &str) -> App {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let keys = keys(provider, folder.path());
    let file = folder.path().join("config.yaml");
    let written = fs::write(&file, format!("apps:\n  app:\n    type: {provider}\n{keys}"));
    assert!(written.is_ok(), "cannot write the configuration");
    let loaded = config::load(&file, &|_| None, &Metrics::new());
    let apps = loaded.map(|loaded| loaded.config.apps);
    let app = apps.unwrap_or_else(|report| panic!("{report:?}")).pop();
    app.unwrap_or_else(|| panic!("no app"))
}

fn keys(provider: &str, folder: &Path) -> String {
    match provider {
        "apns" => {
            let key = ProviderKey::new("KEY0000001", "TEAM000001", &["org.example.app"]);
            format!(
                "    keyfile: {}\n    key_id: KEY0000001\n    team_id: TEAM000001\n    topic: org.example.app\n",
                key.write(folder).display(),
            )
        }
        "fcm" => {
            let account = OAuth::start().service_account("load").write(folder);
            format!("    project_id: load\n    service_account_file: {}\n", account.display())
        }
        "unifiedpush" => String::new(),
        "webhook" => {
            "    url: https://hooks.example.org/matrix\n    secret: to sign with\n".to_owned()
        }
        _ => {
            let pem = rcgen::KeyPair::generate().map(|key| key.serialize_pem());
            let written = fs::write(folder.join("vapid.pem"), pem.unwrap_or_default());
            assert!(written.is_ok(), "cannot write the VAPID key");
            "    vapid_private_key: vapid.pem\n    vapid_contact_email: push@example.org\n    \
             allow_private_addresses: true\n"
                .to_owned()
        }
    }
}
