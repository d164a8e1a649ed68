//! From `/notify` to APNs and back.

mod bodies;
mod connections;
mod credentials;
mod keys;
mod outcomes;

use serde_json::json;

use crate::helpers::{Setup, TOKEN, TOKEN_HEX, TOPIC, apns, event};

#[tokio::test]
async fn an_event_becomes_apples_request() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();

    gateway.notify(&event("app.ios", TOKEN, "$e")).await.assert_rejects(&[]);

    let push = apple.next().await;
    assert_eq!(push.token, TOKEN_HEX);
    assert_eq!(push.header("apns-topic"), TOPIC);
    assert_eq!(push.header("apns-priority"), "10");
    assert_eq!(
        push.json,
        json!({ "room_id": "!room:example.org", "event_id": "$e", "unread_count": 2 }),
    );
}
