//! Keys that are replaced on disk: a reload takes the new ones while pushes flow.

use std::cell::Cell;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use loadtest::peers::apns::{Apns, Options, ProviderKey};
use loadtest::peers::webpush::{self, WebPush};
use loadtest::peers::{Peer, Received};
use serde_json::Value;

use crate::helpers::{Line, Setup, TOKEN, TOPIC, event, fcm};

/// Arrivals at each provider before keys change, and again afterwards.
const FLOW: usize = 30;

#[tokio::test]
async fn no_push_is_lost_under_load_while_keys_change() {
    let [old, new] =
        ["KEY0000001", "KEY0000002"].map(|key_id| ProviderKey::new(key_id, "TEAMROTATE", &[TOPIC]));
    let apple = Apns::start(Options::default().key(&old).key(&new));
    let google = fcm();
    let service = WebPush::start(&webpush::Options::default());
    let browser = service.subscribe();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}\ndelivery: {rate_limit: null}")
        .apns("ios", &apple, &old, "")
        .fcm("android", &google, "")
        .webpush("web", "allow_private_addresses: true")
        .start();
    let folder = gateway.setup().folder();
    let old_vapid = public_key(&fs::read_to_string(folder.join("vapid.pem")).unwrap());

    let notification = |app_id: &str, event_id: &str| {
        let pushkey = match app_id {
            "web" => &browser.p256dh,
            _ => TOKEN,
        };
        let mut body = event(app_id, pushkey, event_id);
        if app_id == "web" {
            body["notification"]["devices"][0]["data"] = browser.data();
        }
        body
    };
    let account = google.oauth().service_account("project");
    let renewed = account.clone().another_key();
    let changed = Cell::new(false);
    let line = async |app_id: &str, line: usize| {
        let mut connection = Line::to(&gateway).await;
        let mut pushes = 0;
        while !changed.get() {
            let body = notification(app_id, &format!("${line}-{pushes}"));
            let answer = connection.notify(&body).await;
            answer.expect("an answer").assert_rejects(&[]);
            pushes += 1;
        }
        pushes
    };
    let flow = async |app_id: &str| {
        let (one, other) = tokio::join!(line(app_id, 0), line(app_id, 1));
        one + other
    };
    let peers: [&Peer; 3] = [&apple, &google, &service];
    let flows_on = async || {
        for peer in peers {
            peer.wait_for(peer.count() + FLOW).await;
        }
    };

    let change = async {
        flows_on().await;
        // The file of the same name; Apple's new key has an id of its own, which YAML tells.
        fs::write(folder.join("AuthKey_KEY0000001.p8"), new.p8()).unwrap();
        let yaml = gateway.setup().yaml();
        let yaml = yaml.replace("key_id: KEY0000001", "key_id: KEY0000002");
        let _ = renewed.write(folder);
        let vapid = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(folder.join("vapid.pem"), &vapid).unwrap();
        gateway.reload(&yaml).await.unwrap();
        flows_on().await;
        // And another account, in the same file.
        let _ = google.oauth().service_account("successor").write(folder);
        gateway.reload(&yaml).await.unwrap();
        flows_on().await;
        changed.set(true);
        public_key(&vapid)
    };
    let (new_vapid, ios, android, web) =
        tokio::join!(change, flow("ios"), flow("android"), flow("web"));
    for app_id in ["ios", "android", "web"] {
        let answer = gateway.notify(&notification(app_id, "$last")).await;
        answer.assert_rejects(&[]);
    }
    for (peer, sent) in peers.into_iter().zip([ios, android, web]) {
        assert_eq!((peer.accepted(), peer.doubled()), (sent + 1, 0));
        assert_eq!(peer.refused(), 0);
    }

    let (first, last) = ends(&apple);
    let key_id = |push: &Received| jwt_part(push.header("authorization"), 0)["kid"].clone();
    assert_eq!((key_id(&first), key_id(&last)), (old.key_id().into(), new.key_id().into()));
    let [project, successor] =
        ["project", "successor"].map(|it| format!("push@{it}.iam.gserviceaccount.com"));
    let bought: Vec<_> = google.oauth().received().iter().map(bought_by).collect();
    assert_eq!(
        bought,
        [
            (project.clone(), account.key_id().to_owned()),
            (project, renewed.key_id().to_owned()),
            (successor, account.key_id().to_owned()),
        ],
        "a token for each key"
    );
    let (first, last) = ends(&service);
    let signed_by = |push: &Received, key: &str| push.header("authorization").contains(key);
    assert!(signed_by(&first, &old_vapid) && signed_by(&last, &new_vapid));
}

/// Returns the first and the last request of a peer.
fn ends(peer: &Peer) -> (Received, Received) {
    let mut received = peer.received();
    let last = received.pop().expect("several requests");
    (received.swap_remove(0), last)
}

/// Returns the account that asked for an access token, and the id of its key.
fn bought_by(request: &Received) -> (String, String) {
    let form = std::str::from_utf8(&request.body).unwrap();
    let assertion = form.split("assertion=").nth(1).unwrap();
    let text = |part, name| jwt_part(assertion, part)[name].as_str().unwrap().to_owned();
    (text(1, "iss"), text(0, "kid"))
}

/// Returns the head (0) or the claims (1) of a token, after its scheme if it has one.
fn jwt_part(token: &str, part: usize) -> Value {
    let token = token.rsplit(' ').next().unwrap();
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Returns a VAPID key's public point, as it stands in a request.
fn public_key(pem: &str) -> String {
    let pair = rcgen::KeyPair::from_pem(pem).unwrap();
    URL_SAFE_NO_PAD.encode(pair.public_key_raw())
}
