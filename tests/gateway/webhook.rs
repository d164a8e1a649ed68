//! From `/notify` to the operator's own server and back, its signature verified there.

mod outcomes;

use std::fs;

use loadtest::peers::Answer;
use loadtest::peers::webhook::{Options, Webhook};
use serde_json::{Value, json};

use crate::helpers::bodies::{EAGER, with};
use crate::helpers::{Setup, badge, event};

const APP: &str = "app.hook";
const KEY: &str = "any pushkey, whatever it is";
const SECRET: &str = "s3cret";

/// A configuration with one app.
fn setup(hook: &Webhook, keys: &str) -> Setup {
    let keys = format!("type: webhook\nurl: {}\n{keys}", hook.hook());
    Setup::new().app(APP, &keys)
}

#[tokio::test]
async fn a_signed_notification_reaches_the_hook_in_both_protocols() {
    for options in [Options::default(), Options::default().http1_only()] {
        let hook = Webhook::start(&options.secret(SECRET));
        let keys = format!("secret: {SECRET}\nheaders: {{Authorization: Bearer x, X-Tenant: '7'}}");
        let gateway = setup(&hook, &keys).start();
        let content = json!({
            "type": "m.room.message", "sender": "@a:example.org", "room_name": "Räume",
            "content": { "msgtype": "m.text", "body": "Grüße ".repeat(20_000) },
        });
        let mut notification = with(event(APP, KEY, "$e"), &content);
        let device = &mut notification["notification"]["devices"][0];
        device["data"] = json!({ "format": "x", "default_payload": { "n": [1] } });
        device["tweaks"] = json!({ "sound": "ring", "highlight": true });

        gateway.notify(&notification).await.assert_rejects(&[]);

        let push = hook.next().await;
        assert_eq!((push.refused, push.status), (None, Some(204)));
        assert_eq!(push.json, notification, "all of it arrives");
        assert_eq!(push.path, "/hook");
        let header = |name: &str| push.headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(header("authorization"), "Bearer x");
        assert_eq!(header("x-tenant"), "7");
        assert!(header("user-agent").starts_with("peregrine/"));
    }
}

#[tokio::test]
async fn plain_http_and_no_secret_are_the_operators_business() {
    let hook = Webhook::start(&Options::default());
    let url = hook.hook().replace("https://localhost", "http://127.0.0.1");
    let keys = format!("type: webhook\nurl: {url}");
    let gateway = Setup::new().app(APP, &keys).start();
    gateway.notify(&event(APP, KEY, "$e")).await.assert_rejects(&[]);
    assert_eq!(hook.next().await.header("x-peregrine-signature"), "");
}

#[tokio::test]
async fn the_operators_switches_count() {
    let hook = Webhook::start(&Options::default());
    let gateway = setup(&hook, "event_id_only: true\nsend_badge_counts: false").start();
    let full = json!({ "type": "m.room.message", "content": { "body": "secret" } });
    gateway.notify(&with(event(APP, KEY, "$e"), &full)).await.assert_rejects(&[]);
    let expected = json!({ "notification": {
        "event_id": "$e", "room_id": "!room:example.org", "prio": "high",
        "devices": [{ "app_id": APP, "pushkey": KEY, "pushkey_ts": 1_700_000_000 }],
    }});
    assert_eq!(hook.next().await.json, expected);
    gateway.notify(&badge(APP, KEY, 3)).await.assert_rejects(&[]);
    assert_eq!(hook.count(), 1, "nothing is left to tell");
}

#[tokio::test]
async fn a_wrong_secret_is_the_operators_mistake_until_it_is_mended() {
    let hook = Webhook::start(&Options::default().secret(SECRET));
    let setup = setup(&hook, "secret_file: hook.secret");
    let file = setup.folder().join("hook.secret");
    fs::write(&file, "another\n").unwrap();
    let gateway = setup.start();
    let notification = event(APP, KEY, "$e");
    gateway.notify(&notification).await.assert_error(502, "M_UNKNOWN");
    assert_eq!(gateway.alarms(APP, "unauthorized").await, 1);
    assert_eq!(hook.count(), 1, "not repeated within the request");

    fs::write(&file, format!("{SECRET}\n")).unwrap();
    gateway.reload(&gateway.setup().yaml()).await.unwrap();
    gateway.notify(&notification).await.assert_rejects(&[]);
    assert_eq!(hook.accepted(), 1);
}

/// The circuit alone watches over it: else two guards would stand before one door.
#[tokio::test]
async fn the_only_host_has_a_circuit_and_never_rests() {
    let hook = Webhook::start(&Options::default());
    // Larger than any answer that is read.
    let broken = Answer::status(200).body(vec![b' '; 100_000]);
    hook.answer_times(4 * 6, &broken);
    let gateway = setup(&hook, "").section(EAGER).start();
    for number in 0..6 {
        let event = event(APP, KEY, &format!("${number}"));
        let answer = gateway.notify(&event).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    let answer = gateway.notify(&event(APP, KEY, "$e")).await;
    answer.assert_rejects(&[]);

    hook.refuse_connections(true);
    let one_failure = "delivery: {retry: {max_attempts: 1}, circuit_breaker: {failures: 2}}";
    let gateway = setup(&hook, "").section(one_failure).start();
    for number in 0..2 {
        let event = event(APP, KEY, &format!("${number}"));
        gateway.notify(&event).await.assert_error(502, "M_UNKNOWN");
    }
    let shed = gateway.notify(&event(APP, KEY, "$e")).await;
    shed.assert_error(503, "M_UNKNOWN");
}

#[tokio::test]
async fn devices_are_posted_one_by_one() {
    let hook = Webhook::start(&Options::default());
    let gateway = setup(&hook, "").start();
    let body = crate::helpers::event_to(&[(APP, "a"), (APP, "b")], "$e");
    hook.for_token("b").always(Answer::status(410));
    gateway.notify(&body).await.assert_rejects(&["b"]);
    let posted: Vec<Value> =
        hook.received().iter_mut().map(|it| it.json["notification"]["devices"].take()).collect();
    assert!(posted.iter().all(|devices| devices.as_array().unwrap().len() == 1));
    assert_eq!((hook.accepted_for("a"), hook.accepted_for("b")), (1, 0));
}
