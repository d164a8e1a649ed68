//! A gateway that meets everything: each provider, success and every failure, panics, renewed
//! tokens, a reload, a drain. What must not be told is printed for the process that listens.

use std::env;
use std::fs;

use loadtest::peers::unifiedpush::UnifiedPush;
use loadtest::peers::webhook::{self, Webhook};
use loadtest::peers::{Answer, Received, webpush};
use peregrine::telemetry::{self, config};
use serde_json::{Value, json};

use crate::helpers::bodies::with;
use crate::helpers::{
    Line, Setup, TOKEN, TOKEN_HEX, TestGateway, apns, badge, event, event_to, fcm,
};
use crate::puppet::Puppet;

/// The variable that names the log's format.
pub(super) const FORMAT: &str = "PEREGRINE_SCENE_FORMAT";

/// Begins a line with a secret.
pub(super) const SECRET: &str = "secret: ";

/// What no log may hold: part of every pushkey, name, text and tweak of the scene.
const MARK: &str = "s3cr3t";

const SECTIONS: &str = "delivery:\n  \
    retry: {base_delay_ms: 1, max_delay_ms: 1, budget_percent: 100}\n  \
    circuit_breaker: {failures: 6, open_seconds: 60}\n  \
    rate_limit: {per_minute: 1, burst: 50}";

#[tokio::test]
#[ignore = "played by the tests beside it, in a process of its own"]
async fn play() {
    let format = match env::var(FORMAT).as_deref() {
        Ok("json") => config::LogFormat::Json,
        _ => config::LogFormat::Text,
    };
    let log = config::LogConfig {
        format,
        level: config::LogLevel::Trace,
        ..config::LogConfig::default()
    };
    let metrics = config::MetricsConfig::default();
    let env = |name: &str| env::var(name).ok().filter(|_| name == "RUST_LOG");
    let telemetry = telemetry::start(&log, &metrics, &env).unwrap();
    secret(MARK);

    let (apple, key) = apns();
    let google = fcm();
    let browsers = webpush::WebPush::start(&webpush::Options::default());
    let phones = UnifiedPush::start();
    let signed = format!("{MARK}-signature");
    let hook = Webhook::start(&webhook::Options::default().secret(&signed));
    let hook_keys = format!(
        "type: webhook\nurl: {}\nsecret: {signed}\nheaders: {{Authorization: Bearer {MARK}}}",
        hook.hook(),
    );
    let puppet = Puppet::new();
    let setup = Setup::new()
        .section(SECTIONS)
        .apns("app.ios", &apple, &key, "")
        .fcm("app.android", &google, "")
        .webpush("app.web", "allow_private_addresses: true")
        .webpush("app.public.*", "")
        .app("app.phone", "type: unifiedpush\nallow_private_addresses: true")
        .app("app.hook", &hook_keys)
        .app("app.log", "type: log")
        .own(puppet.app("app.puppet", json!({}), false))
        .own(Puppet::new().app("app.flaky", json!({}), false));
    for entry in fs::read_dir(setup.folder()).unwrap() {
        key_lines(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let gateway = setup.start();

    ios(&gateway, &apple).await;
    android(&gateway, &google).await;
    web(&gateway, &browsers).await;
    phone(&gateway, &phones).await;
    hooked(&gateway, &hook).await;
    own(&gateway).await;
    answered_here(&gateway).await;
    refused(&gateway).await;
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml).await.unwrap();
    gateway.reload("apps: {").await.unwrap_err();
    end(gateway, &puppet).await;

    for received in [apple.received(), google.received(), browsers.received()] {
        received.iter().for_each(credentials);
    }
    google.oauth().received().iter().for_each(credentials);
    telemetry.finish();
}

fn secret(text: &str) {
    println!("{SECRET}{text}");
}

/// Tells the lines of a key file that are key.
fn key_lines(file: &str) {
    let is_key = |line: &&str| line.len() > 40 && !line.contains(['-', ' ', ':']);
    file.split(['\n', '"']).filter(is_key).for_each(secret);
}

/// Tells what a request carries to prove who we are.
fn credentials(received: &Received) {
    let credential = received.header("authorization");
    let parts = credential.split([' ', ',', '=']);
    parts.filter(|part| part.len() > 20).for_each(secret);
    let body = String::from_utf8_lossy(&received.body);
    if let Some((_, assertion)) = body.split_once("assertion=") {
        secret(assertion);
    }
}

/// Makes a notification that says all it can.
fn told(body: Value) -> Value {
    let told = json!({
        "type": "m.room.message",
        "sender": format!("@{MARK}:example.org"),
        "sender_display_name": format!("{MARK} name"),
        "room_name": format!("{MARK} room"),
        "room_alias": format!("#{MARK}:example.org"),
        "content": { "msgtype": "m.text", "body": format!("{MARK} message") },
    });
    let mut body = with(body, &told);
    let device = &mut body["notification"]["devices"][0];
    device["data"]["default_payload"] = json!({ "aps": { "alert": MARK }, "mine": MARK });
    device["tweaks"] = json!({ "sound": MARK });
    body
}

async fn sent(gateway: &TestGateway, app: &str, pushkey: &str, event_id: &str) -> u16 {
    gateway.notify(&told(event(app, pushkey, event_id))).await.status
}

async fn ios(gateway: &TestGateway, apple: &loadtest::peers::apns::Apns) {
    for token in [TOKEN, TOKEN_HEX] {
        secret(token);
    }
    let send = async |event_id: &str| sent(gateway, "app.ios", TOKEN, event_id).await;
    assert_eq!(send("$ios-ok").await, 200);
    for (event_id, answers, status) in [
        ("$ios-413", vec![Answer::new(413, "PayloadTooLarge")], 200),
        ("$ios-503", vec![Answer::new(503, "ServiceUnavailable")], 200),
        ("$ios-429", vec![Answer::new(429, "TooManyRequests").retry_after(0)], 200),
        ("$ios-topic", vec![Answer::new(400, "BadTopic")], 502),
        ("$ios-expired", vec![Answer::new(403, "ExpiredProviderToken")], 200),
        ("$ios-invalid", vec![Answer::new(403, "InvalidProviderToken"); 3], 502),
        ("$ios-goaway", vec![Answer::goaway()], 200),
        ("$ios-closed", vec![Answer::close()], 200),
        ("$ios-reset", vec![Answer::reset(h2::Reason::REFUSED_STREAM)], 200),
        ("$ios-html", vec![Answer::html(502)], 200),
        ("$ios-410", vec![Answer::new(410, "Unregistered").timestamp(1_800_000_000_000)], 200),
    ] {
        for answer in answers {
            apple.answer_next(answer);
        }
        assert_eq!(send(event_id).await, status, "{event_id}");
        apple.clear_script();
    }
    assert_eq!(send("$dead-again").await, 200);
    let odd = format!("not base64, {MARK}!");
    assert_eq!(sent(gateway, "app.ios", &odd, "$ios-bad").await, 200);
}

async fn android(gateway: &TestGateway, google: &loadtest::peers::fcm::Fcm) {
    let send = async |event_id: &str| {
        let pushkey = format!("{MARK}:{event_id}");
        sent(gateway, "app.android", &pushkey, event_id).await
    };
    assert_eq!(send("$android-ok").await, 200);
    google.oauth().revoke();
    assert_eq!(send("$android-revoked").await, 200);
    for (event_id, answer, status) in [
        ("$android-404", Answer::new(404, "UNREGISTERED"), 200),
        ("$android-quota", Answer::new(429, "QUOTA_EXCEEDED").retry_after(60), 502),
        ("$android-400", Answer::new(400, "INVALID_ARGUMENT"), 200),
        ("$android-403", Answer::new(403, "PERMISSION_DENIED"), 502),
    ] {
        google.answer_next(answer);
        assert_eq!(send(event_id).await, status, "{event_id}");
    }
    google.oauth().revoke();
    google.oauth().answer_next(Answer::new(503, "temporarily_unavailable"));
    assert_eq!(send("$android-no-token").await, 502);
}

async fn web(gateway: &TestGateway, browsers: &webpush::WebPush) {
    let send = async |app: &str, event_id: &str| {
        let to = browsers.subscribe();
        for part in [&to.p256dh, &to.auth, to.token()] {
            secret(part);
        }
        let mut body = told(event(app, &to.p256dh, event_id));
        body["notification"]["devices"][0]["data"] = to.data();
        gateway.notify(&body).await.status
    };
    assert_eq!(send("app.web", "$web-ok").await, 200);
    for (event_id, status, expected) in
        [("$web-410", 410, 200), ("$web-413", 413, 200), ("$web-500", 500, 200)]
    {
        browsers.answer_next(Answer::status(status));
        assert_eq!(send("app.web", event_id).await, expected, "{event_id}");
    }
    assert_eq!(send("app.public.web", "$web-private").await, 200);
}

async fn phone(gateway: &TestGateway, phones: &UnifiedPush) {
    for (event_id, status, expected) in
        [("$phone-ok", 201, 200), ("$phone-404", 404, 200), ("$phone-500", 500, 200)]
    {
        for to in [phones.endpoint(), phones.endpoint_with_keys()] {
            secret(to.token());
            let mut body = told(event("app.phone", &to.url, event_id));
            body["notification"]["devices"][0]["data"] = to.data();
            phones.answer_next(Answer::status(status));
            let answer = gateway.notify(&body).await;
            assert_eq!(answer.status, expected, "{event_id}");
        }
    }
}

async fn hooked(gateway: &TestGateway, hook: &Webhook) {
    for (event_id, answer, status) in [
        ("$hook-ok", Answer::accept(), 200),
        ("$hook-410", Answer::status(410), 200),
        ("$hook-502", Answer::html(502), 200),
    ] {
        hook.answer_next(answer);
        let pushkey = format!("{MARK} {event_id}");
        let sent = sent(gateway, "app.hook", &pushkey, event_id).await;
        assert_eq!(sent, status, "{event_id}");
    }
}

async fn own(gateway: &TestGateway) {
    for (fate, event_id, status) in [
        ("shouts", "$puppet-panic", 200),
        ("failed", "$puppet-failed", 502),
        ("dropped", "$puppet-dropped", 200),
        ("rejected", "$puppet-rejected", 200),
    ] {
        let pushkey = format!("{fate}-{MARK}");
        // A provider actor that fell is built anew meanwhile.
        gateway.until_ready_is(200).await;
        assert_eq!(sent(gateway, "app.puppet", &pushkey, event_id).await, status, "{event_id}");
    }
    for _ in 0..6 {
        sent(gateway, "app.flaky", &format!("failed-{MARK}"), "$flaky").await;
    }
    assert_eq!(sent(gateway, "app.flaky", MARK, "$open").await, 503);
}

/// What no provider is asked about.
async fn answered_here(gateway: &TestGateway) {
    let pushkey = |name: &str| format!("{MARK}-{name}");
    for _ in 0..2 {
        assert_eq!(sent(gateway, "app.log", &pushkey("r"), "$repeated").await, 200);
    }
    assert_eq!(sent(gateway, "app.nowhere", &pushkey("u"), "$unknown").await, 200);
    for number in 0..60 {
        let event_id = format!("$limited-{number}");
        sent(gateway, "app.log", &pushkey("l"), &event_id).await;
    }
    gateway.notify(&badge("app.log", &pushkey("l"), 3)).await.assert_rejects(&[]);
    let (one, dropped) = (pushkey("b"), format!("dropped-{MARK}"));
    let both = [("app.log", one.as_str()), ("app.log", &one), ("app.puppet", &dropped)];
    gateway.notify(&told(event_to(&both, "$both"))).await.assert_rejects(&[]);
    let many: Vec<String> = (0..100).map(|number| pushkey(&number.to_string())).collect();
    let many: Vec<_> = many.iter().map(|it| ("app.log", it.as_str())).collect();
    gateway.notify(&event_to(&many, "$many")).await.assert_rejects(&[]);
}

/// What no homeserver sends.
async fn refused(gateway: &TestGateway) {
    for body in [
        format!(r#"{{"notification":{{"content":{{"body":"{MARK}"#),
        format!(r#"{{"notification":{{"room_name":"{MARK}","devices":[]}}}}"#),
        format!(r#"{{"notification":{{"room_name":"{MARK}","devices":"{MARK}"}}}}"#),
        format!(r#"{{"notification":{{"devices":[{{"pushkey":"{MARK}"}}]}}}}"#),
        format!(r#""{MARK}""#),
    ] {
        assert_eq!(gateway.post(body.as_bytes()).await.status, 400, "{body}");
    }
    let large = format!("{MARK}{}", " ".repeat(600_000));
    assert_eq!(gateway.post(large.as_bytes()).await.status, 413);
}

/// Stops while a push is held, and meets one that comes too late.
async fn end(gateway: TestGateway, puppet: &Puppet) {
    let before = puppet.arrived();
    let held = gateway.begin(&told(event("app.puppet", &format!("held-{MARK}"), "$held")));
    puppet.arrivals(before + 1).await;
    let mut late = Line::to(&gateway).await;
    let first = told(event("app.log", &format!("{MARK}-first"), "$first"));
    assert_eq!(late.notify(&first).await.unwrap().status, 200);
    let drained = gateway.drain();
    let play = async {
        gateway.until_ready_is(503).await;
        let body = told(event("app.log", &format!("{MARK}-late"), "$draining"));
        assert_eq!(late.notify(&body).await.unwrap().status, 503);
        puppet.let_go();
    };
    let (drained, ()) = tokio::join!(drained, play);
    assert!(drained);
    held.await.unwrap().assert_rejects(&[]);
}
