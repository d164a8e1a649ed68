//! The configuration's faults, and attempts against a simulated push service whose outcome depends
//! on time.

use std::time::Duration;

use loadtest::peers::Answer;
use loadtest::peers::webpush::{Options, Subscription, WebPush as Peer};
use serde_json::{Value, json};

use super::*;
use crate::fault::Fault;
use crate::matrix;
use crate::providers::actor::Provider as _;
use crate::providers::testing::Around;
use crate::transport::Addresses;

const LONG: Duration = Duration::from_secs(20);

fn prepare(around: &Around, changed: &Value) -> Result<Plan, Vec<Fault>> {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    around.file("vapid.pem", key);
    let mut keys = json!({
        "vapid_private_key": "vapid.pem", "vapid_contact_email": "push@example.org",
    });
    for (key, value) in changed.as_object().unwrap() {
        keys[key] = value.clone();
    }
    around.prepare::<Config>(keys)
}

#[test]
fn faults_are_found_together() {
    let rows: [(Value, &[&str]); 5] = [
        (json!({}), &[]),
        (json!({ "max_connections": 20, "ttl": 0, "allowed_endpoints": [] }), &[]),
        (json!({ "vapid_private_key": "none.pem" }), &["vapid_private_key"]),
        (json!({ "endpoint": "https://push.example" }), &["endpoint"]),
        (
            json!({
                "vapid_private_key": "none.pem", "vapid_contact_email": "Nobody",
                "endpoint": "https://push.example", "max_connections": 0,
            }),
            &["endpoint", "max_connections", "vapid_contact_email", "vapid_private_key"],
        ),
    ];
    let around = Around::new("webpush");
    for (keys, expected) in rows {
        let faults = prepare(&around, &keys).err().unwrap_or_default();
        let found: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(found, expected, "{keys}");
        assert!(faults.iter().all(|fault| !fault.instead.is_empty()), "{faults:?}");
    }
}

#[test]
fn only_public_addresses_unless_asked_for() {
    let around = Around::new("webpush");
    for (keys, expected) in [
        (json!({}), Addresses::Public),
        (json!({ "allow_private_addresses": false }), Addresses::Public),
        (json!({ "allow_private_addresses": true }), Addresses::Any),
    ] {
        let plan = prepare(&around, &keys).unwrap();
        assert_eq!(plan.dialer.addresses, expected);
        let [credential] = &*plan.credentials() else {
            panic!("one key");
        };
        assert!(credential.description.starts_with("VAPID key B"), "{credential:?}");
    }
}

async fn send(courier: &Rc<WebPush>, to: &Subscription) -> Outcome {
    let body = json!({ "notification": {
        "event_id": "$e",
        "devices": [{ "app_id": "app", "pushkey": to.p256dh, "data": to.data() }],
    }});
    let request = matrix::decode(body.to_string().into()).unwrap();
    let push = Push::new(request.into(), 0).unwrap();
    courier.send(push, Instant::now() + LONG).await
}

#[actix_rt::test]
async fn a_token_is_renewed_once_an_hour_has_passed() {
    let around = Around::new("webpush");
    let plan = prepare(&around, &json!({ "allow_private_addresses": true })).unwrap();
    let (peer, courier) = (Peer::start(&Options::default()), plan.build());
    let to = peer.subscribe();
    assert_eq!(send(&courier, &to).await, Outcome::Accepted);
    for hours in [0, 1] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(hours * 3600)).await;
        tokio::time::resume();
        peer.answer_next(Answer::new(401, "109"));
        let outcome = send(&courier, &to).await;
        let expected = if hours == 0 { "transient" } else { "accepted" };
        assert_eq!(outcome.as_str(), expected, "{outcome:?}");
        assert_eq!(peer.vapid_tokens().len(), if hours == 0 { 1 } else { 2 });
    }
    assert_eq!(peer.refused(), 0);
}
