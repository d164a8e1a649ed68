//! The simulated providers of a rig, and what an app that uses them is configured with.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::KeyPair;

use crate::driver::bodies::{Devices, Registered};
use crate::driver::options::Kind;
use crate::peers::apns::{self, Apns, ProviderKey};
use crate::peers::fcm::{self, Fcm};
use crate::peers::oauth::OAuth;
use crate::peers::unifiedpush::UnifiedPush;
use crate::peers::webpush::{self, WebPush};
use crate::peers::{Ledger, Peer, Recording};

/// Devices of an app: more than would bring the limit of each within sight.
const DEVICES: u64 = 100_000;

/// Devices of an app that are registered somewhere. Browsers have key pairs, which take time to
/// make.
const REGISTERED: usize = 8192;

/// One simulated provider.
pub(super) struct Provider {
    pub(super) kind: Kind,
    pub(super) peer: Peer,
    /// The keys of an app that uses it.
    pub(super) keys: String,
    pub(super) devices: Devices,
}

impl Provider {
    /// Starts a provider, with its credentials in a folder, marking what arrives in a ledger.
    pub(super) fn start(
        kind: Kind,
        first_streams: Option<u32>,
        folder: &Path,
        ledger: &Arc<Ledger>,
    ) -> io::Result<Self> {
        let (peer, keys, devices) = match kind {
            Kind::Apns => apns(first_streams, folder),
            Kind::Fcm => fcm(folder),
            Kind::Webpush => webpush(folder)?,
            Kind::Unifiedpush => unifiedpush(),
        };
        peer.recording(Recording::Totals);
        peer.ledger(ledger);
        Ok(Self { kind, peer, keys: format!("type: {}\n{keys}", kind.name()), devices })
    }
}

fn apns(first_streams: Option<u32>, folder: &Path) -> (Peer, String, Devices) {
    let key = ProviderKey::new("LOADTEST01", "PEREGRINE1", &["org.example.load"]);
    let options = apns::Options::default().key(&key);
    let peer = Apns::start(match first_streams {
        Some(streams) => options.first_streams(streams),
        None => options,
    });
    let keys = format!(
        "keyfile: {}\nkey_id: {}\nteam_id: {}\ntopic: org.example.load\nendpoint: {}\n",
        key.write(folder).display(),
        key.key_id(),
        key.team_id(),
        peer.url(),
    );
    let devices = Devices::numbered(Kind::Apns, 0, DEVICES);
    ((*peer).clone(), keys, devices)
}

fn fcm(folder: &Path) -> (Peer, String, Devices) {
    let oauth = OAuth::start();
    let account = oauth.service_account("load").write(folder);
    let peer = Fcm::start(fcm::Options::new("load").oauth(&oauth));
    let keys = format!(
        "project_id: load\nservice_account_file: {}\nendpoint: {}\n",
        account.display(),
        peer.url(),
    );
    let devices = Devices::numbered(Kind::Fcm, 0, DEVICES);
    ((*peer).clone(), keys, devices)
}

fn webpush(folder: &Path) -> io::Result<(Peer, String, Devices)> {
    let key = folder.join("vapid.pem");
    let pair = KeyPair::generate().map_err(io::Error::other)?;
    fs::write(&key, pair.serialize_pem())?;
    let peer = WebPush::start(&webpush::Options::default());
    let keys = format!(
        "vapid_private_key: {}\nvapid_contact_email: push@example.org\n\
         allow_private_addresses: true\n",
        key.display(),
    );
    let browser = |_| {
        let browser = peer.subscribe();
        Registered {
            pushkey: browser.p256dh,
            endpoint: Some(browser.endpoint),
            auth: Some(browser.auth),
        }
    };
    let browsers = Devices::Registered((0..REGISTERED).map(browser).collect());
    Ok(((*peer).clone(), keys, browsers))
}

fn unifiedpush() -> (Peer, String, Devices) {
    let peer = UnifiedPush::start();
    let phone = |_| Registered { pushkey: peer.endpoint().url, endpoint: None, auth: None };
    let phones = Devices::Registered((0..REGISTERED).map(phone).collect());
    let keys = "allow_private_addresses: true\n".to_owned();
    ((*peer).clone(), keys, phones)
}
