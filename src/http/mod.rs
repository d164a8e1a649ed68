//! The front desk: a request becomes a notification, a verdict becomes an answer.
//!
//! Two listeners, and this file says which route is on which: the public one for homeservers, the
//! admin one for operators. Every request passes `head` (its size, its id); `body` reads what is
//! wanted and `unread` disposes of what is not; `notify` hands notifications to the sorting room
//! and nothing else leaves the desk; `ops` and `status` are what operators see. Statuses and
//! errcodes are known to `error` alone; `answer` tells others what a homeserver would be answered.

mod access;
mod answer;
mod body;
pub mod config;
mod connection;
mod error;
mod head;
mod notify;
mod ops;
mod status;
mod trace;
pub mod trusted;
mod unread;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::Recipient;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};

use crate::dispatch::Notify;
use crate::dispatch::status::{Query, Status};
use crate::telemetry::Metrics;
use crate::telemetry::config::AccessConfig;
use error::Refusal;

pub use answer::Answer;
pub use config::{AdminConfig, Config};
pub use connection::service;
pub use ops::{NotReady, Readiness};
pub use trusted::TrustedProxies;

/// Where homeservers send notifications.
const NOTIFY: &str = "/_matrix/push/v1/notify";

/// What the public listener needs on one worker thread.
#[derive(Debug, Clone)]
pub struct PublicState {
    /// The sorting room of this thread.
    pub dispatcher: Recipient<Notify>,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Whether a `unifiedpush` app is configured; a reload may change it.
    pub unifiedpush: Arc<AtomicBool>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The access line.
    pub access: AccessConfig,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
}

/// What the admin listener needs.
#[derive(Clone)]
pub struct AdminState {
    /// Where the metrics are.
    pub metrics: Arc<Metrics>,
    /// Says whether every app can deliver.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Whether the gateway is shutting down.
    pub draining: Arc<AtomicBool>,
    /// Says what is known of every app.
    pub status: Arc<dyn Fn(Query) -> Status + Send + Sync>,
}

/// Puts the routes of the public listener in place.
pub fn configure(routes: &mut web::ServiceConfig, state: PublicState) {
    routes
        .app_data(web::Data::new(state))
        .service(web::resource(NOTIFY).to(notify::answer))
        .service(reading("/health", |_| HttpResponse::Ok().finish()))
        .default_service(nowhere("pushes go to /_matrix/push/v1/notify"));
}

/// Puts the routes of the admin listener in place.
pub fn configure_admin(routes: &mut web::ServiceConfig, state: AdminState) {
    let AdminState { metrics, readiness, draining, status } = state;
    let report = move || ops::report(readiness(), &draining);
    let (ready, counted) = (report.clone(), metrics.clone());
    let data = move |request: &HttpRequest| {
        let status = |query| status(query);
        status::data(request.query_string(), status, report(), &counted)
    };
    routes
        .service(reading("/", |_| status::page()))
        .service(reading("/status.json", data))
        .service(reading("/health/live", |_| ops::live()))
        .service(reading("/health/ready", move |_| ops::ready(&ready())))
        .service(reading("/metrics", move |_| ops::metrics(&metrics)))
        .default_service(nowhere(
            "here are /, /status.json, /metrics, /health/live and /health/ready",
        ));
}

/// Puts the one page of the metrics listener in place. Like Sygnal's, it answers on every path.
pub fn configure_metrics(routes: &mut web::ServiceConfig, metrics: Arc<Metrics>) {
    let page = move |_: &HttpRequest| ops::metrics(&metrics);
    routes.service(reading("/{path:.*}", page)).default_service(nowhere("here are metrics"));
}

/// What to say to a request from its head alone.
trait Reply: Fn(&HttpRequest) -> HttpResponse + Clone + 'static {}

impl<A: Fn(&HttpRequest) -> HttpResponse + Clone + 'static> Reply for A {}

/// A resource that is only read: GET and HEAD, 405 for the rest.
fn reading(path: &str, answer: impl Reply) -> Resource {
    let by_method = move |request: &HttpRequest| match *request.method() {
        Method::GET | Method::HEAD => answer(request),
        _ => Refusal::wrong_method("GET, HEAD").into(),
    };
    web::resource(path).route(answering(by_method))
}

/// What is behind every path that is none of ours; `known` says what is here.
fn nowhere(known: &'static str) -> Route {
    answering(move |_| Refusal::unknown_path(known).into())
}

/// A route for requests whose body nobody wants.
fn answering(answer: impl Reply) -> Route {
    web::to(move |request, body| {
        let answer = answer.clone();
        let answer = async move |request: &HttpRequest, body, _: &HeaderValue| {
            unread::answer(request, body, answer(request)).await
        };
        head::checked(request, body, answer)
    })
}
