//! The data behind the status page: each field moves as it should, and nothing private is in it.

mod apps;

use std::collections::BTreeMap;

use peregrine::telemetry::logs::ShortHash;
use serde_json::{Value, json};

use crate::helpers::{Setup, TOKEN, TestGateway, apns, badge, event, request, until};
use crate::puppet::Puppet;

impl TestGateway {
    /// Returns the status data.
    async fn status(&self, query: &str) -> Value {
        let answer = self.admin(&format!("/status.json{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Returns the status data of one app.
    async fn app_status(&self, app: &str) -> Value {
        let mut status = self.status("").await;
        let apps = status["apps"].as_array_mut().unwrap();
        let mine = apps.iter_mut().find(|it| it["app"] == app);
        mine.expect("the app is listed").take()
    }

    /// Returns outcomes and reasons of a pushkey, the latest first.
    async fn outcomes(&self, pushkey: &str) -> Vec<(String, String)> {
        let query = format!("?pushkey_hash={}", ShortHash(pushkey));
        let status = self.status(&query).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let recent = status["recent"].as_array().unwrap().iter();
        recent.map(|it| (text(&it["outcome"]), text(&it["reason"]))).collect()
    }
}

#[tokio::test]
async fn says_what_runs_and_how_full_it_is() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}\ndelivery: {duplicates: {capacity: 5000}}")
        .apns("ios", &apple, &key, "inflight_request_limit: 77")
        .app("log.*", "type: log")
        .start();
    gateway.until_ready_is(200).await;
    gateway.notify(&event("ios", TOKEN, "$1")).await.assert_rejects(&[]);
    gateway.post(b"no json").await.assert_error(400, "M_NOT_JSON");

    let status = gateway.status("").await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["workers"], &status["draining"]), (&json!(2), &json!(false)));
    assert_eq!((&status["ready"], &status["reasons"]), (&json!(true), &json!([])));
    assert_eq!(status["notify"], json!({ "answers": { "200": 1, "400": 1 } }));
    assert_eq!(status["reloads"], json!({ "ok": 0, "refused": 0 }));
    let tables = &status["tables"];
    assert_eq!(tables["duplicates"], json!({ "entries": 1, "capacity": 5000 }));
    assert_eq!(tables["rejections"]["entries"], 0);
    assert_eq!(tables["rate_limits"]["entries"], 1);
    let names: Vec<&Value> =
        status["apps"].as_array().unwrap().iter().map(|it| &it["app"]).collect();
    assert_eq!(names, ["ios", "log.*"]);
    let ios = &status["apps"][0];
    for (field, value) in [
        ("provider", json!("apns")),
        ("state", json!("ready")),
        ("actors", json!(2)),
        ("in_flight", json!(0)),
        ("in_flight_limit", json!(77)),
        ("connections", json!(1)),
        ("circuit", json!({ "state": "closed", "failures": 0, "seconds_left": null })),
        ("attempts", json!({ "ok": 1, "retry": 0, "error": 0 })),
        ("restarts", json!({ "panic": 0, "wedged": 0, "reload": 0 })),
        ("alarms", json!([])),
    ] {
        assert_eq!(ios[field], value, "{field}: {ios}");
    }
    let log = &status["apps"][1];
    assert_eq!(log["latency_ms"], json!(null));
    assert_eq!(log["history"]["p50_ms"], json!([]), "nothing happened there");
}

#[tokio::test]
async fn history_grows_and_is_told_in_parts() {
    let puppet = Puppet::new();
    let gateway = Setup::new().puppet(&puppet).start();
    for number in 0..20 {
        let body = event("app", &format!("phone-{number}"), "$1");
        gateway.notify(&body).await.assert_rejects(&[]);
    }
    let app = until("a sample was taken", async || {
        let app = gateway.app_status("app").await;
        (app["latency_ms"] != json!(null)).then_some(app)
    })
    .await;
    let sum = |app: &Value| -> u64 {
        let curve = app["history"]["per_second"]["accepted"].as_array().unwrap();
        curve.iter().filter_map(Value::as_u64).sum()
    };
    // Twenty in one step, or spread over two; one that came late counts for its seconds.
    assert!((1..=20).contains(&sum(&app)), "{app}");
    assert!(app["per_second"]["accepted"].as_f64().unwrap() > 0.0);
    let latency = &app["latency_ms"];
    let percentile = |name: &str| latency[name].as_f64().unwrap();
    assert!(percentile("p50") <= percentile("p90") && percentile("p90") <= percentile("p99"));
    let length = app["history"]["p99_ms"].as_array().unwrap().len();
    assert_eq!(app["history"]["per_second"]["rejected"].as_array().unwrap().len(), length);

    // Only what is new.
    let last = gateway.status("").await["history"]["last"].as_u64().unwrap();
    until("another sample was taken", async || {
        let status = gateway.status(&format!("?since={last}")).await;
        let new = status["history"]["last"].as_u64().unwrap() - last;
        let app = &status["apps"][1];
        assert_eq!(app["history"]["p50_ms"].as_array().unwrap().len() as u64, new);
        (new > 0).then_some(())
    })
    .await;
    // A number of another process: all there is.
    let status = gateway.status("?since=1000000").await;
    assert!(!status["apps"][1]["history"]["p50_ms"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn tells_of_each_outcome_by_the_hash_of_its_pushkey() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  retry: {max_attempts: 1}")
        .section("  rate_limit: {per_minute: 1, burst: 2}")
        .puppet(&puppet)
        .start();
    for (pushkey, event_id) in [
        ("phone", "$1"),
        ("phone", "$1"),
        ("phone", "$2"),
        ("phone", "$3"),
        ("rejected-x", "$1"),
        ("rejected-x", "$2"),
        ("dropped-x", "$1"),
        ("failed-x", "$1"),
    ] {
        gateway.notify(&event("app", pushkey, event_id)).await;
    }
    gateway.notify(&event("nobody's", "stranger", "$1")).await;
    gateway.notify(&badge("app", "phone", 3)).await;
    for (pushkey, expected) in [
        (
            "phone",
            &[
                ("coalesced", ""),
                ("rate_limited", ""),
                ("accepted", ""),
                ("duplicate", "delivered_before"),
                ("accepted", ""),
            ][..],
        ),
        ("rejected-x", &[("rejected_from_memory", ""), ("rejected", "unregistered")]),
        ("dropped-x", &[("permanent", "too_large")]),
        ("failed-x", &[("transient", "unavailable")]),
        ("stranger", &[("unknown_app", "")]),
        ("never-seen", &[]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
        assert_eq!(gateway.outcomes(pushkey).await, expected, "{pushkey}");
    }
    let status = gateway.status("").await;
    let recent = status["recent"].as_array().unwrap();
    let find = |outcome: &str| recent.iter().find(|it| it["outcome"] == outcome).unwrap();
    let known = find("rejected_from_memory");
    assert_eq!(known["app"], "app");
    let since = known["known_since"].as_u64().unwrap();
    let told = find("rejected")["when"].as_u64().unwrap();
    // The table's clock ticks every 20 ms.
    assert!(since.abs_diff(told) < 1000, "{since} {told}");
    assert_eq!(status["tables"]["rejections"]["entries"], 1);
    assert_eq!(status["recent_left_out"], 0);

    let totals: BTreeMap<String, u64> =
        serde_json::from_value(gateway.app_status("app").await["totals"].take()).unwrap();
    let counted: Vec<(&str, u64)> = totals.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    let expected = [
        ("accepted", 2),
        ("ambiguous_app", 0),
        ("coalesced", 1),
        ("duplicate", 1),
        ("permanent", 1),
        ("rate_limited", 1),
        ("rejected", 1),
        ("rejected_from_memory", 1),
        ("shed", 0),
        ("transient", 1),
        ("unknown_app", 0),
    ];
    assert_eq!(counted, expected);
    let errors = status["errors"].as_array().unwrap();
    let reasons: Vec<&Value> = errors.iter().map(|it| &it["reason"]).collect();
    assert_eq!(reasons, ["unavailable", "too_large"], "rejections are no errors");

    // Hashes only, whatever the pushkey.
    let text = status.to_string();
    for private in ["\"phone", "rejected-x", "stranger", "nobody's", "$1", "!room"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

#[tokio::test]
async fn a_push_under_way_is_in_flight_and_a_drain_is_seen() {
    let puppet = Puppet::new();
    let gateway = Setup::new().puppet(&puppet).start();
    let held = gateway.begin(&event("app", "held", "$1"));
    puppet.arrivals(1).await;
    let status = gateway.status("").await;
    assert_eq!((&status["apps"][1]["in_flight"], &status["unsettled"]), (&json!(1), &json!(1)));
    let drain = gateway.drain();
    let watch = async {
        let draining = until("the drain is seen", async || {
            let status = gateway.status("").await;
            (status["draining"] == true).then_some(status)
        })
        .await;
        assert_eq!(
            (&draining["ready"], &draining["reasons"][0]["reason"]),
            (&json!(false), &json!("shutting down"))
        );
        puppet.let_go();
    };
    let (drained, ()) = tokio::join!(drain, watch);
    assert!(drained);
    held.await.unwrap().assert_rejects(&[]);
}

#[tokio::test]
async fn is_for_operators_alone_and_takes_no_nonsense() {
    let gateway = Setup::new().app("app", "type: log").start();
    for path in ["/", "/status.json"] {
        let public = request(gateway.public, "GET", path, b"").await;
        public.assert_error(404, "M_UNRECOGNIZED");
        let head = request(gateway.admin, "HEAD", path, b"").await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        let post = request(gateway.admin, "POST", path, b"").await;
        post.assert_error(405, "M_UNRECOGNIZED");
        assert_eq!(post.header("allow"), Some("GET, HEAD"));
        let get = gateway.admin(path).await;
        assert_eq!(get.header("cache-control"), Some("no-store"));
        assert!(get.header("x-request-id").is_some());
    }
    let page = gateway.admin("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for query in ["since=yesterday", "pushkey_hash=xyz", "pushkey_hash=a-pushkey-by-mistake"] {
        let answer = gateway.admin(&format!("/status.json?{query}")).await;
        answer.assert_error(400, "M_INVALID_PARAM");
        assert!(!answer.text.contains("by-mistake"), "{answer:?}");
    }
}
