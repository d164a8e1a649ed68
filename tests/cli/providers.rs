//! A configuration with an app at each of Apple's and Google's simulations, and the program run on
//! it.

use std::io::Write as _;
use std::process::{Output, Stdio};

use loadtest::peers::apns::{self, Apns, ProviderKey};
use loadtest::peers::fcm::{self, Fcm};
use serde_json::Value;

use crate::Folder;

/// A device token of the app `ios`.
pub(crate) const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The token that `check --online` pushes to: 32 bytes of text.
pub(crate) const NOBODY_AT_APPLE: &str =
    "706572656772696e6520636865636b3a206e6f74206120646576696365202e2e";

/// The registration token of the message that `check --online` has checked.
pub(crate) const NOBODY_AT_GOOGLE: &str = "peregrine-check:not-a-registration-token";

/// Apple, Google, and a folder whose configuration names them.
pub(crate) struct Providers {
    pub(crate) apple: Apns,
    pub(crate) google: Fcm,
    pub(crate) folder: Folder,
}

impl Providers {
    /// Starts both; `more` is appended to the configuration, after its apps.
    pub(crate) fn start(more: &str) -> Self {
        let key = ProviderKey::new("KEY0000001", "TEAM000001", &["org.example"]);
        let apple = Apns::start(apns::Options::default().key(&key));
        let google = Fcm::start(fcm::Options::new("example"));
        let folder = Folder::with(&format!(
            "tls: {{ca_file: ca.pem}}\n\
             apps:\n  \
               ios.*:\n    type: apns\n    keyfile: AuthKey_KEY0000001.p8\n    \
                 key_id: KEY0000001\n    team_id: TEAM000001\n    topic: org.example\n    \
                 convert_device_token_to_hex: false\n    endpoint: {}\n  \
               android:\n    type: fcm\n    service_account_file: {}\n    endpoint: {}\n{more}",
            apple.url(),
            "service-account.json",
            google.url(),
        ));
        let _ = key.write(folder.path());
        let _ = apple.write_ca(folder.path());
        let account = google.oauth().service_account("example").json();
        std::fs::write(folder.path().join("service-account.json"), account).unwrap();
        Self { apple, google, folder }
    }

    /// Starts both as the real ones are: devices that do not exist are refused.
    pub(crate) fn strict(more: &str) -> Self {
        let providers = Self::start(more);
        let unknown = apns_refusal();
        providers.apple.for_token(NOBODY_AT_APPLE).always(unknown);
        let unknown = fcm::violation("message.token", "Invalid registration token");
        providers.google.for_token(NOBODY_AT_GOOGLE).always(unknown);
        providers
    }
}

fn apns_refusal() -> loadtest::peers::Answer {
    loadtest::peers::Answer::new(400, "BadDeviceToken")
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Folder, args: &[&str]) -> Output {
    folder.peregrine(args).output().unwrap()
}

/// Runs the program to its end with this standard input.
pub(crate) fn run_with(folder: &Folder, args: &[&str], input: &str) -> Output {
    let mut child = folder
        .peregrine(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that needs no more of it may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Returns standard output as text.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns standard output as JSON.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {:?} {said}", text(output))
    })
}
