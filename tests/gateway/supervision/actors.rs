//! Provider actors fall and rise; what is in their hands may still arrive.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use peregrine::providers::{App, Blueprint, Common, Credential, Outcome, Provider, Push};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::helpers::{Answer, OwnApp, Setup, event, until};

/// A provider that falls in the ways that its pushkeys say, and recovers with its next actor.
#[derive(Clone, Default)]
struct Frail(Arc<State>);

#[derive(Default)]
struct State {
    built: AtomicUsize,
    /// How many pushes are held or block, and whether those held may go.
    held: watch::Sender<(usize, bool)>,
    unblocked: Mutex<bool>,
    go_on: Condvar,
}

impl Frail {
    fn app(&self, keys: Value) -> OwnApp {
        let frail = self.clone();
        Arc::new(move |metrics| {
            let common: Common = serde_json::from_value(keys.clone()).unwrap();
            App::new("app", "frail", common, frail.clone(), metrics.app("app", "frail"), 0)
        })
    }

    /// Lets the blocked thread go on.
    fn unblock(&self) {
        *self.0.unblocked.lock().unwrap() = true;
        self.0.go_on.notify_all();
    }

    async fn held(&self, count: usize) {
        let mut held = self.0.held.subscribe();
        held.wait_for(|(held, _)| *held == count).await.unwrap();
    }

    fn let_go(&self) {
        self.0.held.send_modify(|(_, let_go)| *let_go = true);
    }
}

/// The provider of one actor.
#[derive(Clone)]
struct Built {
    state: Arc<State>,
    is_first: bool,
}

impl Blueprint for Frail {
    type Provider = Built;

    fn build(&self) -> Built {
        Built { state: self.0.clone(), is_first: self.0.built.fetch_add(1, Ordering::SeqCst) == 0 }
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

impl Provider for Built {
    fn send(&self, push: Push, _: Instant) -> impl Future<Output = Outcome> + 'static {
        let Self { state, is_first } = self.clone();
        async move {
            match push.device().pushkey.split('-').next() {
                Some("panics") if is_first => resume_unwind(Box::new("a test's panic")),
                Some("hangs") if is_first => pending().await,
                Some("blocks") if is_first => {
                    state.held.send_modify(|(held, _)| *held += 1);
                    let mut unblocked = state.unblocked.lock().unwrap();
                    while !*unblocked {
                        unblocked = state.go_on.wait(unblocked).unwrap();
                    }
                }
                Some("held") => {
                    let mut let_go = state.held.subscribe();
                    state.held.send_modify(|(held, _)| *held += 1);
                    let _ = let_go.wait_for(|(_, let_go)| *let_go).await;
                }
                _ => {}
            }
            Outcome::Accepted
        }
    }
}

fn restarts(cause: &str) -> String {
    format!("peregrine_actor_restarts_total{{app=\"app\",cause=\"{cause}\"}}")
}

#[tokio::test]
async fn a_panic_harms_no_push_but_its_own() {
    let frail = Frail::default();
    let gateway = Setup::new()
        .section("runtime: {workers: 1}\ndelivery: {retry: {max_attempts: 1}}")
        .own(frail.app(json!({})))
        .start();
    let held: Vec<_> = (0..10)
        .map(|number| gateway.begin(&event("app", &format!("held-{number}"), "$1")))
        .collect();
    frail.held(10).await;
    let panics = gateway.notify(&event("app", "panics", "$1")).await;
    panics.assert_error(502, "M_UNKNOWN");
    frail.let_go();
    for push in held {
        push.await.unwrap().assert_rejects(&[]);
    }
    gateway.until_ready_is(200).await;
    gateway.notify(&event("app", "panics", "$1")).await.assert_rejects(&[]);
    assert_eq!(gateway.count(&restarts("panic")).await, 1);
    assert_eq!(gateway.count("peregrine_circuit_open{app=\"app\"}").await, 0);
}

#[tokio::test]
async fn an_actor_whose_pushes_never_end_is_rebuilt() {
    let frail = Frail::default();
    let gateway = Setup::new()
        .section("runtime: {workers: 1}\ndelivery: {deadline_seconds: 1}")
        .own(frail.app(json!({})))
        .start();
    let hang: Vec<_> = (0..5)
        .map(|number| gateway.begin(&event("app", &format!("hangs-{number}"), "$1")))
        .collect();
    for push in hang {
        push.await.unwrap().assert_error(504, "M_UNKNOWN");
    }
    gateway.until_ready_is(200).await;
    for number in 0..5 {
        let body = event("app", &format!("hangs-{number}"), "$1");
        gateway.notify(&body).await.assert_rejects(&[]);
    }
    assert_eq!(gateway.count(&restarts("wedged")).await, 1);
    assert_eq!(frail.0.built.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_actor_whose_thread_stands_still_is_given_up_by_the_others() {
    let frail = Frail::default();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}\ndelivery: {retry: {max_attempts: 1}}")
        .own(frail.app(json!({ "pool": { "actors": 1 } })))
        .start();
    gateway.until_ready_is(200).await;
    let push = |number| gateway.begin(&event("app", &format!("blocks-{number}"), "$1"));
    let mut pushes = vec![push(0)];
    frail.held(1).await;
    // Connections are dealt out to both threads in turn: those on the other one go on.
    pushes.extend((1..6).map(push));
    let wedged = "peregrine_pushes_total{app=\"app\",provider=\"frail\",outcome=\"transient\",\
                  reason=\"wedged\"}";
    until("it is noticed", async || (gateway.count(wedged).await >= 1).then_some(())).await;
    let not_ready = gateway.until_ready_is(503).await.json();
    assert_eq!(not_ready["reasons"][0]["app"], "app");
    frail.unblock();
    gateway.until_ready_is(200).await;
    assert_eq!(gateway.count(&restarts("wedged")).await, 1);

    // Whatever came of them, each is delivered in the end, once.
    for (number, push) in pushes.into_iter().enumerate() {
        let answer: Answer = push.await.unwrap();
        assert!([200, 502].contains(&answer.status), "{answer:?}");
        let body = event("app", &format!("blocks-{number}"), "$1");
        gateway.notify(&body).await.assert_rejects(&[]);
    }
}
