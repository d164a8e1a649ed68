//! From `/notify` to a push service and back, decrypted by the browser.

pub(crate) mod hosts;
mod outcomes;

use loadtest::peers::webpush::{Options, Subscription, WebPush};
use serde_json::{Value, json};

use crate::helpers::bodies::{addressed, with};
use crate::helpers::{PRIVATE, Setup, badge, event};

const APP: &str = "app.web";

/// An event notification to a subscription, with members of its `data` added.
fn push(to: &Subscription, event_id: &str, data: &Value) -> Value {
    addressed(event(APP, &to.p256dh, event_id), to.data(), data)
}

#[tokio::test]
async fn an_event_reaches_the_browser_in_both_protocols() {
    for options in [Options::default(), Options::default().http1_only()] {
        let service = WebPush::start(&options);
        let setup = Setup::new().section("runtime: {workers: 1}");
        let gateway = setup.webpush(APP, PRIVATE).start();
        let [one, other] = [service.subscribe(), service.subscribe()];
        let data = json!({
            "format": "event_id_only",
            "only_last_per_room": true,
            "default_payload": { "session_id": "7" },
        });
        for to in [&one, &other] {
            let answer = gateway.notify(&push(to, "$e", &data)).await;
            answer.assert_rejects(&[]);
            let push = service.next().await;
            assert_eq!((push.token.as_str(), push.status), (to.token(), Some(201)));
            assert_eq!(push.refused, None);
            let expected = json!({
                "session_id": "7", "room_id": "!room:example.org", "event_id": "$e", "unread": 2,
            });
            assert_eq!(push.json, expected);
            assert_eq!((push.header("ttl"), push.header("urgency")), ("900", "normal"));
            assert_eq!(push.header("topic").len(), 32);
        }
        assert_eq!(service.vapid_tokens().len(), 1, "one token for each push service");
        assert_eq!(service.connections_open(), 1, "connections are shared");
    }
}

#[tokio::test]
async fn content_is_told_and_shortened() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().webpush(APP, &format!("{PRIVATE}\nttl: 60")).start();
    let to = service.subscribe();
    let content = json!({
        "type": "m.room.message", "sender": "@a:example.org", "prio": "low",
        "content": { "msgtype": "m.text", "body": "Grüße ".repeat(500), "formatted_body": "x" },
    });
    let notification = with(push(&to, "$e", &Value::Null), &content);
    gateway.notify(&notification).await.assert_rejects(&[]);
    let push = service.next().await;
    let body = push.json["content"]["body"].as_str().unwrap();
    assert_eq!((body.chars().count(), body.ends_with('…')), (1000, true));
    assert_eq!(push.json["content"].get("formatted_body"), None);
    assert_eq!((push.header("ttl"), push.header("urgency")), ("60", "low"));
    assert_eq!(push.header("topic"), "");
}

#[tokio::test]
async fn a_client_may_want_events_only() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().webpush(APP, PRIVATE).start();
    let to = service.subscribe();
    let counts = |data| addressed(badge(APP, &to.p256dh, 3), to.data(), &data);
    let answer = gateway.notify(&counts(json!({ "events_only": true }))).await;
    answer.assert_rejects(&[]);
    assert_eq!(service.count(), 0);
    gateway.notify(&counts(json!({}))).await.assert_rejects(&[]);
    assert_eq!(service.next().await.json, json!({ "unread": 3 }));
}

#[tokio::test]
async fn a_subscription_that_can_never_work_is_rejected() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().webpush(APP, PRIVATE).start();
    let good = service.subscribe();
    let off_curve = format!("{}AAAA", &good.p256dh[..83]);
    let rows = [
        ("AAAA", json!({})),
        (off_curve.as_str(), json!({})),
        (&good.p256dh, json!({ "auth": "short" })),
        (&good.p256dh, json!({ "auth": null })),
        (&good.p256dh, json!({ "endpoint": null })),
        (&good.p256dh, json!({ "endpoint": "no URL" })),
    ];
    for (number, (pushkey, data)) in rows.iter().enumerate() {
        // A pushkey of its own: the rejected ones are remembered.
        let pushkey = format!("{pushkey}{}", "=".repeat(number % 2));
        let mut notification = push(&good, "$e", data);
        notification["notification"]["devices"][0]["pushkey"] = json!(pushkey);
        notification["notification"]["devices"][0]["pushkey_ts"] = json!(1_700_000_000 + number);
        gateway.notify(&notification).await.assert_rejects(&[&pushkey]);
    }
    assert_eq!(service.connections_opened(), 0);
}
