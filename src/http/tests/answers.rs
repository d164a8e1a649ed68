//! From a body and a verdict to an answer.

use std::time::Duration;

use actix::{Actor as _, Recipient};
use serde_json::json;

use super::{BODY, Desk, Scripted, post_with, state};
use crate::dispatch::{Notify, Verdict};

#[actix_web::test]
async fn every_verdict_has_its_answer() {
    let settled =
        |keys: &[&str]| Verdict::Settled { rejected: keys.iter().map(|&key| key.into()).collect() };
    let shed = |ms| Verdict::Shed { retry_after: Duration::from_millis(ms) };
    let limited = |ms| Verdict::RateLimited { retry_after: Duration::from_millis(ms) };
    let rows = [
        (settled(&[]), 200, "", None),
        (settled(&["k"]), 200, "", None),
        (Verdict::ProviderFailed, 502, "M_UNKNOWN", None),
        (Verdict::DeadlinePassed, 504, "M_UNKNOWN", None),
        (shed(0), 503, "M_UNKNOWN", Some("1")),
        (shed(1000), 503, "M_UNKNOWN", Some("1")),
        (shed(1001), 503, "M_UNKNOWN", Some("2")),
        (limited(250), 429, "M_LIMIT_EXCEEDED", Some("1")),
        (limited(61_500), 429, "M_LIMIT_EXCEEDED", Some("62")),
    ];
    let scripted = Scripted::answering(rows.iter().map(|row| row.0.clone()));
    let state = state(scripted.clone().start().recipient());
    let metrics = state.metrics.clone();
    let desk = Desk::open(state);
    for (verdict, status, errcode, retry_after) in rows {
        let reply = desk.post(BODY).await;
        assert_eq!(reply.status, status, "{verdict:?}");
        assert_eq!(reply.header("retry-after"), retry_after, "{verdict:?}");
        match &verdict {
            Verdict::Settled { rejected } => {
                let rejected: Vec<&str> = rejected.iter().map(|key| &**key).collect();
                assert_eq!(reply.json(), json!({"rejected": rejected}));
                continue;
            }
            Verdict::RateLimited { retry_after } => {
                let ms = u64::try_from(retry_after.as_millis()).unwrap();
                assert_eq!(reply.json()["retry_after_ms"], ms);
            }
            _ => assert!(reply.json().get("retry_after_ms").is_none()),
        }
        assert_eq!(reply.errcode(), errcode, "{verdict:?}");
    }
    let page = metrics.render();
    assert!(page.contains("notifications_total{outcome=\"accepted\"} 2"), "{page}");
    assert!(page.contains("notifications_total{outcome=\"failed\"} 7"), "{page}");
    assert!(page.contains("notify_duration_seconds_count{status=\"503\"} 3"), "{page}");
}

#[actix_web::test]
async fn pushkeys_are_escaped_in_the_answer() {
    let odd = "quote\" back\\slash \n\u{1} é 😀";
    let scripted =
        Scripted::answering([Verdict::Settled { rejected: vec![odd.into(), "second".into()] }]);
    let desk = Desk::open(state(scripted.start().recipient()));
    let reply = desk.post(BODY).await;
    assert_eq!(reply.json(), json!({"rejected": [odd, "second"]}));
}

#[actix_web::test]
async fn the_sorting_room_gets_the_whole_notification() {
    let scripted = Scripted::default();
    let state = state(scripted.clone().start().recipient());
    let metrics = state.metrics.clone();
    let desk = Desk::open(state);
    let body = r#"{"notification":{"event_id":"$e","prio":7,"counts":{"unread":"x"},
        "devices":[{"app_id":"a","pushkey":"k"},{"app_id":"b","pushkey":"l"}]}}"#;
    assert_eq!(desk.post(body).await.status, 200);
    let seen = scripted.seen.lock().unwrap();
    let request = &seen[0].request;
    assert_eq!(request.notification.event_id.as_deref(), Some("$e"));
    let keys: Vec<&str> = request.devices.iter().map(|it| &*it.pushkey).collect();
    assert_eq!(keys, ["k", "l"]);
    let page = metrics.render();
    assert!(page.contains("ignored_fields_total{field=\"prio\"} 1"), "{page}");
    assert!(page.contains("ignored_fields_total{field=\"counts.unread\"} 1"), "{page}");
}

#[actix_web::test]
async fn bodies_no_homeserver_sends() {
    let scripted = Scripted::default();
    let desk = Desk::open(state(scripted.clone().start().recipient()));
    let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\x02\x00";
    let rows: [(&str, &[u8], &str, &str); 9] = [
        ("", b"", "M_NOT_JSON", "EOF"),
        ("", b"\xef\xbb\xbf{}", "M_NOT_JSON", "line 1 column 1"),
        ("", b"\xff\xfe{\x00}\x00", "M_NOT_JSON", "utf-8"),
        ("", gzip, "M_NOT_JSON", ""),
        ("Content-Encoding: gzip\r\n", gzip, "M_NOT_JSON", "Content-Encoding"),
        ("", b"[]", "M_BAD_JSON", "object"),
        ("", b"{}", "M_MISSING_PARAM", "`notification`"),
        ("", br#"{"notification":{}}"#, "M_MISSING_PARAM", "devices"),
        ("", br#"{"notification":{"devices":[]}}"#, "M_INVALID_PARAM", "devices"),
    ];
    for (headers, body, errcode, says) in rows {
        let reply = desk.ask(post_with(headers, body)).await;
        assert_eq!((reply.status, reply.errcode().as_str()), (400, errcode), "{body:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{error} says {says}");
    }
    assert_eq!(scripted.seen(), 0);
}

#[actix_web::test]
async fn without_a_sorting_room_the_homeserver_comes_again() {
    let gone: Recipient<Notify> = {
        let arbiter = actix::Arbiter::new();
        let address = Scripted::start_in_arbiter(&arbiter.handle(), |_| Scripted::default());
        arbiter.stop();
        arbiter.join().unwrap();
        address.recipient()
    };
    let desk = Desk::open(state(gone));
    let reply = desk.post(BODY).await;
    assert_eq!((reply.status, reply.errcode().as_str()), (503, "M_UNKNOWN"));
    assert_eq!(reply.header("retry-after"), Some("1"));
}
