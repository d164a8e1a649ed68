//! Each reason APNs gives, by one request that deserves it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde_json::json;

use super::Client;
use crate::peers::apns::{Apns, Options, ProviderKey};
use crate::peers::pki::ClientCertificate;

pub(super) const TOPIC: &str = "org.example.app";
pub(super) const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

pub(super) fn key() -> ProviderKey {
    ProviderKey::new("KEY0000001", "TEAM000001", &[TOPIC])
}

/// Signs a token for `key`, with its age in seconds.
fn token_of_age(key: &ProviderKey, team_id: &str, age: i64) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.key_id().to_owned());
    let issued_at = i64::try_from(get_current_timestamp()).unwrap() - age;
    let claims = json!({"iss": team_id, "iat": issued_at});
    let signer = EncodingKey::from_ec_pem(key.p8().as_bytes()).unwrap();
    format!("bearer {}", jsonwebtoken::encode(&header, &claims, &signer).unwrap())
}

pub(super) fn token(key: &ProviderKey) -> String {
    token_of_age(key, key.team_id(), 0)
}

pub(super) fn push(token: &str, body: &'static str) -> Request<Bytes> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("https://localhost/3/device/{TOKEN}"))
        .header("authorization", token)
        .header("apns-topic", TOPIC)
        .header("apns-push-type", "alert")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

const BODY: &str = r#"{"aps":{"alert":"x"},"event_id":"$e"}"#;

/// One change to a good push.
enum Change {
    Set(&'static str, String),
    Add(&'static str, &'static str),
    Without(&'static str),
    Path(&'static str),
    Method(Method),
    Body(String),
}
use Change::{Add, Body, Path, Set, Without};

fn set(name: &'static str, value: &str) -> Change {
    Set(name, value.to_owned())
}

fn body(text: &str) -> Change {
    Body(text.to_owned())
}

impl Change {
    fn make(self, request: &mut Request<Bytes>) {
        match self {
            Set(name, value) => {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            Add(name, value) => {
                request.headers_mut().append(name, HeaderValue::from_static(value));
            }
            Without(name) => {
                request.headers_mut().remove(name);
            }
            Path(path) => {
                *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
            }
            Self::Method(method) => *request.method_mut() = method,
            Body(body) => *request.body_mut() = body.into(),
        }
    }
}

fn payload(length: usize) -> Change {
    let frame = r#"{"a":""}"#.len();
    Body(format!(r#"{{"a":"{}"}}"#, "x".repeat(length - frame)))
}

fn voip() -> [Change; 2] {
    [set("apns-topic", "org.example.app.voip"), set("apns-push-type", "voip")]
}

#[tokio::test]
async fn refuses_what_apns_refuses() {
    let [voip_topic, voip_type] = voip();
    let rows = [
        (404, "BadPath", vec![Path("/3/devices/00")]),
        (404, "BadPath", vec![Path("/3/device/00/00")]),
        (405, "MethodNotAllowed", vec![Change::Method(Method::PUT)]),
        (400, "MissingDeviceToken", vec![Path("/3/device/")]),
        (400, "BadDeviceToken", vec![Path("/3/device/C0FFEE")]),
        (400, "BadDeviceToken", vec![Path("/3/device/c0ffe")]),
        (400, "BadDeviceToken", vec![Path("/3/device/wP_uAA")]),
        (400, "DuplicateHeaders", vec![Add("apns-topic", TOPIC)]),
        (403, "MissingProviderToken", vec![Without("authorization")]),
        (403, "InvalidProviderToken", vec![set("authorization", "bearer e30.e30.e30")]),
        (403, "InvalidProviderToken", vec![set("authorization", "basic x")]),
        (400, "MissingTopic", vec![Without("apns-topic")]),
        (400, "BadTopic", vec![set("apns-topic", "org example")]),
        (400, "TopicDisallowed", vec![set("apns-topic", "org.example.other")]),
        (400, "TopicDisallowed", vec![set("apns-topic", "org.example.app2")]),
        (400, "InvalidPushType", vec![set("apns-push-type", "loud")]),
        (400, "InvalidPushType", vec![set("apns-push-type", "voip")]),
        (400, "BadPriority", vec![set("apns-priority", "7")]),
        (400, "BadPriority", vec![set("apns-push-type", "background")]),
        (400, "BadExpirationDate", vec![set("apns-expiration", "soon")]),
        (400, "BadExpirationDate", vec![set("apns-expiration", "-1")]),
        (400, "BadCollapseId", vec![set("apns-collapse-id", &"x".repeat(65))]),
        (400, "BadMessageId", vec![set("apns-id", "1")]),
        (400, "BadMessageId", vec![set("apns-id", "123E4567-E89B-12D3-A456-42665544000A")]),
        (400, "PayloadEmpty", vec![body("")]),
        (400, "PayloadEmpty", vec![body("{}")]),
        (400, "PayloadEmpty", vec![body("[1]")]),
        (400, "PayloadEmpty", vec![body(r#"{"a":1} x"#)]),
        (413, "PayloadTooLarge", vec![payload(4097)]),
        (413, "PayloadTooLarge", vec![voip_topic, voip_type, payload(5121)]),
    ];
    let count = rows.len();
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    let mut client = Client::open(&apns).await;
    for (row, (status, reason, changes)) in rows.into_iter().enumerate() {
        let mut request = push(&token, BODY);
        for change in changes {
            change.make(&mut request);
        }
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.reason().as_str()), (status, reason), "row {row}");
        assert!(reply.headers.contains_key("apns-id"), "row {row}");
        assert_eq!(apns.next().await.refused.as_deref(), Some(reason), "row {row}");
    }
    assert_eq!((apns.refused(), apns.accepted()), (count, 0));
}

#[tokio::test]
async fn takes_what_apns_takes() {
    let [voip_topic, voip_type] = voip();
    let rows = [
        vec![],
        vec![Without("apns-push-type")],
        vec![set("apns-push-type", "background"), set("apns-priority", "5")],
        vec![voip_topic, voip_type, payload(5120)],
        vec![payload(4096)],
        vec![set("apns-expiration", "0")],
        vec![set("apns-collapse-id", &"x".repeat(64))],
        vec![set("apns-id", "123e4567-e89b-12d3-a456-42665544000a")],
    ];
    let count = rows.len();
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let bearer = token(&key);
    let mut client = Client::open(&apns).await;
    for (row, changes) in rows.into_iter().enumerate() {
        let mut request = push(&bearer, BODY);
        for change in changes {
            change.make(&mut request);
        }
        let id = request.headers().get("apns-id").cloned();
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "row {row}");
        assert!(id.is_none_or(|id| reply.headers["apns-id"] == id), "row {row}");
        assert!(reply.headers.contains_key("apns-id"), "row {row}");
    }
    assert_eq!(apns.accepted_for(TOKEN), count);
    assert_eq!(apns.provider_tokens().len(), 1);
    assert_eq!(apns.connections_opened(), 1);
}

#[tokio::test]
async fn binds_a_connection_to_its_token() {
    let (first, second) = (key(), ProviderKey::new("KEY0000002", "TEAM000001", &[TOPIC]));
    let apns = Apns::start(Options::default().key(&first).key(&second));
    let token = token(&first);

    // What comes after a good push on the same connection, each with its answer.
    let cases: [(&[String], &str); 6] = [
        (&[token_of_age(&first, "TEAM000002", 0)], "InvalidProviderToken"),
        (&[token_of_age(&first, "TEAM000001", -3000)], "InvalidProviderToken"),
        (&[token_of_age(&first, "TEAM000001", 3700)], "ExpiredProviderToken"),
        // After an expired token nothing works any more on the connection.
        (&[token_of_age(&first, "TEAM000001", 3700), token.clone()], "ExpiredProviderToken"),
        (&[super::apns::token(&second)], "UnrelatedKeyIdInToken"),
        (
            &[
                token_of_age(&first, "TEAM000001", 1),
                token_of_age(&first, "TEAM000001", 2),
                token.clone(),
            ],
            "TooManyProviderTokenUpdates",
        ),
    ];
    for (row, (tokens, reason)) in cases.into_iter().enumerate() {
        let mut client = Client::open(&apns).await;
        assert_eq!(client.ask(push(&token, BODY)).await.status, 200, "row {row}");
        let mut last = None;
        for token in tokens {
            last = Some(client.ask(push(token, BODY)).await);
        }
        assert_eq!(last.unwrap().reason(), reason, "row {row}");
    }
    let mut fresh = Client::open(&apns).await;
    assert_eq!(fresh.ask(push(&super::apns::token(&second), BODY)).await.status, 200);
}

#[tokio::test]
async fn expires_tokens_on_demand() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let old = token(&key);
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(push(&old, BODY)).await.status, 200);
    apns.expire_provider_tokens();
    let reply = client.ask(push(&old, BODY)).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "ExpiredProviderToken"));
    let mut fresh = Client::open(&apns).await;
    assert_eq!(fresh.ask(push(&token(&key), BODY)).await.status, 200);
    assert_eq!(apns.provider_tokens().len(), 2);
}

#[tokio::test]
async fn takes_client_certificates() {
    let apns = Apns::start(Options::default());
    let next_year = SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
    let bare = |topic: Option<&str>| {
        let mut request = push("", BODY);
        Without("authorization").make(&mut request);
        topic.map_or(Without("apns-topic"), |topic| set("apns-topic", topic)).make(&mut request);
        request
    };

    let single = ClientCertificate::new(&[TOPIC], next_year);
    let mut client = Client::with_certificate(&apns, &single.pem()).await;
    assert_eq!(client.streams(), 1000);
    assert_eq!(client.ask(bare(None)).await.status, 200);
    assert_eq!(client.ask(bare(Some("org.example.other"))).await.reason(), "TopicDisallowed");

    let several = ClientCertificate::new(&[TOPIC, "org.example.other"], next_year);
    let mut client = Client::with_certificate(&apns, &several.pem()).await;
    assert_eq!(client.ask(bare(None)).await.reason(), "MissingTopic");
    assert_eq!(client.ask(bare(Some("org.example.other"))).await.status, 200);
}

#[tokio::test]
async fn tells_since_when_a_token_is_dead() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    apns.unregister(TOKEN, 1_700_000_000_123);
    let mut client = Client::open(&apns).await;
    let reply = client.ask(push(&token(&key), BODY)).await;
    assert_eq!(reply.status, 410);
    assert_eq!(reply.body, r#"{"reason":"Unregistered","timestamp":1700000000123}"#);
}
