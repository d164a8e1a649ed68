//! What a homeserver sees: its devices folded into one answer, its mistakes, its repeats.

use futures_util::future::join_all;
use loadtest::peers::Answer;
use loadtest::peers::apns::Options;
use serde_json::{Value, json};

use crate::helpers::{Setup, TOKEN, apns, apns_with, event, event_to, request};
use crate::puppet::Puppet;

const NOTIFY: &str = "/_matrix/push/v1/notify";

/// An app that writes to the log and takes everything.
const LOG: &str = "type: log";

/// Three device tokens, as APNs knows them.
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// For pushkeys that are device tokens as APNs knows them.
const HEX: &str = "convert_device_token_to_hex: false";

#[tokio::test]
async fn settled_devices_give_200_with_the_dead_in_order() {
    let puppet = Puppet::new();
    let gateway =
        Setup::new().app("app.log", LOG).own(puppet.app("app.*", json!({}), false)).start();
    let devices = [
        ("app.1", "rejected-b"),
        ("app.1", "accepted"),
        ("app.1", "dropped"),
        ("unknown", "nobody's"),
        ("app.1", "rejected-a"),
        ("app.1", "rejected-b"),
        ("app.2", "rejected-b"),
        ("app.log", "rejected-c"),
    ];
    let answer = gateway.notify(&event_to(&devices, "$1")).await;
    answer.assert_rejects(&["rejected-b", "nobody's", "rejected-a"]);
    assert_eq!(puppet.arrived(), 5);

    let answer = gateway.notify(&event_to(&devices[1..3], "$2")).await;
    answer.assert_rejects(&[]);
}

#[tokio::test]
async fn the_same_device_twice_is_one_push() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.*", &apple, &key, "").start();
    let devices = [("app.1", TOKEN), ("app.2", TOKEN), ("app.1", TOKEN)];
    let event = event_to(&devices, "$1");
    // Without an event there is nothing to know a copy by but the request.
    let mut badge = event.clone();
    badge["notification"]["event_id"] = json!("");
    for (pushes, body) in [(2, event), (4, badge)] {
        gateway.notify(&body).await.assert_rejects(&[]);
        assert_eq!(apple.accepted(), pushes);
    }
}

#[tokio::test]
async fn the_worst_device_decides_the_answer() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  deadline_seconds: 1")
        .section("  circuit_breaker: {failures: 1, open_seconds: 60}")
        .section("  rate_limit: {per_minute: 1, burst: 1}")
        .section("  unknown_app_id: error")
        .app("app.log", LOG)
        .own(puppet.app("down", json!({}), false))
        .puppet(&puppet)
        .start();
    // From now on 503 and 429.
    let opens = gateway.notify(&event("down", "failed", "$0")).await;
    opens.assert_error(502, "M_UNKNOWN");
    let first = gateway.notify(&event("app", "limited", "$0")).await;
    first.assert_rejects(&[]);

    let (ok, dead, limited) = (("app", "ok"), ("app", "rejected"), ("app", "limited"));
    let (shed, slow, failed) = (("down", "key"), ("app", "held"), ("unknown", "key"));
    let rows = [
        (vec![ok, limited], 429),
        (vec![dead, limited, shed, ok], 503),
        (vec![limited, slow, dead, shed], 504),
        (vec![ok, slow, failed, shed, limited, dead], 502),
    ];
    let (gateway, rows) = (&gateway, &rows);
    let both_ways = rows.iter().enumerate().flat_map(|(row, (devices, status))| {
        let backwards = devices.iter().rev().copied().collect();
        [devices.clone(), backwards].map(|devices| (row, devices, *status))
    });
    let sent = both_ways.enumerate().map(async |(i, (row, devices, status))| {
        // Nobody but the limited has a limit to fear.
        let pushkeys = devices.iter().map(|&(app_id, pushkey)| match pushkey {
            "limited" => (app_id, pushkey.to_owned()),
            _ => (app_id, format!("{pushkey}-{i}")),
        });
        let pushkeys: Vec<_> = pushkeys.collect();
        let devices: Vec<_> = pushkeys.iter().map(|(app, key)| (*app, key.as_str())).collect();
        let answer = gateway.notify(&event_to(&devices, "$1")).await;
        (row, status, answer)
    });
    for (row, status, answer) in join_all(sent).await {
        let limited = status == 429;
        answer.assert_error(status, if limited { "M_LIMIT_EXCEEDED" } else { "M_UNKNOWN" });
        let json = answer.json();
        assert_eq!(json.get("rejected"), None, "row {row}");
        assert_eq!(json["retry_after_ms"].is_u64(), limited, "row {row}");
        let retry_after = answer.header("retry-after").map(str::parse::<u64>);
        assert_eq!(retry_after.is_some(), [429, 503].contains(&status), "row {row}");
        assert!(retry_after.is_none_or(|it| (1..=60).contains(&it.unwrap())));
    }
}

#[tokio::test]
async fn a_repeat_sends_only_what_is_missing() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 1}}")
        .apns("app", &apple, &key, HEX)
        .start();
    apple.for_token(A).always(Answer::new(410, "Unregistered"));
    apple.for_token(C).answer(503, "ServiceUnavailable");
    let body = event_to(&[("app", A), ("app", B), ("app", C)], "$1");

    let failed = gateway.notify(&body).await;
    failed.assert_error(502, "M_UNKNOWN");
    assert_eq!(apple.count(), 3);
    gateway.notify(&body).await.assert_rejects(&[A]);
    assert_eq!(apple.count(), 4);
    let accepted = [A, B, C].map(|token| apple.accepted_for(token));
    assert_eq!(accepted, [0, 1, 1]);
    gateway.notify(&body).await.assert_rejects(&[A]);
    assert_eq!(apple.count(), 4);
}

#[tokio::test]
async fn a_slow_device_delays_nobody() {
    let (apple, key) = apns_with(Options::default().first_streams(10));
    let gateway = Setup::new().apns("app", &apple, &key, HEX).start();
    apple.for_token(A).always(Answer::stall());
    let answer = gateway.begin(&event_to(&[("app", A), ("app", B), ("app", C)], "$1"));

    apple.wait_for(3).await;
    let mut tokens: Vec<String> = apple.received().into_iter().map(|it| it.token).collect();
    tokens.sort();
    assert_eq!(tokens, [A, B, C]);
    assert!(!answer.is_finished());
    apple.for_token(A).clear();
    apple.close_all();
    answer.await.unwrap().assert_rejects(&[]);
}

#[tokio::test]
async fn a_bad_device_spoils_nobody() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app", &apple, &key, "").start();
    let long = "x".repeat(513);
    let device = |app_id: &str, pushkey: &str| json!({ "app_id": app_id, "pushkey": pushkey });
    let odd = json!({
        "app_id": "app", "pushkey": "not base64!",
        "data": 5, "tweaks": [], "pushkey_ts": "yesterday",
    });
    let body = json!({ "notification": { "event_id": "$1", "devices": [
        device("app", ""), odd, device(&long, "a"), device("nobody", "b"), device("app", TOKEN),
    ]}});
    let answer = gateway.notify(&body).await;
    answer.assert_rejects(&["", "not base64!", "a", "b"]);
    assert_eq!((apple.accepted(), apple.count()), (1, 1));
}

#[tokio::test]
async fn what_an_unknown_app_id_means() {
    for (word, fails) in [("reject", false), ("error", true)] {
        let gateway = Setup::new()
            .section(&format!("delivery: {{unknown_app_id: {word}}}"))
            .app("app.*", LOG)
            .start();
        let answer = gateway.notify(&event("App.log", "key", "$1")).await;
        if fails {
            answer.assert_error(502, "M_UNKNOWN");
        } else {
            answer.assert_rejects(&["key"]);
        }
        // An app_id that is too long is no typo.
        let too_long = format!("app.{}", "x".repeat(509));
        let answer = gateway.notify(&event(&too_long, "key", "$1")).await;
        answer.assert_rejects(&["key"]);
    }
}

#[tokio::test]
async fn how_long_names_may_be() {
    let gateway = Setup::new().app("a*", LOG).start();
    for (app_id, pushkey, rejected) in [
        (1, 1, false),
        (1, 0, true),
        (1, 2048, false),
        (1, 2049, true),
        (512, 2048, false),
        (513, 1, true),
    ] {
        let (app_id, pushkey) = ("a".repeat(app_id), "k".repeat(pushkey));
        let answer = gateway.notify(&event(&app_id, &pushkey, "$1")).await;
        let expected: &[&str] = if rejected { &[&pushkey] } else { &[] };
        answer.assert_rejects(expected);
    }
}

#[tokio::test]
async fn what_is_on_which_port() {
    let gateway = Setup::new().app("app", LOG).start();
    let (public, admin) = (gateway.public, gateway.admin);
    for (port, method, path, status, allow) in [
        (public, "GET", "/health", 200, None),
        (public, "POST", "/health", 405, Some("GET, HEAD")),
        (public, "GET", NOTIFY, 405, Some("POST")),
        (public, "DELETE", NOTIFY, 405, Some("POST")),
        (public, "POST", "/", 404, None),
        (public, "GET", "/metrics", 404, None),
        (public, "GET", "/health/live", 404, None),
        (public, "GET", "/health/ready", 404, None),
        (admin, "GET", "/health/live", 200, None),
        (admin, "GET", "/metrics", 200, None),
        (admin, "POST", "/metrics", 405, Some("GET, HEAD")),
        (admin, "POST", NOTIFY, 404, None),
        (admin, "GET", "/health", 404, None),
    ] {
        let answer = request(port, method, path, b"").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.header("x-request-id").map(str::len), Some(32), "{path}");
        if status != 200 {
            answer.assert_error(status, "M_UNRECOGNIZED");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    assert_eq!(request(public, "GET", "/health", b"").await.text, "");
}

#[tokio::test]
async fn bodies_that_no_homeserver_sends() {
    let gateway = Setup::new().app("app", LOG).start();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, errcode) in [
        ("", "M_NOT_JSON"),
        ("NaN", "M_NOT_JSON"),
        (r#"{"notification":{"devices":["#, "M_NOT_JSON"),
        ("null", "M_BAD_JSON"),
        ("\"notification\"", "M_BAD_JSON"),
        (&deep, "M_BAD_JSON"),
        ("{}", "M_MISSING_PARAM"),
        (r#"{"notification":[]}"#, "M_BAD_JSON"),
        (r#"{"notification":{}}"#, "M_MISSING_PARAM"),
        (r#"{"notification":{"devices":{}}}"#, "M_BAD_JSON"),
        (r#"{"notification":{"devices":[]}}"#, "M_INVALID_PARAM"),
        (r#"{"notification":{"devices":[null]}}"#, "M_BAD_JSON"),
        (&notification(r#""app_id":"app""#, ""), "M_MISSING_PARAM"),
        (&notification(r#""pushkey":"k""#, ""), "M_MISSING_PARAM"),
        (&notification(r#""app_id":5,"pushkey":"k""#, ""), "M_BAD_JSON"),
    ] {
        gateway.post(body.as_bytes()).await.assert_error(400, errcode);
    }
}

#[tokio::test]
async fn everything_optional_is_forgiving() {
    let gateway = Setup::new().app("app", LOG).start();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (device, fields) in [
        (r#","data":null,"tweaks":null,"pushkey_ts":null"#, ""),
        (r#","data":[],"tweaks":{"sound":5},"pushkey_ts":1.5"#, ""),
        ("", r#","counts":null"#),
        ("", r#","counts":[]"#),
        ("", r#","counts":{"unread":"2","missed_calls":1e300}"#),
        ("", r#","prio":5,"type":7,"content":"x","sender":{}"#),
        ("", r#","room_name":"\ud800","content":{"body":"\udc00"}"#),
        ("", r#","event_id":"$2","event_id":"$3""#),
        ("", &format!(r#","content":{deep}"#)),
    ] {
        let device = format!(r#""app_id":"app","pushkey":"k"{device}"#);
        let body = notification(&device, fields);
        gateway.post(body.as_bytes()).await.assert_rejects(&[]);
    }
    for (field, times) in [("counts.unread", 1), ("devices.data", 1), ("content", 2)] {
        let ignored = format!("peregrine_ignored_fields_total{{field=\"{field}\"}}");
        assert_eq!(gateway.count(&ignored).await, times, "{field}");
    }
}

#[tokio::test]
async fn large_bodies_up_to_the_limit() {
    const LIMIT: usize = 512 * 1024;
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app", &apple, &key, "").start();
    let mut body = event("app", TOKEN, "$large");
    let notification = &mut body["notification"];
    notification["type"] = json!("m.room.message");
    notification["sender_display_name"] = json!("Alice");
    notification["content"] = json!({ "msgtype": "m.text", "body": "é\\\"".repeat(15_000) });
    let padded = |length: usize| {
        let mut body = body.clone();
        let padding = length - (body.to_string().len() + r#","padding":"""#.len());
        body["padding"] = Value::from(" ".repeat(padding));
        assert_eq!(body.to_string().len(), length);
        body
    };
    gateway.notify(&padded(LIMIT)).await.assert_rejects(&[]);
    let push = apple.next().await;
    assert_eq!((push.status, &push.json["event_id"]), (Some(200), &json!("$large")));
    assert!(push.body.len() <= 4096, "{}", push.body.len());

    let too_large = gateway.notify(&padded(LIMIT + 1)).await;
    too_large.assert_error(413, "M_TOO_LARGE");
    assert_eq!(apple.count(), 1);
}

/// A body with one device of these members, and more members beside the devices.
fn notification(device: &str, fields: &str) -> String {
    format!(r#"{{"notification":{{"devices":[{{{device}}}]{fields}}}}}"#)
}
