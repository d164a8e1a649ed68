//! Sets the contestants up: a simulated provider for each, the gateway's configurations, and one
//! request of the gateway's as the recipe for those who have to send the same.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Options;
use super::bare::{Recipe, Subscriber};
use super::contestant::{Contestant, Kind, Provider};
use super::haproxy;
use super::homeservers::Homeservers;
use super::process::Process;
use crate::peers::apns::{self, Apns, ProviderKey};
use crate::peers::fcm::{self, Fcm};
use crate::peers::oauth::OAuth;
use crate::peers::webpush::{self, WebPush};
use crate::peers::{Peer, Received, Recording, pki};

const APP_ID: &str = "org.example.load";

/// Devices in turn, so many that none comes to its rate limit.
const DEVICES: u64 = 100_000;

/// Browsers in turn; each has a key pair, which takes time to make.
const BROWSERS: usize = 20_000;

/// Starts every contestant.
///
/// # Errors
///
/// Returns an error if one cannot be started, or the gateway does not deliver.
pub(super) async fn set_up(options: &Options) -> io::Result<Vec<Contestant>> {
    let mut contestants = vec![accept()?];
    let key = ProviderKey::new("LOADTEST01", "PEREGRINE1", &[APP_ID]);

    let peer = Apns::start(apns::Options::default().key(&key));
    let folder = tempfile::tempdir()?;
    let app = apns_app(&key, &peer, folder.path());
    let body = |n| notification(&format!("{n:043}="), n, &json!({"format": "event_id_only"}));
    let (gateway, sent) = gateway(options, &folder, &app, &peer, body).await?;
    let apns = Recipe::of(&sent, &peer, options.in_flight);
    contestants.push(bare(Provider::Apns, apns.clone(), &peer));
    contestants.push(taking(
        Kind::Gateway(Provider::Apns),
        gateway,
        body,
        Some(&peer),
    ));

    // Its own, which allows many streams from the first on: it would open a connection for each.
    let peer = Apns::start(apns::Options::default().key(&key).first_streams(1000));
    peer.recording(Recording::Totals);
    let address = peer.address();
    if let Some(proxy) = haproxy::start(&Recipe { address, ..apns }, folder.path()).await? {
        contestants.push(taking(Kind::Forward, proxy, body, Some(&peer)));
    }

    let oauth = OAuth::start();
    let peer = Fcm::start(fcm::Options::new("load").oauth(&oauth));
    let folder = tempfile::tempdir()?;
    let account = oauth.service_account("load").write(folder.path());
    let app = format!(
        "    type: fcm\n    project_id: load\n    service_account_file: {}\n    endpoint: {}\n",
        account.display(),
        peer.url(),
    );
    let body = |n| {
        let pushkey = format!("dRNW8JkQTXCFZ2uPmlDdyl:APA91b{n:0128}");
        notification(&pushkey, n, &json!({"format": "event_id_only"}))
    };
    let (gateway, sent) = self::gateway(options, &folder, &app, &peer, body).await?;
    let recipe = Recipe::of(&sent, &peer, options.in_flight);
    contestants.push(bare(Provider::Fcm, recipe, &peer));
    contestants.push(taking(
        Kind::Gateway(Provider::Fcm),
        gateway,
        body,
        Some(&peer),
    ));

    let peer = WebPush::start(&webpush::Options::default());
    let folder = tempfile::tempdir()?;
    let app = webpush_app(folder.path())?;
    let browsers: Vec<_> = (0..BROWSERS).map(|_| peer.subscribe()).collect();
    let last = browsers[BROWSERS - 1].clone();
    let body = move |n: u64| {
        let browser = &browsers[usize::try_from(n).unwrap_or_default() % BROWSERS];
        let mut data = browser.data();
        data["format"] = json!("event_id_only");
        notification(&browser.p256dh, n, &data)
    };
    let (gateway, sent) = self::gateway(options, &folder, &app, &peer, &body).await?;
    let recipe = Recipe {
        subscriber: Some(Subscriber::new(&last.p256dh, &last.auth)?),
        ..Recipe::of(&sent, &peer, options.in_flight)
    };
    contestants.push(bare(Provider::WebPush, recipe, &peer));
    contestants.push(taking(
        Kind::Gateway(Provider::WebPush),
        gateway,
        body,
        Some(&peer),
    ));
    Ok(contestants)
}

fn accept() -> io::Result<Contestant> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", "accept"]).stderr(Stdio::piped());
    let mut process = Process::start(command, None)?;
    let address = process.wait_for(|line| line.parse().ok())?;
    let body = |n| notification(&format!("{n:043}="), n, &json!({"format": "event_id_only"}));
    Ok(taking(Kind::Accept, (process, address), body, None))
}

fn taking(
    kind: Kind,
    (process, address): (Process, SocketAddr),
    body: impl Fn(u64) -> String + Send + Sync + 'static,
    peer: Option<&Peer>,
) -> Contestant {
    Contestant::Taking {
        kind,
        process,
        address,
        homeservers: Homeservers::new(body),
        peer: peer.cloned(),
    }
}

fn bare(provider: Provider, recipe: Recipe, peer: &Peer) -> Contestant {
    Contestant::Sending {
        kind: Kind::Send(provider),
        recipe,
        peer: peer.clone(),
    }
}

/// Starts a gateway with one app and has it deliver one push. Returns what arrived.
async fn gateway(
    options: &Options,
    folder: &TempDir,
    app: &str,
    peer: &Peer,
    body: impl Fn(u64) -> String + Send + Sync,
) -> io::Result<((Process, SocketAddr), Received)> {
    let config = folder.path().join("config.yaml");
    let text = format!(
        "http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\nruntime: {{workers: 1}}\n\
         tls: {{ca_file: {}}}\nlog: {{format: json, access: {{enabled: false}}}}\n\
         apps:\n  {APP_ID}:\n{app}",
        pki::write_ca(folder.path()).display(),
    );
    fs::write(&config, text)?;
    let mut command = Command::new(&options.gateway);
    command.arg("--config").arg(&config).stderr(Stdio::piped());
    let mut process = Process::start(command, None)?;
    let address: SocketAddr = process.wait_for(public_address)?;
    // The last of all devices, so that the others are not disturbed.
    let body = body(DEVICES - 1);
    let first = Homeservers::new(move |_| body.clone());
    first.send(address, 1, Duration::from_millis(1)).await?;
    let received = peer.next().await;
    peer.recording(Recording::Totals);
    Ok(((process, address), received))
}

/// Finds the public address in a line of the gateway's JSON log.
fn public_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening for notifications").then_some(())?;
    line["address"].as_str()?.parse().ok()
}

/// The nth notification as Synapse sends it for pushers with `format: event_id_only`.
fn notification(pushkey: &str, n: u64, data: &Value) -> String {
    json!({"notification": {
        "counts": {"unread": n % 7},
        "devices": [{
            "app_id": APP_ID, "data": data, "pushkey": pushkey, "pushkey_ts": 1_795_357_551,
        }],
        "event_id": format!("${n:043}"),
        "prio": "high",
        "room_id": "!seRlOToAiznowdPAgDH9KQzrF3Zp4YufJhIkRZTyir4",
    }})
    .to_string()
}

fn apns_app(key: &ProviderKey, peer: &Apns, folder: &Path) -> String {
    format!(
        "    type: apns\n    keyfile: {}\n    key_id: {}\n    team_id: {}\n    topic: {APP_ID}\n    \
         endpoint: {}\n",
        key.write(folder).display(),
        key.key_id(),
        key.team_id(),
        peer.url(),
    )
}

fn webpush_app(folder: &Path) -> io::Result<String> {
    let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
    let file = folder.join("vapid.pem");
    fs::write(&file, key.serialize_pem())?;
    Ok(format!(
        "    type: webpush\n    vapid_private_key: {}\n    vapid_contact_email: push@example.org\n    \
         allow_private_addresses: true\n",
        file.display(),
    ))
}
