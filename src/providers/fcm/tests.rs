//! The whole way of a push, against a simulated FCM and token endpoint over real TLS.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use loadtest::peers::Answer;
use loadtest::peers::fcm::{Fcm as FcmPeer, Options};
use loadtest::peers::oauth::OAuth;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Config, Fcm, Plan};
use crate::matrix;
use crate::providers::actor::Provider as _;
use crate::providers::app::Blueprint as _;
use crate::providers::outcome::{Outcome, Retry};
use crate::providers::push::Push;
use crate::providers::testing::Around;

const PROJECT: &str = "my-app-1a2b3";

fn plan(around: &Around, keys: Value) -> Plan {
    around.prepare::<Config>(keys).unwrap()
}

/// Prepares an app that owns an account of `oauth` and sends to `fcm`.
fn plan_with_account(around: &Around, fcm: &FcmPeer, oauth: &OAuth) -> Plan {
    let file = oauth.service_account(PROJECT).write(&around.folder);
    plan(around, json!({"service_account_file": file, "endpoint": fcm.url()}))
}

fn peers() -> (Around, FcmPeer) {
    (Around::new("fcm"), FcmPeer::start(Options::new(PROJECT)))
}

fn push(event_id: &str) -> Push {
    let body = json!({"notification": {
        "event_id": event_id, "room_id": "!room", "counts": {"unread": 2},
        "devices": [{"app_id": "im.example", "pushkey": "fid:APA91token"}],
    }});
    let request = matrix::decode(body.to_string().into()).unwrap();
    Push::new(request.into(), 0).unwrap()
}

async fn send(fcm: &Rc<Fcm>) -> Outcome {
    fcm.send(push("$event"), Instant::now() + Duration::from_secs(20)).await
}

/// Returns the outcome's kind, reason, and whether only the operator can help.
fn shown(outcome: &Outcome) -> String {
    let reason = outcome.cause().map_or("", |cause| cause.reason);
    let operator = matches!(outcome, Outcome::Transient { retry: Retry::Useless, .. });
    format!("{} {reason}{}", outcome.as_str(), if operator { " operator" } else { "" })
}

#[actix_rt::test]
async fn a_push_arrives() {
    let (around, peer) = peers();
    let plan = plan_with_account(&around, &peer, peer.oauth());
    assert_eq!(plan.credentials()[0].expires, None);
    let fcm = plan.build();
    assert_eq!(send(&fcm).await, Outcome::Accepted);
    let request = peer.next().await;
    assert_eq!(request.path, format!("/v1/projects/{PROJECT}/messages:send"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(
        request.json,
        json!({"message": {
            "data": {"event_id": "$event", "room_id": "!room", "prio": "high", "unread": "2"},
            "android": {"priority": "high"},
            "token": "fid:APA91token",
        }})
    );
    assert!(plan.credentials()[0].expires.is_some());
    let page = around.metrics.render();
    let expiry = r#"credential_expiry_timestamp_seconds{app="im.example",kind="access_token"} 1"#;
    assert!(page.contains(expiry), "{page}");
}

#[actix_rt::test]
async fn a_refused_token_is_renewed_once() {
    let (around, peer) = peers();
    let fcm = plan_with_account(&around, &peer, peer.oauth()).build();
    assert_eq!(send(&fcm).await, Outcome::Accepted);
    peer.oauth().revoke();
    assert_eq!(send(&fcm).await, Outcome::Accepted);
    assert_eq!((peer.count(), peer.oauth().issued()), (3, 2));
    peer.always(Answer::status(401));
    assert_eq!(shown(&send(&fcm).await), "transient UNAUTHENTICATED operator");
    assert_eq!((peer.count(), peer.oauth().issued()), (5, 3));
}

#[actix_rt::test]
async fn a_key_missing_in_the_console_renews_nothing() {
    let (around, peer) = peers();
    let fcm = plan_with_account(&around, &peer, peer.oauth()).build();
    peer.answer(401, "THIRD_PARTY_AUTH_ERROR");
    assert_eq!(shown(&send(&fcm).await), "transient THIRD_PARTY_AUTH_ERROR operator");
    assert_eq!((peer.count(), peer.oauth().issued()), (1, 1));
}

#[actix_rt::test]
async fn many_pushes_share_one_token_request() {
    let (around, peer) = peers();
    let plan = plan_with_account(&around, &peer, peer.oauth());
    // As after a reload, or for a second app with the same account.
    let again = plan_with_account(&around, &peer, peer.oauth());
    let (fcm, other) = (plan.build(), again.build());
    let outcomes = join_all((0..50).map(|i| send(if i % 2 == 0 { &fcm } else { &other }))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    assert_eq!((peer.accepted(), peer.oauth().count()), (50, 1));
}

#[actix_rt::test]
async fn without_a_token_nothing_is_sent() {
    let rows = [
        (Answer::status(503), "transient access_token_unavailable"),
        (Answer::html(502), "transient access_token_unavailable"),
        (Answer::new(400, "internal_failure"), "transient access_token_unavailable"),
        (Answer::close(), "transient access_token_unavailable"),
        (Answer::status(200), "transient access_token_unavailable"),
        (Answer::new(400, "invalid_grant"), "transient invalid_grant operator"),
        (Answer::new(401, "invalid_client"), "transient access_token_refused operator"),
        (Answer::html(404), "transient access_token_refused operator"),
    ];
    for (answer, expected) in rows {
        let (around, peer) = peers();
        let fcm = plan_with_account(&around, &peer, peer.oauth()).build();
        peer.oauth().always(answer);
        assert_eq!(shown(&send(&fcm).await), expected);
        assert_eq!((peer.count(), peer.oauth().count()), (0, 1), "{expected}");
    }
}

#[actix_rt::test]
async fn an_unknown_account_is_the_operators_to_mend() {
    let (around, peer) = peers();
    let stranger = OAuth::start();
    let account = stranger.service_account("stranger");
    let account = account.token_uri(&peer.oauth().token_uri());
    let file = account.write(&around.folder);
    let keys = json!({"service_account_file": file, "endpoint": peer.url()});
    let outcome = send(&plan(&around, keys).build()).await;
    assert_eq!(shown(&outcome), "transient invalid_grant operator");
    let detail = outcome.cause().unwrap().detail.as_deref().unwrap();
    assert!(detail.contains("account not found"), "{detail}");
}

#[actix_rt::test]
async fn the_token_endpoint_may_not_outlast_the_deadline() {
    let (around, peer) = peers();
    let fcm = plan_with_account(&around, &peer, peer.oauth()).build();
    peer.oauth().always(Answer::stall());
    let outcome = fcm.send(push("$e"), Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(shown(&outcome), "transient timeout");
}

#[actix_rt::test]
async fn a_token_from_the_metadata_server() {
    let (mut around, peer) = peers();
    let keys =
        json!({"project_id": PROJECT, "credentials": "metadata_server", "endpoint": peer.url()});
    around.surroundings.metadata_host = Some(peer.oauth().address().to_string());
    let fcm = plan(&around, keys.clone()).build();
    peer.oauth().expires_in_as_text(true);
    assert_eq!(send(&fcm).await, Outcome::Accepted);
    let request = peer.oauth().next().await;
    assert_eq!(
        request.path,
        "/computeMetadata/v1/instance/service-accounts/default/token\
         ?scopes=https://www.googleapis.com/auth/firebase.messaging"
    );

    let rows = [
        (Answer::status(503), "transient access_token_unavailable"),
        (Answer::status(404), "transient access_token_refused operator"),
    ];
    for (answer, expected) in rows {
        let oauth = OAuth::start();
        oauth.always(answer);
        around.surroundings.metadata_host = Some(oauth.address().to_string());
        let fcm = plan(&around, keys.clone()).build();
        assert_eq!(shown(&send(&fcm).await), expected);
    }
}

#[actix_rt::test]
async fn what_fcm_says_about_the_push() {
    let (around, peer) = peers();
    let fcm = plan_with_account(&around, &peer, peer.oauth()).build();
    let rows = [
        (404, "UNREGISTERED", "rejected UNREGISTERED"),
        (403, "SENDER_ID_MISMATCH", "rejected SENDER_ID_MISMATCH"),
        (429, "QUOTA_EXCEEDED", "transient QUOTA_EXCEEDED"),
        (503, "UNAVAILABLE", "transient UNAVAILABLE"),
    ];
    for (status, reason, expected) in rows {
        peer.answer(status, reason);
        assert_eq!(shown(&send(&fcm).await), expected);
    }
    let keys = json!({"project_id": "another", "service_account_file": "service_account.json",
                      "endpoint": peer.url()});
    let outcome = send(&plan(&around, keys).build()).await;
    assert_eq!(shown(&outcome), "transient NOT_FOUND operator");
}

#[test]
fn what_is_wrong_in_the_configuration() {
    let around = Around::new("fcm");
    let account = OAuth::start().service_account(PROJECT);
    let variant = |change: &dyn Fn(&mut Value)| {
        let mut file: Value = serde_json::from_str(&account.json()).unwrap();
        change(&mut file);
        file.to_string()
    };
    around.file("good.json", account.json());
    around.file("broken.json", "{\"private_key\": \"secret");
    around.file("app.json", r#"{"project_info": {}}"#);
    around.file("user.json", r#"{"type": "authorized_user"}"#);
    around.file("cut.json", variant(&|file| file["private_key"] = json!("secret")));
    around.file("anonymous.json", variant(&|file| file["client_email"] = json!("")));
    around.file("plain.json", variant(&|file| file["token_uri"] = json!("http://example.org")));
    around.file("nowhere.json", variant(&|file| file["project_id"] = Value::Null));
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({"service_account_file": "good.json"}), &[]),
        (
            json!({"service_account_file": "good.json", "ttl_seconds": 2_419_200, "max_connections": 20}),
            &[],
        ),
        (json!({}), &["service_account_file: is missing"]),
        (
            json!({"service_account_file": "good.json", "credentials": "metadata_server"}),
            &["credentials: stands beside `service_account_file`"],
        ),
        (json!({"credentials": "metadata_server"}), &["project_id: is missing"]),
        (
            json!({"service_account_file": "good.json", "layout": "hedwig", "notification_body": "x".repeat(257)}),
            &["notification_body: is too long"],
        ),
        (json!({"service_account_file": "none.json"}), &["service_account_file: cannot read"]),
        (
            json!({"service_account_file": "broken.json"}),
            &["service_account_file: is not a JSON object: eof error in line 1"],
        ),
        (
            json!({"service_account_file": "app.json"}),
            &["service_account_file: is an app's google-services.json"],
        ),
        (
            json!({"service_account_file": "user.json"}),
            &["service_account_file: is a file of type \"authorized_user\""],
        ),
        (
            json!({"service_account_file": "cut.json"}),
            &["service_account_file: its `private_key` is not an RSA key"],
        ),
        (
            json!({"service_account_file": "anonymous.json"}),
            &["service_account_file: has no `client_email`"],
        ),
        (
            json!({"service_account_file": "plain.json"}),
            &["service_account_file: its `token_uri` \"http://example.org\" is not an https URL"],
        ),
        (json!({"service_account_file": "nowhere.json"}), &["project_id: is missing"]),
        (
            json!({"service_account_file": "good.json", "project_id": "My App"}),
            &["project_id: \"My App\" is not a project's ID"],
        ),
        (
            json!({"service_account_file": "good.json", "endpoint": "ftp://example.org"}),
            &["endpoint: ftp://example.org/ is not a web address"],
        ),
        (
            json!({"service_account_file": "none.json", "ttl_seconds": 2_419_201, "max_connections": 0,
                   "notification_title": "x", "fcm_options": {"topic": "x"}, "endpoint": "file:///x"}),
            &[
                "max_connections",
                "ttl_seconds",
                "notification_title",
                "fcm_options.topic",
                "service_account_file",
                "endpoint",
            ],
        ),
    ];
    for (keys, expected) in rows {
        let faults = around.prepare::<Config>(keys.clone()).err().unwrap_or_default();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), expected.len(), "{keys}: {faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{keys}: {fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
    }
}
