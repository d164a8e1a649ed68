//! Access tokens: from a service account, from the metadata server, and without either.

use std::time::{Duration, SystemTime};

use loadtest::peers::Answer;
use loadtest::peers::fcm::{Fcm, Options};
use tokio::time::timeout;

use super::TOKEN;
use crate::helpers::bodies::EAGER;
use crate::helpers::{Setup, event, fcm};

#[tokio::test]
async fn a_cold_burst_asks_for_one_token() {
    let google = fcm();
    google.oauth().latency(Duration::from_millis(50));
    // As some token endpoints write it.
    google.oauth().expires_in_as_text(true);
    let gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .fcm("app.one", &google, "")
        .fcm("app.two", &google, "")
        .start();
    let (one, two) = tokio::join!(gateway.burst("app.one", 0..25), gateway.burst("app.two", 0..25));
    for answer in one.into_iter().chain(two) {
        answer.assert_rejects(&[]);
    }
    assert_eq!((google.accepted(), google.refused()), (50, 0));
    assert_eq!((google.oauth().count(), google.oauth().issued()), (1, 1));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let left = gateway.credential_ends("app.one", "access_token").await - now.as_secs();
    assert!((3000..3600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once_for_all() {
    let google = fcm();
    let setup = Setup::new().section("runtime: {workers: 1}");
    let gateway = setup.fcm("app.android", &google, "").start();
    gateway.burst("app.android", 0..1).await[0].assert_rejects(&[]);
    google.oauth().revoke();
    for answer in gateway.burst("app.android", 1..30).await {
        answer.assert_rejects(&[]);
    }
    assert_eq!((google.accepted(), google.oauth().issued()), (30, 2));
    assert_eq!(gateway.retries("app.android").await, 0);
}

#[tokio::test]
async fn without_a_token_it_is_502_until_there_is_one() {
    let google = fcm();
    let gateway = Setup::new().section(EAGER).fcm("app.android", &google, "").start();
    let notification = event("app.android", TOKEN, "$e");
    google.oauth().refuse_connections(true);
    gateway.notify(&notification).await.assert_error(502, "M_UNKNOWN");
    google.oauth().refuse_connections(false);
    google.oauth().always(Answer::html(503));
    gateway.notify(&notification).await.assert_error(502, "M_UNKNOWN");
    assert_eq!((google.count(), gateway.all_alarms().await), (0, 0));
    google.oauth().clear_script();
    let delivered = async { while gateway.notify(&notification).await.status != 200 {} };
    timeout(Duration::from_secs(30), delivered).await.expect("a token comes");
    assert_eq!((google.accepted_for(TOKEN), google.refused()), (1, 0));
}

#[tokio::test]
async fn a_key_that_google_does_not_know_is_the_operators_mistake() {
    let google = fcm();
    let gateway = Setup::new().section(EAGER).fcm("app.android", &google, "").start();
    google.oauth().answer_next(Answer::new(400, "invalid_grant").message("Invalid JWT Signature."));
    let answer = gateway.notify(&event("app.android", TOKEN, "$e")).await;
    answer.assert_error(502, "M_UNKNOWN");
    assert_eq!(gateway.alarms("app.android", "invalid_grant").await, 1);
    assert_eq!((google.oauth().count(), google.count()), (1, 0));
}

#[tokio::test]
async fn a_silent_token_endpoint_is_504_at_the_deadline() {
    let google = fcm();
    let setup = Setup::new().section("delivery: {deadline_seconds: 1}");
    let gateway = setup.fcm("app.android", &google, "").start();
    google.oauth().answer_next(Answer::stall());
    let notification = event("app.android", TOKEN, "$e");
    gateway.notify(&notification).await.assert_error(504, "M_UNKNOWN");
    gateway.notify(&notification).await.assert_rejects(&[]);
    assert_eq!((google.accepted_for(TOKEN), google.refused()), (1, 0));
}

#[tokio::test]
async fn the_metadata_server_gives_tokens_without_a_key() {
    let google = fcm();
    let host = google.oauth().http_url().replace("http://", "");
    let keys = format!(
        "type: fcm\nproject_id: project\ncredentials: metadata_server\nendpoint: {}",
        google.url(),
    );
    let setup = Setup::new().env("GCE_METADATA_HOST", &host);
    let gateway = setup.app("app.android", &keys).start();
    for answer in gateway.burst("app.android", 0..10).await {
        answer.assert_rejects(&[]);
    }
    let asked = google.oauth().next().await;
    let path = "/computeMetadata/v1/instance/service-accounts/default/token\
                ?scopes=https://www.googleapis.com/auth/firebase.messaging";
    assert_eq!((asked.path.as_str(), asked.header("metadata-flavor")), (path, "Google"));
    assert_eq!((google.oauth().count(), google.oauth().refused()), (1, 0));
    assert_eq!((google.accepted(), google.refused()), (10, 0));
}

#[tokio::test]
async fn another_project_is_the_operators_mistake_and_rejects_nobody() {
    let google = fcm();
    let other = Fcm::start(Options::new("other").oauth(google.oauth()));
    // The app names `project`, which the other endpoint does not serve.
    let gateway = Setup::new().fcm("app.android", &other, "").start();
    let answer = gateway.notify(&event("app.android", TOKEN, "$e")).await;
    answer.assert_error(502, "M_UNKNOWN");
    let alarms = gateway.alarms("app.android", "NOT_FOUND").await;
    assert_eq!((other.count(), alarms), (1, 1));
}
