//! What the status data says of one app: its provider's health, its actors, its credentials.

use std::time::{Duration, SystemTime};

use loadtest::peers::Answer;
use loadtest::peers::pki::ClientCertificate;
use serde_json::json;

use crate::helpers::bodies::device;
use crate::helpers::{Setup, TOKEN, TOKEN_HEX, TOPIC, apns, event, fcm};
use crate::puppet::Puppet;

#[tokio::test]
async fn shows_the_circuit_and_what_the_provider_said() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  retry: {max_attempts: 1}")
        .section("  circuit_breaker: {failures: 2, open_seconds: 50}")
        .apns("app", &apple, &key, "")
        .start();
    apple.answer_times(2, &Answer::new(503, "ServiceUnavailable"));
    for number in 0..2 {
        gateway.notify(&event("app", &device(number).0, "$1")).await.assert_error(502, "M_UNKNOWN");
        let circuit = gateway.app_status("app").await["circuit"].take();
        let state = if number == 0 { "closed" } else { "open" };
        assert_eq!((&circuit["state"], &circuit["failures"]), (&json!(state), &json!(number + 1)));
    }
    let app = gateway.app_status("app").await;
    assert_eq!(app["state"], "circuit_open");
    let left = app["circuit"]["seconds_left"].as_u64().unwrap();
    assert!((1..=50).contains(&left), "{left}");
    gateway.notify(&event("app", &device(2).0, "$1")).await.assert_error(503, "M_UNKNOWN");
    let status = gateway.status("").await;
    assert_eq!(status["ready"], true, "an open circuit makes nobody unready");
    let errors = status["errors"].as_array().unwrap();
    let line = |reason: &str| errors.iter().find(|it| it["reason"] == reason).unwrap();
    let failed = line("ServiceUnavailable");
    assert_eq!(
        (&failed["outcome"], &failed["count"], &failed["app"]),
        (&json!("transient"), &json!(2), &json!("app"))
    );
    assert_eq!(line("circuit")["outcome"], "shed");
}

#[tokio::test]
async fn shows_the_guard_and_its_alarm() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {mass_rejection_guard: {min_pushes: 4, percent: 50}}")
        .apns("app", &apple, &key, "")
        .start();
    let guard = async || gateway.app_status("app").await["guard"].take();
    let push = async |number: usize| gateway.notify(&event("app", &device(number).0, "$1")).await;
    push(0).await.assert_rejects(&[]);
    apple.answer_times(3, &Answer::new(400, "BadDeviceToken"));
    for number in 1..3 {
        assert_eq!(push(number).await.status, 200);
    }
    let reading = json!({
        "tried": 3, "would_be_rejected": 2, "percent": 66, "min_pushes": 4, "limit_percent": 50,
        "withholding": false,
    });
    assert_eq!(guard().await, reading);
    push(3).await.assert_error(502, "M_UNKNOWN");
    let app = gateway.app_status("app").await;
    assert_eq!(app["state"], "guard_withholding");
    assert_eq!(
        (&app["guard"]["percent"], &app["guard"]["withholding"]),
        (&json!(75), &json!(true))
    );
    let alarm = &app["alarms"][0];
    assert_eq!((&alarm["reason"], &alarm["count"]), (&json!("mass_rejection_guard"), &json!(1)));
    assert!(alarm["detail"].as_str().unwrap().contains("check platform"), "{alarm}");
    for number in 4..8 {
        push(number).await.assert_rejects(&[]);
    }
    assert_eq!(gateway.app_status("app").await["state"], "ready");
}

#[tokio::test]
async fn counts_fallen_actors_and_says_when_none_is_up() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("runtime: {workers: 1}\ndelivery: {retry: {max_attempts: 1}}")
        .puppet(&puppet)
        .start();
    gateway.until_ready_is(200).await;
    puppet.cannot_be_built(true);
    gateway.notify(&event("app", "panics", "$1")).await.assert_error(502, "M_UNKNOWN");
    gateway.until_ready_is(503).await;
    let status = gateway.status("").await;
    assert_eq!((&status["ready"], &status["reasons"][0]["app"]), (&json!(false), &json!("app")));
    let app = gateway.app_status("app").await;
    assert_eq!((&app["state"], &app["actors_up"]), (&json!("rebuilding"), &json!(0)));
    puppet.cannot_be_built(false);
    gateway.until_ready_is(200).await;
    let app = gateway.app_status("app").await;
    assert_eq!((&app["state"], &app["actors_up"]), (&json!("ready"), &json!(1)));
    assert!(app["restarts"]["panic"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn an_app_that_never_came_up_is_starting() {
    let puppet = Puppet::new();
    puppet.cannot_be_built(true);
    let gateway = Setup::new().puppet(&puppet).start();
    assert_eq!(gateway.app_status("app").await["state"], "starting");
}

#[tokio::test]
async fn tells_when_credentials_end() {
    let ((apple, key), google) = (apns(), fcm());
    let setup = Setup::new();
    let ends = SystemTime::now() + Duration::from_secs(20 * 24 * 3600);
    let certificate = ClientCertificate::new(&[TOPIC], ends).write(setup.folder());
    let certified =
        format!("type: apns\ncertfile: {}\nendpoint: {}", certificate.display(), apple.url());
    let gateway = setup
        .apns("token", &apple, &key, "")
        .app("certificate", &certified)
        .fcm("account", &google, "")
        .start();
    for (app, pushkey) in [("token", TOKEN), ("account", "registration")] {
        gateway.notify(&event(app, pushkey, "$1")).await.assert_rejects(&[]);
    }
    let status = gateway.status("").await;
    let now = status["now"].as_u64().unwrap();
    let app = |name: &str| {
        status["apps"].as_array().unwrap().iter().find(|it| it["app"] == name).unwrap()
    };
    let certificate = &app("certificate")["credentials"][0];
    let days = (certificate["expires"].as_u64().unwrap() - now) / 1000 / 3600 / 24;
    assert!((19..=20).contains(&days), "{certificate}");
    assert!(certificate["description"].as_str().unwrap().contains("certificate"));
    assert_eq!(app("token")["credentials"][0]["expires"], json!(null));
    for (name, kind) in [("token", "provider_token"), ("account", "access_token")] {
        let left = app(name)["tokens_expire"][kind].as_u64().unwrap() - now;
        assert!((60_000..=3_600_000).contains(&left), "{kind}: {left}");
    }
}

#[tokio::test]
async fn a_reload_that_changes_an_app_goes_on_with_its_record() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app", &apple, &key, "").start();
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[TOKEN]);
    let yaml = gateway.setup().yaml();
    let changed = yaml.replace("type: apns", "type: apns\n    send_badge_counts: false");
    gateway.reload(&changed).await.unwrap();
    let app = gateway.app_status("app").await;
    assert_eq!(app["totals"]["rejected"], 1);
}
