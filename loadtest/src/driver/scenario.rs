//! What each scenario has: its provider, the gateway's configuration, the bodies sent.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{Name, Options};
use crate::peers::apns::{self, Apns, ProviderKey};
use crate::peers::fcm::{self, Fcm};
use crate::peers::oauth::OAuth;
use crate::peers::{Peer, Recording, pki};

/// The `app_id` of every scenario.
const APP_ID: &str = "org.example.load";

/// Devices that notifications go to, in turn: more than any per-device limit would allow one.
const DEVICES: u64 = 100_000;

/// One scenario, ready to run.
pub(super) struct Scenario {
    provider: Provider,
    config: PathBuf,
    pushkey: fn(u64) -> String,
    /// Holds keys and configuration; removed at the end.
    _folder: TempDir,
}

enum Provider {
    Apns(Apns),
    Fcm(Fcm),
}

/// What the simulated provider saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    /// Pushes it accepted.
    pub(super) accepted: usize,
    /// Pushes it refused.
    pub(super) refused: usize,
    /// Connections opened to it.
    pub(super) connections: usize,
}

impl Scenario {
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        let (provider, app, pushkey): (_, _, fn(u64) -> String) = match options.scenario {
            Name::Apns => {
                let (peer, app) = apns(at);
                (Provider::Apns(peer), app, device_token)
            }
            Name::Fcm => {
                let (peer, app) = fcm(at);
                (Provider::Fcm(peer), app, registration_token)
            }
        };
        let config = at.join("config.yaml");
        fs::write(&config, configuration(options, &pki::write_ca(at), &app))?;
        let scenario = Self {
            provider,
            config,
            pushkey,
            _folder: folder,
        };
        scenario.peer().recording(Recording::Totals);
        scenario
            .peer()
            .latency(Duration::from_millis(options.latency_ms));
        Ok(scenario)
    }

    /// Returns the gateway's configuration file.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Returns what makes the body of the nth notification: as Synapse sends it for pushers with
    /// `format: event_id_only`, each with an event id of its own.
    pub(super) fn body(&self) -> Arc<dyn Fn(u64) -> String + Send + Sync> {
        let pushkey = self.pushkey;
        Arc::new(move |n| {
            let pushkey = pushkey(n % DEVICES);
            let mut body = String::with_capacity(512);
            // Writing to a String cannot fail.
            let _ = write!(
                body,
                r#"{{"notification":{{"counts":{{"unread":{unread}}},"devices":[{{"app_id":"{APP_ID}","data":{{"format":"event_id_only"}},"pushkey":"{pushkey}","pushkey_ts":1795357551}}],"event_id":"${n:043}","prio":"high","room_id":"!seRlOToAiznowdPAgDH9KQzrF3Zp4YufJhIkRZTyir4"}}}}"#,
                unread = n % 7,
            );
            body
        })
    }

    /// Forgets what the provider saw so far.
    pub(super) fn forget(&self) {
        self.peer().clear_record();
    }

    /// Returns what the provider saw since.
    pub(super) fn truth(&self) -> Truth {
        let peer = self.peer();
        Truth {
            accepted: peer.accepted(),
            refused: peer.refused(),
            connections: peer.connections_opened(),
        }
    }

    fn peer(&self) -> &Peer {
        match &self.provider {
            Provider::Apns(apns) => apns,
            Provider::Fcm(fcm) => fcm,
        }
    }
}

fn apns(folder: &Path) -> (Apns, String) {
    let key = ProviderKey::new("LOADTEST01", "PEREGRINE1", &["org.example.load"]);
    let peer = Apns::start(apns::Options::default().key(&key));
    let app = format!(
        "    type: apns\n    keyfile: {}\n    key_id: {}\n    team_id: {}\n    topic: org.example.load\n    endpoint: {}\n",
        key.write(folder).display(),
        key.key_id(),
        key.team_id(),
        peer.url(),
    );
    (peer, app)
}

fn fcm(folder: &Path) -> (Fcm, String) {
    let oauth = OAuth::start();
    let account = oauth.service_account("load").write(folder);
    let peer = Fcm::start(fcm::Options::new("load").oauth(&oauth));
    let app = format!(
        "    type: fcm\n    project_id: load\n    service_account_file: {}\n    endpoint: {}\n",
        account.display(),
        peer.url(),
    );
    (peer, app)
}

fn configuration(options: &Options, ca: &Path, app: &str) -> String {
    format!(
        "http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\nruntime: {{workers: {}}}\n\
         tls: {{ca_file: {}}}\nlog: {{format: json, access: {{enabled: false}}}}\n\
         apps:\n  {APP_ID}:\n{app}",
        options.workers,
        ca.display(),
    )
}

/// A base64 device token of 32 bytes.
fn device_token(n: u64) -> String {
    format!("{n:043}=")
}

fn registration_token(n: u64) -> String {
    format!("dRNW8JkQTXCFZ2uPmlDdyl:APA91b{n:0128}")
}
