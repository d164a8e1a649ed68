//! `/_matrix/push/v1/notify`: POST takes a notification, GET is `UnifiedPush`'s discovery.
//!
//! Specification: <https://spec.matrix.org/latest/push-gateway-api/>

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tokio::time::Instant;

use super::body::{self, BodyError};
use super::error::{self, Refusal};
use super::{PublicState, access, head, trace, unread};
use crate::dispatch::{Notified, Notify, Report};
use crate::matrix::{self, DecodeError, NotifyRequest};

/// What a `UnifiedPush` client looks for before it names us in a pusher:
/// <https://unifiedpush.org/developers/gateway/>.
const DISCOVERY: &str = r#"{"unifiedpush":{"gateway":"matrix"}}"#;

/// Answers every request to this path. It looks at the method itself: actix-web's guards make notes
/// of those they refuse, which a notification would pay for.
pub(super) async fn answer(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<PublicState>,
) -> HttpResponse {
    let by_method = async |request: &HttpRequest, body, id: &HeaderValue| match *request.method() {
        Method::POST => post(request, body, &state, id).await,
        Method::GET | Method::HEAD => Box::pin(discovery(request, body, &state)).await,
        _ => Box::pin(wrong_method(request, body, &state)).await,
    };
    head::checked(request, body, by_method).await
}

/// Takes a notification and answers when every device is settled.
async fn post(
    request: &HttpRequest,
    mut rest: Payload,
    state: &PublicState,
    id: &HeaderValue,
) -> HttpResponse {
    let span = trace::begin(request, id);
    let mut line = access::begin(request, id, state);
    let body = body::read(&mut rest, body::announced(request), state.max_body_bytes).await;
    let received = Instant::now();
    let notification = match body {
        Ok(body) => decode(request, body).map_err(HttpResponse::from),
        Err(reason) => Err(Box::pin(refuse_body(request, rest, reason, state)).await),
    };
    let (answer, report) = match notification {
        Ok(notification) => {
            trace::understood(&span, &notification);
            let notification = Arc::new(notification);
            if let Some(line) = &mut line {
                line.about(&notification, received);
            }
            let notify = Notify {
                request: notification,
                received,
                reported: line.is_some(),
                span: span.clone(),
            };
            deliver(state, notify).await
        }
        Err(answer) => (answer, None),
    };
    let took = received.elapsed();
    state.metrics.notified(answer.status().as_u16(), took);
    trace::answered(&span, answer.status());
    if let Some(line) = line {
        line.answered(&answer, report.as_ref(), took);
    }
    answer
}

fn decode(request: &HttpRequest, body: Bytes) -> Result<NotifyRequest, Refusal> {
    matrix::decode(body).map_err(|reason| match reason {
        DecodeError::NotJson(_) if request.headers().contains_key(CONTENT_ENCODING) => {
            Refusal::body_encoded()
        }
        reason => reason.into(),
    })
}

async fn deliver(state: &PublicState, notify: Notify) -> (HttpResponse, Option<Report>) {
    for field in &notify.request.ignored {
        state.metrics.ignored_field(field.0);
    }
    match state.dispatcher.send(notify).await {
        Ok(Notified { verdict, report }) => (error::verdict(verdict), report),
        Err(_) => (Refusal::out_of_service().into(), None),
    }
}

async fn refuse_body(
    request: &HttpRequest,
    rest: Payload,
    reason: BodyError,
    state: &PublicState,
) -> HttpResponse {
    match reason {
        BodyError::TooLarge => {
            let refusal = Refusal::body_too_large(state.max_body_bytes).into();
            unread::answer(request, rest, refusal).await
        }
        BodyError::TooSlow => unread::close(rest, Refusal::body_too_slow().into()),
        // Nothing behind it can be told apart any more, so there is nothing to read.
        BodyError::Broken => {
            let mut refusal = Refusal::body_broken().into();
            unread::force_close(&mut refusal);
            refusal
        }
    }
}

/// Tells `UnifiedPush` clients that this is a gateway, if it is one.
async fn discovery(request: &HttpRequest, body: Payload, state: &PublicState) -> HttpResponse {
    if !state.unifiedpush.load(Ordering::Relaxed) {
        return wrong_method(request, body, state).await;
    }
    let answer = HttpResponse::Ok().insert_header(error::JSON).body(DISCOVERY);
    unread::answer(request, body, answer).await
}

/// Refuses every other method.
async fn wrong_method(request: &HttpRequest, body: Payload, state: &PublicState) -> HttpResponse {
    let allow = if state.unifiedpush.load(Ordering::Relaxed) { "GET, HEAD, POST" } else { "POST" };
    let refusal = Refusal::wrong_method(allow).into();
    unread::answer(request, body, refusal).await
}
