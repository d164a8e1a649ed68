//! From a request to its answer: the provider's rules, then the script, then the record.
//!
//! A [`Service`] is all that tells one peer from another.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};

use super::answer::Act;
use super::record::Note;
use super::script::Found;
use super::server::{Line, Server};
use super::{Answer, Received};

/// One provider's rules.
pub(super) trait Service: Send + Sync + Sized + 'static {
    /// Its name, for messages and its thread.
    const NAME: &'static str;
    /// What it remembers of a connection.
    type Connection: Send + 'static;

    /// Takes a new connection, with the client certificate if one was shown.
    fn connect(&self, certificate: Option<&[u8]>) -> Self::Connection;

    /// Returns how many streams a connection may open before its first success, if that differs.
    fn first_streams(&self, _connection: &Self::Connection) -> Option<u32> {
        None
    }

    /// Judges a request as the provider does.
    fn judge<'r>(
        &self,
        connection: &mut Self::Connection,
        request: &'r Request<Bytes>,
    ) -> Judged<'r>;

    /// Writes an answer as the provider does.
    fn render(&self, request: &Request<Bytes>, answer: &Answer) -> Response<Bytes>;
}

/// What the provider's rules say of a request.
#[derive(Default)]
pub(super) struct Judged<'r> {
    pub(super) token: Cow<'r, str>,
    pub(super) event_id: Option<Cow<'r, str>>,
    pub(super) refusal: Option<Answer>,
    /// What the body holds, if it is sealed.
    pub(super) content: Option<Bytes>,
}

/// How a request is answered.
pub(super) struct Decision {
    pub(super) act: Act,
    pub(super) response: Option<Response<Bytes>>,
    /// The reason, for GOAWAY's debug data.
    pub(super) reason: Option<String>,
    pub(super) delay: Duration,
}

impl<S: Service> Server<S> {
    /// Judges and records a request, and finds its answer.
    pub(super) fn decide(
        &self,
        line: &Line<S::Connection>,
        request: &Request<Bytes>,
        stream: u32,
    ) -> Decision {
        let judged = self.service.judge(&mut line.connection(), request);
        let whole = |status: Option<u16>| Received {
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
            headers: request.headers().clone(),
            body: request.body().clone(),
            json: serde_json::from_slice(judged.content.as_ref().unwrap_or(request.body()))
                .unwrap_or_default(),
            token: judged.token.to_string(),
            event_id: judged.event_id.as_deref().map(str::to_owned),
            connection: line.id,
            stream,
            at: Instant::now(),
            refused: judged
                .refusal
                .as_ref()
                .map(|answer| answer.reason.clone().unwrap_or_default()),
            status,
        };
        let answer = judged.refusal.clone().or_else(|| {
            let Found { answer, rule } = self.shared.script.find(&judged.token);
            answer.or_else(|| rule.and_then(|rule| rule(&whole(None))))
        });
        let answer = answer.unwrap_or_else(Answer::accept);
        let response = matches!(answer.act, Act::Accept | Act::Respond)
            .then(|| self.service.render(request, &answer));
        let status = response.as_ref().map(Response::status);
        self.shared.record.note(
            &Note {
                token: &judged.token,
                event_id: judged.event_id.as_deref(),
                accepted: status.is_some_and(|status| status.is_success()),
                refused: judged.refusal.is_some(),
            },
            || whole(status.map(|status| status.as_u16())),
        );
        let latency = Duration::from_nanos(self.shared.latency.load(Ordering::Relaxed));
        Decision { act: answer.act, response, reason: answer.reason, delay: answer.delay + latency }
    }
}
