//! From `/notify` to a phone's push server and back, decrypted by the phone where it gave keys.

mod hosts;
mod outcomes;

use loadtest::peers::unifiedpush::{Endpoint, UnifiedPush};
use serde_json::{Value, json};

use crate::helpers::bodies::{addressed, with};
use crate::helpers::{PRIVATE, Setup, TestGateway, badge, event, request};

const APP: &str = "app.phone";

/// A configuration with one app.
fn setup(keys: &str) -> Setup {
    let keys = format!("type: unifiedpush\n{PRIVATE}\n{keys}");
    Setup::new().app(APP, &keys)
}

/// An event notification to an endpoint, with members of its `data` added.
fn push(to: &Endpoint, event_id: &str, data: &Value) -> Value {
    addressed(event(APP, &to.url, event_id), to.data(), data)
}

#[tokio::test]
async fn an_event_reaches_the_phone_in_both_protocols() {
    for server in [UnifiedPush::start(), UnifiedPush::start_http1()] {
        let setup = setup("").section("runtime: {workers: 1}");
        let gateway = setup.start();
        for to in [server.endpoint(), server.endpoint_with_keys()] {
            let is_sealed = to.data()["auth"].is_string();
            let data = json!({ "format": "event_id_only", "client_name": "Fluffy" });
            let answer = gateway.notify(&push(&to, "$e", &data)).await;
            answer.assert_rejects(&[]);
            let push = server.next().await;
            assert_eq!((push.token.as_str(), push.status), (to.token(), Some(201)));
            assert_eq!(push.refused, None);
            let expected = json!({ "notification": {
                "event_id": "$e", "room_id": "!room:example.org", "prio": "high",
                "counts": { "unread": 2 },
                "devices": [{
                    "app_id": APP, "pushkey": to.url, "pushkey_ts": 1_700_000_000,
                    "data": { "format": "event_id_only", "client_name": "Fluffy" },
                }],
            }});
            assert_eq!(push.json, expected);
            let in_the_clear = serde_json::from_slice::<Value>(&push.body).is_ok();
            assert_eq!(in_the_clear, !is_sealed);
            let headers = ["ttl", "urgency", "content-encoding"].map(|it| push.header(it));
            assert_eq!(headers, ["86400", "high", "aes128gcm"]);
            assert!(push.path.ends_with("?up=1"), "{}", push.path);
        }
        assert_eq!(server.connections_open(), 1, "connections are shared");
    }
}

#[tokio::test]
async fn content_goes_before_ids() {
    let server = UnifiedPush::start();
    let content = json!({
        "type": "m.room.message", "sender": "@a:example.org", "prio": "low",
        "content": { "msgtype": "m.text", "body": "Grüße ".repeat(2000) },
    });
    for (max_body_bytes, rest) in [(4096, true), (500, false)] {
        let gateway = setup(&format!("max_body_bytes: {max_body_bytes}")).start();
        for to in [server.endpoint(), server.endpoint_with_keys()] {
            let notification = with(push(&to, "$e", &Value::Null), &content);
            gateway.notify(&notification).await.assert_rejects(&[]);
            let push = server.next().await;
            assert_eq!(push.refused, None);
            assert!(push.body.len() <= max_body_bytes, "{}", push.body.len());
            let notification = &push.json["notification"];
            let ids = (&notification["event_id"], &notification["room_id"]);
            assert_eq!(ids, (&json!("$e"), &json!("!room:example.org")));
            assert_eq!(notification["devices"][0]["pushkey"], to.url);
            let body = notification["content"]["body"].as_str().unwrap();
            assert!(body.starts_with("Grüße "), "{body}");
            assert_eq!(body.len() > 3000, rest);
            assert_eq!(push.header("urgency"), "low");
        }
    }
    // What does not fit even so is dropped, and the homeserver does not repeat it.
    let gateway = setup("max_body_bytes: 20").start();
    let to = server.endpoint();
    let answer = gateway.notify(&push(&to, "$e", &Value::Null)).await;
    answer.assert_rejects(&[]);
    assert_eq!(server.accepted(), 4);
}

#[tokio::test]
async fn the_operators_switches_count() {
    let server = UnifiedPush::start();
    let to = server.endpoint();
    let content = json!({
        "type": "m.room.message", "sender": "@a:example.org", "content": { "body": "secret" },
    });
    let notification = |event_id| with(push(&to, event_id, &Value::Null), &content);

    let gateway = setup("event_id_only: true\nsend_badge_counts: false").start();
    gateway.notify(&notification("$1")).await.assert_rejects(&[]);
    let ids = &server.next().await.json["notification"];
    for (key, is_there) in [
        ("event_id", true),
        ("room_id", true),
        ("prio", true),
        ("devices", true),
        ("counts", false),
        ("type", false),
        ("sender", false),
        ("content", false),
    ] {
        assert_eq!(ids.get(key).is_some(), is_there, "{key}");
    }
    let answer = gateway.notify(&badge(APP, &to.url, 3)).await;
    answer.assert_rejects(&[]);
    assert_eq!(server.count(), 1, "nothing is left to tell");

    let gateway = setup("").start();
    gateway.notify(&badge(APP, &to.url, 3)).await.assert_rejects(&[]);
    let counts = server.next().await.json["notification"]["counts"].take();
    assert_eq!(counts, json!({ "unread": 3 }));
    let own_badge = json!({ "org.matrix.msc4076.disable_badge_count": true });
    let own_badge = push(&to, "$2", &own_badge);
    gateway.notify(&own_badge).await.assert_rejects(&[]);
    assert_eq!(server.next().await.json["notification"].get("counts"), None);
}

#[tokio::test]
async fn an_endpoint_that_can_never_work_is_rejected_as_it_was_given() {
    let server = UnifiedPush::start();
    let gateway = setup("").start();
    let good = server.endpoint_with_keys();
    let off_curve = format!("{}AAAA", &good.data()["p256dh"].as_str().unwrap()[..83]);
    let rows = [
        ("", json!({})),
        ("no URL", json!({})),
        ("https://", json!({})),
        (&good.url, json!({ "p256dh": null })),
        (&good.url, json!({ "p256dh": "AAAA" })),
        (&good.url, json!({ "p256dh": off_curve })),
        (&good.url, json!({ "auth": null })),
        (&good.url, json!({ "auth": "short" })),
    ];
    for (number, (pushkey, data)) in rows.iter().enumerate() {
        // Else a rejected pushkey would be answered from memory.
        let mut notification = push(&good, "$e", data);
        let device = &mut notification["notification"]["devices"][0];
        device["pushkey"] = json!(pushkey);
        device["pushkey_ts"] = json!(1_700_000_000 + number);
        let answer = gateway.notify(&notification).await;
        answer.assert_rejects(&[pushkey]);
    }
    assert_eq!(server.connections_opened(), 0);

    // A URL is rejected in the client's own spelling.
    server.always(loadtest::peers::Answer::status(410));
    let spelled = good.url.replace("https://localhost", "HTTPS://LocalHost");
    let mut notification = push(&good, "$e", &Value::Null);
    notification["notification"]["devices"][0]["pushkey"] = json!(spelled);
    gateway.notify(&notification).await.assert_rejects(&[&spelled]);
}

async fn discover(gateway: &TestGateway) -> (u16, Value) {
    let answer = request(gateway.public, "GET", "/_matrix/push/v1/notify", b"").await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn clients_discover_the_gateway_as_long_as_it_is_one() {
    let gateway = Setup::new().app("app.log", "type: log").start();
    let without = gateway.setup().yaml();
    let with = setup("").yaml();
    assert_eq!(discover(&gateway).await.0, 405);
    for _ in 0..2 {
        gateway.reload(&with).await.unwrap();
        let found = json!({ "unifiedpush": { "gateway": "matrix" } });
        assert_eq!(discover(&gateway).await, (200, found));
        gateway.reload(&without).await.unwrap();
        assert_eq!(discover(&gateway).await.0, 405);
    }
}
