//! Worker threads, provider actors, their ends; drain and reload.

use loadtest::peers::Answer;
use loadtest::peers::apns::{Apns, Options};
use serde_json::json;
use std::cell::Cell;

use crate::helpers::{Line, Setup, TOKEN, TestGateway, apns, apns_with, event, until};
use crate::puppet::{Puppet, distinct};

/// An app beside the one under test.
const OTHER: (&str, &str) = ("app.other", "type: log");

#[tokio::test]
async fn every_worker_serves_and_one_actor_serves_every_worker() {
    let (everywhere, single) = (Puppet::new(), Puppet::new());
    let gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .app(OTHER.0, OTHER.1)
        .own(everywhere.app("everywhere", json!({}), false))
        .own(single.app("single", json!({ "pool": { "actors": 1 } }), false))
        .start();
    gateway.until_ready_is(200).await;

    // Connections are dealt out to the workers in turn.
    for line in 0..8 {
        let mut connection = Line::to(&gateway).await;
        for app_id in ["everywhere", "single"] {
            let body = event(app_id, "key", &format!("${line}"));
            connection.notify(&body).await.unwrap().assert_rejects(&[]);
        }
    }

    assert_eq!(distinct(everywhere.arrivals(8).await), 2);
    assert_eq!(distinct(single.arrivals(8).await), 1);
    assert_eq!((everywhere.arrived(), single.arrived()), (8, 8));
    assert_eq!(distinct(everywhere.built_on()), 2);
    assert_eq!(single.built_on().len(), 1);
}

#[tokio::test]
async fn connections_are_as_many_as_allowed() {
    for allowed in [1, 2] {
        let (apple, key) = apns_with(Options::default().max_streams(1));
        let keys = format!("pool: {{actors: 1, connections: {allowed}}}");
        let gateway = Setup::new().apns("app", &apple, &key, &keys).start();
        // A connection proves itself before there is another one.
        for id in ["$1", "$2"] {
            let answer = gateway.notify(&event("app", TOKEN, id)).await;
            answer.assert_rejects(&[]);
        }
        // Each of them holds its connection's only stream.
        apple.answer_times(allowed, &Answer::stall());
        let pushes = ["$3", "$4", "$5"].map(|id| gateway.begin(&event("app", TOKEN, id)));

        apple.wait_for(2 + allowed).await;
        assert_eq!(apple.connections_opened(), allowed);
        apple.close_all();
        for push in pushes {
            push.await.unwrap().assert_rejects(&[]);
        }
        assert_eq!((apple.accepted(), apple.streams_refused()), (5, 0));
    }
}

#[tokio::test]
async fn a_place_in_flight_is_given_back() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .apns("app", &apple, &key, "inflight_request_limit: 1")
        .app(OTHER.0, OTHER.1)
        .start();
    apple.answer_next(Answer::stall());
    let first = gateway.begin(&event("app", TOKEN, "$first"));
    apple.next().await;

    let second = gateway.notify(&event("app", TOKEN, "$second")).await;
    second.assert_error(503, "M_UNKNOWN");
    assert_eq!(second.header("retry-after"), Some("1"));
    let other = gateway.notify(&event(OTHER.0, "key", "$second")).await;
    other.assert_rejects(&[]);
    assert_eq!(gateway.count("peregrine_in_flight{app=\"app\"}").await, 1);
    let shed = "peregrine_shed_total{app=\"app\",cause=\"in_flight\"}";
    assert_eq!(gateway.count(shed).await, 1);

    // The provider hangs up: the first push is tried again and accepted.
    apple.close_all();
    first.await.unwrap().assert_rejects(&[]);
    let second = gateway.notify(&event("app", TOKEN, "$second")).await;
    second.assert_rejects(&[]);
    assert_eq!(gateway.count("peregrine_in_flight{app=\"app\"}").await, 0);
}

#[tokio::test]
async fn a_panic_costs_one_push_and_the_actor_is_rebuilt() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("runtime: {workers: 1}\ndelivery: {retry: {max_attempts: 1}}")
        .app(OTHER.0, OTHER.1)
        .puppet(&puppet)
        .start();
    gateway.until_ready_is(200).await;

    puppet.cannot_be_built(true);
    let fatal = gateway.notify(&event("app", "panics", "$1")).await;
    fatal.assert_error(502, "M_UNKNOWN");
    let not_ready = gateway.until_ready_is(503).await.json();
    assert_eq!(not_ready["ready"], false);
    assert_eq!(not_ready["reasons"][0]["app"], "app");
    assert_eq!(not_ready["reasons"].as_array().unwrap().len(), 1);
    let meanwhile = gateway.notify(&event("app", "key", "$2")).await;
    meanwhile.assert_error(502, "M_UNKNOWN");
    let other = gateway.notify(&event(OTHER.0, "key", "$2")).await;
    other.assert_rejects(&[]);
    assert_eq!(gateway.admin("/health/live").await.status, 200);

    puppet.cannot_be_built(false);
    gateway.until_ready_is(200).await;
    for body in [event("app", "panics", "$1"), event("app", "key", "$2")] {
        gateway.notify(&body).await.assert_rejects(&[]);
    }
    let restarts = gateway.count("peregrine_actor_restarts_total").await;
    assert_eq!(restarts, 1 + puppet.failed_builds());
    let settled = |reason| {
        let start = format!(
            "peregrine_pushes_total{{app=\"app\",provider=\"puppet\",outcome=\"transient\",\
             reason=\"{reason}\"}}"
        );
        let gateway = &gateway;
        async move { gateway.count(&start).await }
    };
    assert_eq!(settled("actor_panic").await, 1);
    assert_eq!(settled("actor_down").await, 1);
}

#[tokio::test]
async fn a_push_outlives_the_panic_of_its_actor() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 20}}")
        .app(OTHER.0, OTHER.1)
        .puppet(&puppet)
        .start();

    let answer = gateway.notify(&event("app", "panics", "$1")).await;
    answer.assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 2);
    let restarts = "peregrine_actor_restarts_total{app=\"app\",cause=\"panic\"}";
    assert_eq!(gateway.count(restarts).await, 1);
    let attempts = "peregrine_push_attempts_total{app=\"app\",result=\"ok\"}";
    assert_eq!(gateway.count(attempts).await, 1);
}

#[tokio::test]
async fn a_provider_that_cannot_be_built_takes_nothing_down() {
    let puppet = Puppet::new();
    puppet.cannot_be_built(true);
    let gateway =
        Setup::new().section("runtime: {workers: 2}").app(OTHER.0, OTHER.1).puppet(&puppet).start();

    let not_ready = gateway.until_ready_is(503).await.json();
    assert_eq!(not_ready["reasons"][0]["app"], "app");
    until("it is tried again", async || (puppet.failed_builds() > 2).then_some(())).await;
    let other = gateway.notify(&event(OTHER.0, "key", "$1")).await;
    other.assert_rejects(&[]);

    puppet.cannot_be_built(false);
    gateway.until_ready_is(200).await;
    let answer = gateway.notify(&event("app", "key", "$1")).await;
    answer.assert_rejects(&[]);
    let restarts = gateway.count("peregrine_actor_restarts_total").await;
    assert_eq!(restarts, puppet.failed_builds());
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let puppet = Puppet::new();
    let gateway = Setup::new().app(OTHER.0, OTHER.1).puppet(&puppet).start();
    let mut line = Line::to(&gateway).await;
    let answer = line.notify(&event(OTHER.0, "key", "$1")).await;
    answer.unwrap().assert_rejects(&[]);
    let in_flight = gateway.begin(&event("app", "held", "$1"));
    puppet.arrivals(1).await;

    let drain = async {
        assert!(gateway.drain().await, "everything was settled");
    };
    let meanwhile = async {
        let not_ready = gateway.until_ready_is(503).await.json();
        assert_eq!(not_ready["reasons"][0]["reason"], "shutting down");
        assert_eq!(gateway.admin("/health/live").await.status, 200);
        let refused = line.notify(&event(OTHER.0, "key", "$2")).await;
        let refused = refused.expect("the connection stays");
        refused.assert_error(503, "M_UNKNOWN");
        assert_eq!(refused.header("retry-after"), Some("1"));
        let shed = "peregrine_shed_total{app=\"app.other\",cause=\"draining\"}";
        assert_eq!(gateway.count(shed).await, 1);
        assert!(!in_flight.is_finished());
        puppet.let_go();
        in_flight.await.unwrap().assert_rejects(&[]);
    };
    tokio::join!(drain, meanwhile);
    assert!(
        tokio::net::TcpStream::connect(gateway.public).await.is_err(),
        "nobody listens any more",
    );
}

#[tokio::test]
async fn a_drain_waits_for_pushes_of_an_earlier_configuration() {
    let puppet = Puppet::new();
    let gateway =
        Setup::new().app(OTHER.0, OTHER.1).own(puppet.app("app", json!({}), true)).start();
    let in_flight = gateway.begin(&event("app", "held", "$1"));
    puppet.arrivals(1).await;
    reload(&gateway, |yaml| yaml).await.unwrap();

    let mut line = Line::to(&gateway).await;
    let drain = async {
        assert!(gateway.drain().await, "everything was settled");
    };
    let meanwhile = async {
        gateway.until_ready_is(503).await;
        for _ in 0..20 {
            let refused = line.notify(&event(OTHER.0, "key", "$2")).await;
            let refused = refused.expect("the gateway stays while a push is in flight");
            refused.assert_error(503, "M_UNKNOWN");
            gateway.admin("/health/ready").await;
        }
        puppet.let_go();
        in_flight.await.unwrap().assert_rejects(&[]);
    };
    tokio::join!(drain, meanwhile);
}

#[tokio::test]
async fn a_reload_keeps_what_is_the_same_and_swaps_what_changed() {
    let (same, key) = apns();
    let changed = Apns::start(Options::default().key(&key));
    let gateway = Setup::new()
        .apns("app.same", &same, &key, "")
        .apns("app.changed", &changed, &key, "collapse_per_room: no")
        .start();
    let to_both = async |event_id: &str| {
        for app_id in ["app.same", "app.changed"] {
            let answer = gateway.notify(&event(app_id, TOKEN, event_id)).await;
            answer.assert_rejects(&[]);
        }
        let (same, changed) = (same.next().await, changed.next().await);
        assert_eq!(same.header("apns-collapse-id"), "");
        changed.header("apns-collapse-id").to_owned()
    };
    let opened = || (same.connections_opened(), changed.connections_opened());
    assert_eq!(to_both("$1").await, "");
    assert_eq!(opened(), (1, 1));

    let other = |yaml: String| yaml.replace("room: no", "room: yes");
    reload(&gateway, other).await.unwrap();
    assert_ne!(to_both("$2").await, "");
    assert_eq!(opened(), (1, 2));
    // Nobody needs the connection of the swapped app any more.
    changed.wait_for_connections(1).await;

    let wrong = |yaml: String| yaml.replace("room: no", "room: perhaps");
    let refused = reload(&gateway, wrong).await.unwrap_err();
    assert!(refused.contains("perhaps"), "{refused}");
    assert_ne!(to_both("$3").await, "", "the former configuration stays");
    assert_eq!(opened(), (1, 2));

    for app in ["app.same", "app.changed"] {
        let pushes = format!("peregrine_pushes_total{{app=\"{app}\"");
        assert_eq!(gateway.count(&pushes).await, 3, "{app}");
    }
}

#[tokio::test]
async fn apps_come_and_go_with_a_reload() {
    let gateway = Setup::new().app(OTHER.0, OTHER.1).start();
    let new = async |event_id| gateway.notify(&event("app.new", "key", event_id)).await;
    new("$1").await.assert_rejects(&["key"]);

    reload(&gateway, |yaml| yaml.replace(OTHER.0, "app.*")).await.unwrap();
    new("$1").await.assert_rejects(&[]);
    reload(&gateway, |yaml| yaml).await.unwrap();
    new("$1").await.assert_rejects(&["key"]);
}

#[tokio::test]
async fn no_push_is_lost_under_load_while_reloading() {
    const RELOADS: usize = 4;
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}\ndelivery: {rate_limit: null}")
        .apns("app", &apple, &key, "collapse_per_room: no")
        .start();
    let reloaded = Cell::new(false);
    let line = async |line: usize| {
        let mut connection = Line::to(&gateway).await;
        let mut pushes = 0;
        // Some before, between and after the reloads.
        while pushes < 20 || !reloaded.get() {
            let body = event("app", TOKEN, &format!("${line}-{pushes}"));
            let answer = connection.notify(&body).await;
            answer.expect("an answer").assert_rejects(&[]);
            pushes += 1;
        }
        pushes
    };
    let reloads = async {
        for round in 0..RELOADS {
            apple.wait_for(10 * (round + 1)).await;
            let room = ["room: yes", "room: no"][round % 2];
            let other = |yaml: String| yaml.replace("room: no", room);
            reload(&gateway, other).await.unwrap();
        }
        reloaded.set(true);
    };
    let ((), a, b, c, d) = tokio::join!(reloads, line(0), line(1), line(2), line(3));
    assert_eq!((apple.accepted(), apple.doubled()), (a + b + c + d, 0));
    assert_eq!(apple.refused(), 0);
}

/// Reloads with a change to what the gateway was started with.
async fn reload(
    gateway: &TestGateway,
    change: impl FnOnce(String) -> String,
) -> Result<(), String> {
    gateway.reload(&change(gateway.setup().yaml())).await
}
