//! From `/notify` to FCM and back.

mod bodies;
mod connections;
mod hedwig;
mod keys;
mod outcomes;
mod tokens;

use serde_json::json;

use crate::helpers::{Setup, event, fcm};

/// A registration token, as Firebase's SDK for Android hands them out.
const TOKEN: &str = "fR7xQk2mTq-Zp1VbN3cYd0:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx";
/// An installation id, which takes the tokens' place since 2026.
const FID: &str = "cWzYkR9vT3q5LmN8pXsBd1";

#[tokio::test]
async fn an_event_becomes_googles_request() {
    let google = fcm();
    let setup = Setup::new().section("runtime: {workers: 1}");
    let gateway = setup.fcm("app.android", &google, "").start();
    for (pushkey, field) in [(TOKEN, "token"), (FID, "fid")] {
        let answer = gateway.notify(&event("app.android", pushkey, "$e")).await;
        answer.assert_rejects(&[]);
        let push = google.next().await;
        assert_eq!(push.path, "/v1/projects/project/messages:send");
        assert_eq!(push.header("content-type"), "application/json");
        let mut message = json!({
            "data": {
                "event_id": "$e", "room_id": "!room:example.org", "unread": "2", "prio": "high",
            },
            "android": {"priority": "high"},
        });
        message[field] = pushkey.into();
        assert_eq!(push.json, json!({"message": message}));
    }
    assert_eq!((google.connections_opened(), google.refused()), (1, 0));
}
