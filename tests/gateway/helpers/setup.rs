//! A gateway's configuration, key files and environment, as a test puts them together.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use loadtest::peers::apns::{Apns, ProviderKey};
use loadtest::peers::fcm::Fcm;
use loadtest::peers::pki;
use peregrine::providers::App;
use peregrine::telemetry::Metrics;
use tempfile::TempDir;

use super::TestGateway;
use super::peers::TOPIC;

/// Lets push services be on loopback.
pub(crate) const PRIVATE: &str = "allow_private_addresses: true";

/// A configuration in the making.
pub(crate) struct Setup {
    folder: TempDir,
    sections: String,
    apps: String,
    pub(super) env: HashMap<String, String>,
    pub(super) own: Vec<OwnApp>,
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
        let account = peer.oauth().service_account("project").write(self.folder.path());
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

    /// Adds an app of a provider that only tests have.
    pub(crate) fn own(mut self, app: OwnApp) -> Self {
        self.own.push(app);
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the whole configuration.
    pub(crate) fn yaml(&self) -> String {
        let apps = match self.apps.as_str() {
            // One without apps is refused, and those that only tests have are not in the file.
            "" => "  other: {type: log}\n",
            apps => apps,
        };
        format!(
            "http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\ntls: {{ca_file: ca.pem}}\n{}apps:\n{apps}",
            self.sections,
        )
    }

    /// Starts the gateway.
    pub(crate) fn start(self) -> TestGateway {
        TestGateway::start(self)
    }
}
