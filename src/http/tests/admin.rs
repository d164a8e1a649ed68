//! The admin listener, and the one for metrics alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::Desk;
use crate::dispatch::status::Status;
use crate::http::{AdminState, NotReady, Readiness, configure_admin, configure_metrics};
use crate::telemetry::Metrics;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n")
}

#[actix_web::test]
async fn what_operators_ask() {
    let (down, draining) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let metrics = Metrics::new();
    metrics.notified(200, Duration::from_millis(3));
    let is_down = down.clone();
    let state = AdminState {
        metrics,
        readiness: Arc::new(move || Readiness {
            notes: vec!["the shared memory does not answer"],
            reasons: is_down
                .load(Ordering::Relaxed)
                .then(|| NotReady {
                    app: Some("com.example.app".to_owned()),
                    reason: "no provider actor is up".into(),
                })
                .into_iter()
                .collect(),
        }),
        draining: draining.clone(),
        status: Arc::new(|_| Status::default()),
    };
    let desk = Desk::listen(move |routes| configure_admin(routes, state.clone()));

    let ready = async || {
        let reply = desk.ask(get("/health/ready")).await;
        (reply.status, reply.json())
    };
    let notes = ["the shared memory does not answer"];
    let fine = json!({"ready": true, "reasons": [], "notes": notes});
    assert_eq!(ready().await, (200, fine));
    down.store(true, Ordering::Relaxed);
    let app_down = json!({"app": "com.example.app", "reason": "no provider actor is up"});
    let reasons = json!({"ready": false, "reasons": [app_down.clone()], "notes": notes});
    assert_eq!(ready().await, (503, reasons));
    draining.store(true, Ordering::Relaxed);
    let shutting_down = json!({"reason": "shutting down"});
    let reasons = [shutting_down, app_down];
    let reasons = json!({"ready": false, "reasons": reasons, "notes": notes});
    assert_eq!(ready().await, (503, reasons));

    let live = desk.ask(get("/health/live")).await;
    assert_eq!((live.status, live.json()), (200, json!({"live": true})));

    let page = desk.ask(get("/metrics")).await;
    assert_eq!(page.status, 200);
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(page.header("content-type"), Some(media_type));
    assert!(page.body.contains("peregrine_notifications_total{outcome=\"accepted\"} 1"));
    assert!(page.body.ends_with("# EOF\n"));
    assert!(page.header("x-request-id").is_some());
}

#[actix_web::test]
async fn everything_else_is_refused() {
    let state = AdminState {
        metrics: Metrics::new(),
        readiness: Arc::new(Readiness::default),
        draining: Arc::default(),
        status: Arc::new(|_| Status::default()),
    };
    let desk = Desk::listen(move |routes| configure_admin(routes, state.clone()));
    for (method, path, status, allow) in [
        ("POST", "/metrics", 405, Some("GET, HEAD")),
        ("DELETE", "/health/ready", 405, Some("GET, HEAD")),
        ("GET", "/_matrix/push/v1/notify", 404, None),
        ("GET", "/health/live/", 404, None),
    ] {
        let reply = desk.ask(format!("{method} {path} HTTP/1.1\r\nHost: g\r\n\r\n")).await;
        assert_eq!((reply.status, reply.header("allow")), (status, allow));
        assert_eq!(reply.errcode(), "M_UNRECOGNIZED");
        assert!(reply.header("x-request-id").is_some());
        // Who is lost is told what is here, not what is on the public port.
        assert_eq!(reply.body.contains("/status.json"), status == 404);
        assert!(!reply.body.contains("/notify"), "{}", reply.body);
    }
}

#[actix_web::test]
async fn the_metrics_listener_answers_on_every_path() {
    let metrics = Metrics::new();
    let desk = Desk::listen(move |routes| configure_metrics(routes, metrics.clone()));
    for path in ["/", "/metrics", "/any/where"] {
        let page = desk.ask(get(path)).await;
        assert_eq!(page.status, 200);
        assert!(page.body.ends_with("# EOF\n"));
    }
    let refused = desk.ask("POST /metrics HTTP/1.1\r\nHost: g\r\n\r\n").await;
    assert_eq!((refused.status, refused.errcode()), (405, "M_UNRECOGNIZED".to_owned()));
}
