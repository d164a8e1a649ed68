//! One attempt, from push to outcome.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use h2::Reason;
use loadtest::peers::apns::{Apns as Peer, Options, ProviderKey};
use loadtest::peers::pki::ClientCertificate;
use loadtest::peers::{Answer, Received};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::matrix;
use crate::providers::actor::Provider as _;
use crate::providers::apns::{Apns, Config, Plan};
use crate::providers::app::Blueprint as _;
use crate::providers::outcome::{Outcome, Retry};
use crate::providers::push::Push;
use crate::providers::testing::Around;

const APP: &str = "com.example.app";
/// `TOKEN` in base64 and as Apple wants it.
const PUSHKEY: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
const TOKEN: &str = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A simulated APNs and an app that pushes to it.
struct Stage {
    around: Around,
    peer: Peer,
    plan: Plan,
    apns: Rc<Apns>,
}

impl Stage {
    /// An app with a key of its own, so that tests do not share provider tokens.
    fn new(keys: Value) -> Self {
        let key = ProviderKey::new("KEY0000001", "TEAM000001", &[APP]);
        let around = Around::new("apns");
        let _ = key.write(&around.folder);
        let mut keys = keys;
        keys["keyfile"] = "AuthKey_KEY0000001.p8".into();
        keys["key_id"] = key.key_id().into();
        keys["team_id"] = key.team_id().into();
        keys["topic"] = APP.into();
        Self::with(around, Options::default().key(&key), keys)
    }

    fn with(around: Around, options: Options, mut keys: Value) -> Self {
        let peer = Peer::start(options);
        keys["endpoint"] = peer.url().into();
        let plan = around.prepare::<Config>(keys).unwrap();
        let apns = plan.build();
        Self { around, peer, plan, apns }
    }

    async fn send(&self, push: Push) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.apns.send(push, deadline).await
    }

    /// Sends the usual push and returns its outcome as `kind reason`.
    async fn outcome(&self) -> String {
        shown(&self.send(push(&json!({}))).await)
    }

    /// Sends a push that is accepted, and returns Apple's view of it.
    async fn accepted(&self, push: Push) -> Received {
        assert_eq!(self.send(push).await, Outcome::Accepted);
        self.peer.next().await
    }
}

/// A push of ids only to the usual device, with fields of the notification changed.
fn push(changed: &Value) -> Push {
    let mut notification = json!({
        "event_id": "$event", "room_id": "!room:example.com", "counts": {"unread": 2},
        "devices": [{"app_id": APP, "pushkey": PUSHKEY, "pushkey_ts": 1_700_000_000}],
    });
    for (key, value) in changed.as_object().unwrap() {
        notification[key] = value.clone();
    }
    let body = json!({ "notification": notification }).to_string();
    let request = matrix::decode(body.into()).unwrap();
    Push::new(request.into(), 0).unwrap()
}

fn shown(outcome: &Outcome) -> String {
    let cause = outcome.cause();
    let reason = cause.map_or("", |cause| cause.reason);
    let alarm = if cause.is_some_and(|cause| cause.alarm) { " alarm" } else { "" };
    format!("{} {reason}{alarm}", outcome.as_str())
}

#[actix_rt::test]
async fn a_push_arrives_with_a_provider_token() {
    let stage = Stage::new(json!({}));
    let push = push(&json!({}));
    let id = push.id().to_string();
    let request = stage.accepted(push).await;
    assert_eq!(request.path, format!("/3/device/{TOKEN}"));
    assert_eq!(
        request.json,
        json!({"room_id": "!room:example.com", "event_id": "$event", "unread_count": 2})
    );
    for (name, value) in [("apns-id", id.as_str()), ("apns-topic", APP), ("apns-priority", "10")] {
        assert_eq!(request.header(name), value, "{name}");
    }
    for name in ["apns-push-type", "apns-expiration", "apns-collapse-id", "host"] {
        assert!(!request.headers.contains_key(name), "{name}");
    }
    let page = stage.around.metrics.render();
    let metric = r#"expiry_timestamp_seconds{app="im.example",kind="provider_token"} 1"#;
    assert!(page.contains(metric), "{page}");
}

#[actix_rt::test]
async fn headers_follow_the_configuration() {
    let long_room = format!("!{}:example.com", "r".repeat(80));
    let stage = Stage::new(json!({
        "push_type": "alert", "collapse_per_room": true, "expiration_seconds": 60,
    }));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let request = stage.accepted(push(&json!({"prio": "low"}))).await;
    assert_eq!(request.header("apns-push-type"), "alert");
    assert_eq!(request.header("apns-priority"), "5");
    assert_eq!(request.header("apns-collapse-id"), "!room:example.com");
    let expires: u64 = request.header("apns-expiration").parse().unwrap();
    assert!((now.as_secs() + 60..now.as_secs() + 90).contains(&expires));
    let request = stage.accepted(push(&json!({"room_id": long_room}))).await;
    assert_eq!(request.header("apns-collapse-id").len(), 43);
    let badge = json!({"event_id": null, "room_id": "!room:example.com"});
    let request = stage.accepted(push(&badge)).await;
    assert!(!request.headers.contains_key("apns-collapse-id"));
    assert_eq!(request.json, json!({"aps": {"badge": 2}}));

    let stage = Stage::new(json!({"push_type": "background", "expiration_seconds": 0}));
    let request = stage.accepted(push(&json!({}))).await;
    assert_eq!(request.header("apns-priority"), "5");
    assert_eq!(request.header("apns-expiration"), "0");

    let calls = json!({"push_type": "voip", "topic_suffix": ".voip"});
    let request = Stage::new(calls).accepted(push(&json!({}))).await;
    assert_eq!(request.header("apns-topic"), "com.example.app.voip");
}

#[actix_rt::test]
async fn a_certificate_takes_the_tokens_place() {
    let around = Around::new("apns");
    let certificate =
        ClientCertificate::new(&[APP, "com.example.app.voip"], SystemTime::now() + DAY);
    around.file("cert.pem", certificate.pem());
    let stage = Stage::with(around, Options::default(), json!({"certfile": "cert.pem"}));
    let request = stage.accepted(push(&json!({}))).await;
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.header("apns-topic"), APP);
    let page = stage.around.metrics.render();
    let metric = r#"expiry_timestamp_seconds{app="im.example",kind="certificate"} 1"#;
    assert!(page.contains(metric), "{page}");
    stage.peer.answer(403, "ExpiredProviderToken");
    assert_eq!(stage.outcome().await, "accepted ");
}

#[actix_rt::test]
async fn not_everything_is_sent() {
    let stage = Stage::new(json!({"only_event_types": ["m.call.invite"], "event_id_only": true}));
    let firebase = json!([{"app_id": APP, "pushkey": "fR7x:APA91bHun4MxP5egoKMwt2"}]);
    let badge = json!({"event_id": null, "room_id": null});
    for (changed, expected) in [
        (json!({"devices": firebase}), "rejected undecodable_pushkey"),
        (json!({"type": "m.room.message"}), "permanent event_type_not_wanted"),
        (json!({}), "permanent event_type_not_wanted"),
        (json!({"type": "m.call.invite"}), "accepted "),
        (badge, "accepted "),
        (
            json!({"type": "m.call.invite", "event_id": "$".repeat(5000)}),
            "permanent payload_too_large",
        ),
    ] {
        assert_eq!(shown(&stage.send(push(&changed)).await), expected, "{changed}");
    }
    assert_eq!(stage.peer.count(), 2);
    let stage = Stage::new(json!({"send_badge_counts": false}));
    let badge = push(&json!({"event_id": null, "room_id": null}));
    assert_eq!(shown(&stage.send(badge).await), "permanent nothing_to_send");
    assert_eq!(stage.peer.count(), 0);
}

#[actix_rt::test]
async fn an_expired_token_is_renewed_as_often_as_apple_allows() {
    let stage = Stage::new(json!({}));
    let first = stage.accepted(push(&json!({}))).await;
    stage.peer.expire_provider_tokens();
    stage.peer.clear_record();
    assert_eq!(stage.outcome().await, "accepted ");
    assert_eq!(stage.peer.provider_tokens().len(), 2);
    let (refused, accepted) = (stage.peer.next().await, stage.peer.next().await);
    assert_eq!(refused.header("authorization"), first.header("authorization"));
    assert_ne!(accepted.header("authorization"), first.header("authorization"));
    assert_ne!(accepted.connection, refused.connection);
    assert_eq!(accepted.header("apns-id"), refused.header("apns-id"));

    // Too soon after that: another connection is tried with the same token, and none is minted.
    stage.peer.expire_provider_tokens();
    for _ in 0..2 {
        assert_eq!(stage.outcome().await, "transient ExpiredProviderToken alarm");
        assert_eq!(stage.peer.provider_tokens().len(), 2);
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20 * 60)).await;
    tokio::time::resume();
    assert_eq!(stage.outcome().await, "accepted ");
    assert_eq!(stage.peer.provider_tokens().len(), 3);
}

#[actix_rt::test]
async fn one_remedy_for_each_attempt() {
    for (status, reason, requests, tokens, expected) in [
        (403, "InvalidProviderToken", 2, 2, "transient InvalidProviderToken alarm"),
        (403, "UnrelatedKeyIdInToken", 2, 1, "transient UnrelatedKeyIdInToken alarm"),
        (429, "TooManyProviderTokenUpdates", 2, 1, "transient TooManyProviderTokenUpdates"),
        (400, "IdleTimeout", 2, 1, "transient IdleTimeout"),
        (503, "Shutdown", 2, 1, "transient Shutdown"),
        (503, "ServiceUnavailable", 1, 1, "transient ServiceUnavailable"),
        (403, "Forbidden", 1, 1, "transient Forbidden alarm"),
        (400, "BadTopic", 1, 1, "transient BadTopic alarm"),
        (400, "BadDeviceToken", 1, 1, "rejected BadDeviceToken"),
    ] {
        let stage = Stage::new(json!({}));
        stage.peer.always(Answer::new(status, reason));
        assert_eq!(stage.outcome().await, expected);
        let requests_seen = stage.peer.received();
        assert_eq!(requests_seen.len(), requests, "{reason}");
        let connections: Vec<u64> = requests_seen.iter().map(|it| it.connection).collect();
        assert_eq!(connections, (1..=requests as u64).collect::<Vec<_>>(), "{reason}");
        assert_eq!(stage.peer.provider_tokens().len(), tokens, "{reason}");
        // once it is over, the next push is well, unless that takes yet another token
        stage.peer.clear_script();
        stage.peer.answer(status, reason);
        let is_well = requests == 2 && tokens == 1;
        assert_eq!(stage.outcome().await, if is_well { "accepted " } else { expected });
        // and where another connection cannot help, none was opened
        let last = stage.peer.received().pop().unwrap();
        assert_eq!(last.connection > 1, requests == 2, "{reason}");
    }
}

#[actix_rt::test]
async fn many_pushes_share_one_renewal() {
    let stage = Stage::new(json!({}));
    assert_eq!(stage.outcome().await, "accepted ");
    stage.peer.expire_provider_tokens();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20 * 60)).await;
    tokio::time::resume();
    let outcomes = join_all((0..50).map(|_| stage.outcome())).await;
    assert!(outcomes.iter().all(|it| it == "accepted "), "{outcomes:?}");
    assert_eq!(stage.peer.provider_tokens().len(), 2);
}

#[actix_rt::test]
async fn a_dead_token_is_rejected_unless_registered_again_since() {
    let stage = Stage::new(json!({}));
    stage.peer.unregister(TOKEN, 1_700_000_000_000);
    assert_eq!(stage.outcome().await, "rejected Unregistered");
    stage.peer.unregister(TOKEN, 1_699_999_999_999);
    assert_eq!(stage.outcome().await, "permanent Unregistered");
}

#[actix_rt::test]
async fn a_payload_too_large_for_apple_is_shrunk_once() {
    let long = json!({
        "type": "m.room.message", "sender": "@a:x",
        "content": {"msgtype": "m.text", "body": "x".repeat(5000)},
    });
    let stage = Stage::new(json!({}));
    stage.peer.answer(413, "PayloadTooLarge");
    assert_eq!(stage.send(push(&long)).await, Outcome::Accepted);
    let sizes: Vec<usize> = stage.peer.received().iter().map(|it| it.body.len()).collect();
    assert_eq!(sizes, [4096, 2048]);
    stage.peer.always(Answer::new(413, "PayloadTooLarge"));
    stage.peer.clear_record();
    assert_eq!(shown(&stage.send(push(&long)).await), "permanent PayloadTooLarge");
    assert_eq!(stage.peer.count(), 2);
    // Ids alone cannot shrink.
    assert_eq!(stage.outcome().await, "permanent payload_too_large");
}

#[actix_rt::test]
async fn lost_connections_say_whether_apple_can_have_seen_the_push() {
    for (answer, expected) in [
        (Answer::close(), Retry::Backoff),
        (Answer::goaway_abrupt(Reason::NO_ERROR), Retry::Backoff),
        (Answer::goaway(), Retry::AtOnce),
        (Answer::reset(Reason::REFUSED_STREAM), Retry::AtOnce),
    ] {
        let stage = Stage::new(json!({}));
        let push = push(&json!({}));
        stage.peer.answer_next(answer);
        let Outcome::Transient { cause, retry } = stage.send(push.clone()).await else {
            panic!("not transient");
        };
        assert_eq!(retry, expected, "{cause:?}");
        assert!(!cause.alarm);
        assert_eq!(stage.send(push).await, Outcome::Accepted);
        let ids: Vec<_> = stage.peer.received();
        assert!(ids.iter().all(|it| it.header("apns-id") == ids[0].header("apns-id")));
    }
    let stage = Stage::new(json!({}));
    stage.peer.refuse_connections(true);
    assert!(stage.outcome().await.starts_with("transient "));
}

#[actix_rt::test]
async fn two_apps_and_a_reload_share_one_provider_token() {
    let stage = Stage::new(json!({}));
    let _ = stage.accepted(push(&json!({}))).await;
    let other = stage.plan.build();
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(other.send(push(&json!({})), deadline).await, Outcome::Accepted);
    assert_eq!(stage.peer.provider_tokens().len(), 1);
    assert_eq!(stage.peer.refused(), 0);
}
