//! Each error FCM gives, by one request that deserves it.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::Client;
use crate::peers::Answer;
use crate::peers::fcm::{self, Fcm, Options};

const PATH: &str = "/v1/projects/example/messages:send";

fn send(token: &str, body: &Value) -> Request<Bytes> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("https://localhost{PATH}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .unwrap()
}

fn message() -> Value {
    json!({"message": {
        "token": "t:APA91b",
        "data": {"event_id": "$e", "room_id": "!r", "unread": "1"},
        "android": {"priority": "HIGH", "ttl": "900s"},
    }})
}

/// Returns field and description of the first violation.
fn violation(error: &Value) -> (&str, &str) {
    let details = error["error"]["details"].as_array().unwrap();
    let violation = details.iter().find_map(|it| it["fieldViolations"].get(0)).unwrap();
    (violation["field"].as_str().unwrap(), violation["description"].as_str().unwrap())
}

#[tokio::test]
async fn refuses_bodies_fcm_refuses() {
    let long = "x".repeat(4097 - "data".len());
    let rows = [
        (json!({}), "message", "The message is not set."),
        (json!({"message": {"data": {}}}), "message", "Recipient of the message is not set."),
        (
            json!({"message": {"token": "a", "topic": "b"}}),
            "message",
            "Invalid value at 'message' (oneof), oneof field 'target' is already set.",
        ),
        (
            json!({"message": {"token": "a", "data": {"a": "1", "b": 2}}}),
            "message.data[1].value",
            "Invalid value at 'message.data[1].value' (TYPE_STRING), 2",
        ),
        (
            json!({"message": {"token": "a", "data": {"a": null}}}),
            "message.data[0].value",
            "Invalid value at 'message.data[0].value' (TYPE_STRING), null",
        ),
        (
            json!({"message": {"token": "a", "prio": "high"}}),
            "message",
            "Invalid JSON payload received. Unknown name \"prio\" at 'message': Cannot find field.",
        ),
        (
            json!({"message": {"token": "a"}, "x": 1}),
            "",
            "Invalid JSON payload received. Unknown name \"x\": Cannot find field.",
        ),
        (
            json!({"message": {"token": "a", "android": {"priority": "low"}}}),
            "message.android.priority",
            "Invalid value at 'message.android.priority', \"low\"",
        ),
        (
            json!({"message": {"token": "a", "android": {"ttl": "900"}}}),
            "message.android.ttl",
            "Invalid value at 'message.android.ttl', \"900\"",
        ),
        (
            json!({"message": {"token": "a", "android": {"ttl": "2419201s"}}}),
            "message.android.ttl",
            "Invalid ttl: it must be from 0s to 2419200s.",
        ),
        (
            json!({"message": {"token": "a", "data": {"from": "x"}}}),
            "message.data",
            "Invalid data payload key: from",
        ),
        (
            json!({"message": {"token": "a", "android": {"data": {"google.x": "x"}}}}),
            "message.android.data",
            "Invalid data payload key: google.x",
        ),
    ];
    let fcm = Fcm::start(Options::new("example"));
    let token = fcm.oauth().issue();
    let mut client = Client::open(&fcm).await;
    for (body, field, description) in rows {
        let reply = client.ask(send(&token, &body)).await;
        let error = reply.json();
        assert_eq!((reply.status, &error["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
        assert_eq!(violation(&error), (field, description), "{body}");
        assert_eq!(error["error"]["message"], description, "{body}");
        assert!(fcm.next().await.refused.is_some());
    }

    let fitting = &long[1..];
    for (target, value, status) in [
        ("token", &long[..], 400),
        ("token", fitting, 200),
        ("fid", fitting, 200),
        ("topic", fitting, 400),
    ] {
        let reply = client
            .ask(send(&token, &json!({"message": {target: "a", "data": {"data": value}}})))
            .await;
        assert_eq!(reply.status, status, "{target}");
        assert!(reply.json()["error"]["details"].is_null(), "{target}");
    }

    let mut broken = send(&token, &json!({}));
    *broken.body_mut() = "{".into();
    assert_eq!(client.ask(broken).await.status, 400);
}

#[tokio::test]
async fn takes_messages_with_a_token_of_its_oauth() {
    let fcm = Fcm::start(Options::new("example"));
    let token = fcm.oauth().issue();
    let mut client = Client::open(&fcm).await;
    assert_eq!(client.streams(), 100);

    let reply = client.ask(send(&token, &message())).await;
    assert_eq!(reply.status, 200);
    assert!(reply.json()["name"].as_str().unwrap().starts_with("projects/example/messages/0:"));
    let received = fcm.next().await;
    assert_eq!((received.token.as_str(), received.event_id.as_deref()), ("t:APA91b", Some("$e")));

    let mut dry = message();
    dry["validate_only"] = json!(true);
    let reply = client.ask(send(&token, &dry)).await;
    assert_eq!(reply.json()["name"], "projects/example/messages/fake_message_id");
    assert_eq!(fcm.doubled(), 0);

    fcm.oauth().revoke();
    for request in [send(&token, &message()), send("ya29.other", &message())] {
        let reply = client.ask(request).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["status"]),
            (401, &json!("UNAUTHENTICATED"))
        );
    }
    fcm.oauth().expires_in(0);
    assert_eq!(client.ask(send(&fcm.oauth().issue(), &message())).await.status, 401);
}

#[tokio::test]
async fn knows_its_own_project_only() {
    let fcm = Fcm::start(Options::new("example"));
    let token = fcm.oauth().issue();
    let mut client = Client::open(&fcm).await;
    for (path, html) in [
        ("/v1/projects/other/messages:send", false),
        ("/v1/projects/example/messages:sent", true),
        ("/batch", true),
    ] {
        let mut request = send(&token, &message());
        *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.body.starts_with(b"<")), (404, html), "{path}");
        assert!(html || reply.json()["error"]["details"].is_null());
    }
}

#[tokio::test]
async fn errors_are_written_as_fcm_writes_them() {
    let fcm = Fcm::start(Options::new("example"));
    let token = fcm.oauth().issue();
    let mut client = Client::open(&fcm).await;
    fcm.for_token("t:APA91b").answer(404, "UNREGISTERED");
    fcm.answer_next(
        Answer::new(429, "QUOTA_EXCEEDED").retry_after("Wed, 21 Oct 2026 07:28:00 GMT"),
    );
    fcm.answer_next(Answer::status(403));
    fcm.answer_next(fcm::violation("message.token", "Invalid registration token"));
    fcm.answer_next(fcm::apns_error(410, "Unregistered"));
    let mut next = async || client.ask(send(&token, &message())).await;

    assert_eq!(
        next().await.json(),
        json!({"error": {
            "code": 404,
            "message": "Requested entity was not found.",
            "status": "NOT_FOUND",
            "details": [{
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "UNREGISTERED",
            }],
        }})
    );
    let quota = next().await;
    assert_eq!(quota.headers["retry-after"], "Wed, 21 Oct 2026 07:28:00 GMT");
    assert_eq!(quota.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    let forbidden = next().await.json();
    assert_eq!(forbidden["error"]["status"], "PERMISSION_DENIED");
    assert!(forbidden["error"]["details"].is_null());
    assert_eq!(violation(&next().await.json()).0, "message.token");
    assert_eq!(next().await.json()["error"]["details"][1]["reason"], "Unregistered");
}
