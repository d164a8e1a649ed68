//! Many hosts, few requests each: awc over HTTP/1.1, with the guards it needs.
//!
//! awc follows redirects, keeps idle sockets for ever and reads bodies without a time limit unless
//! told otherwise; here every request has its own connection (or those of a client that stays with
//! one host, and goes with it), one time limit from DNS to the last byte, and a body cap.

use std::error::Error;
use std::io;
use std::time::Duration;

use actix_service::fn_service;
use actix_tls::connect::{ConnectError as DialError, ConnectInfo, Connection};
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http as awc_http;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{ConnectionId, Dialer, Failure, Origin, Response, Sent, TransportError};

/// Most requests at once; one more waits.
const MAX_REQUESTS: usize = 512;

/// Longest time for DNS, TCP and proxy; the same again for TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP/1.1 client. Lives on one thread; clones share it.
///
/// A host that is only reached nearby, such as a metadata server, needs a client on
/// [`Dialer::direct`].
#[derive(Clone)]
pub struct Client {
    awc: awc::Client,
    max_body_bytes: usize,
    keeps_connections: bool,
}

impl Client {
    /// Makes a client that reads at most `max_body_bytes` of an answer.
    #[must_use]
    pub fn new(dialer: &Dialer, max_body_bytes: usize) -> Self {
        Self { awc: awc(dialer, MAX_REQUESTS), max_body_bytes, keeps_connections: false }
    }

    /// Makes a client for one host: up to `connections` are open at once, and stay open between
    /// requests until it is dropped.
    pub(super) fn of_one_host(dialer: &Dialer, max_body_bytes: usize, connections: usize) -> Self {
        Self { awc: awc(dialer, connections), max_body_bytes, keeps_connections: true }
    }

    /// Sends one request to an absolute http or https URI and reads its answer within `timeout`.
    ///
    /// # Errors
    ///
    /// Returns what failed and whether the request can have been processed.
    pub async fn send(
        &self,
        request: http::Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response, TransportError> {
        tokio::time::timeout(timeout, self.exchange(request)).await.unwrap_or_else(|_| {
            let detail = format!("no answer within {timeout:?}");
            Err(TransportError::new(Failure::Timeout, Sent::Perhaps, detail))
        })
    }

    async fn exchange(&self, request: http::Request<Bytes>) -> Result<Response, TransportError> {
        let (head, body) = request.into_parts();
        let method = awc_http::Method::from_bytes(head.method.as_str().as_bytes())
            .map_err(|error| TransportError::unreachable(Failure::Refused, error.to_string()))?;
        let mut request = self.awc.request(method, head.uri.to_string());
        if !self.keeps_connections {
            request = request.force_close();
        }
        for (name, value) in &head.headers {
            request = request.append_header((name.as_str(), value.as_bytes()));
        }
        let is_head = head.method == http::Method::HEAD;
        let mut answer = request.send_body(body).await.map_err(not_answered)?;
        let status =
            StatusCode::from_u16(answer.status().as_u16()).map_err(|error| broken(&error))?;
        let may_have_body = !is_head && status != StatusCode::NOT_MODIFIED;
        let headers = headers(answer.headers());
        let body = answer.body().limit(self.max_body_bytes).await;
        let body = body.map_err(|error| match error {
            PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => closed(&error),
            PayloadError::Overflow => {
                let most = self.max_body_bytes;
                broken(&format_args!("the answer is larger than {most} bytes"))
            }
            error => broken(&error),
        })?;
        // awc takes the end of the connection for the end of the body.
        let length = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
        if may_have_body && length.is_some_and(|length| length != body.len().to_string().as_bytes())
        {
            return Err(closed(&"the connection ended before the answer did"));
        }
        Ok(Response { status, headers, body, connection: ConnectionId::default() })
    }
}

/// Makes the client inside, which has at most `most` requests under way at once.
fn awc(dialer: &Dialer, most: usize) -> awc::Client {
    let mut tls = (*dialer.tls).clone();
    // Over HTTP/2 awc opens a connection for each request that finds its connections busy, and
    // lets one that times out end the others on its connection.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let dialer = dialer.clone();
    let dial = fn_service::<_, _, _, _, _, ()>(move |target: ConnectInfo<awc_http::Uri>| {
        let dialer = dialer.clone();
        async move {
            let stream = dialer.reach(&origin(&target)?).await.map_err(io::Error::other);
            let stream = stream.map_err(DialError::Io)?;
            Ok(Connection::new(target.request().clone(), stream))
        }
    });
    let connector = awc::Connector::new()
        .connector(dial)
        .timeout(CONNECT_TIMEOUT)
        .handshake_timeout(CONNECT_TIMEOUT)
        .limit(most)
        .rustls_0_23(tls.into());
    awc::Client::builder()
        .connector(connector)
        .disable_redirects()
        .disable_timeout() // send sets one for the whole exchange
        .no_default_headers()
        .finish()
}

/// Returns where awc wants to go.
fn origin(target: &ConnectInfo<awc_http::Uri>) -> Result<Origin, DialError> {
    let uri = target.request();
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().ok_or(DialError::Unresolved)?;
    Ok(Origin {
        tls,
        host: host.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
    })
}

/// Moves headers from the http 0.2 that awc speaks.
fn headers(awc: &awc_http::header::HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(awc.len());
    for (name, value) in awc {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Says what it means that awc has no answer.
fn not_answered(error: SendRequestError) -> TransportError {
    match error {
        // awc's word for a connection that ended before its answer.
        SendRequestError::Connect(ConnectError::Disconnected) => {
            closed(&"the connection ended before the answer")
        }
        SendRequestError::Connect(ConnectError::Io(error)) => {
            match error.downcast::<TransportError>() {
                Ok(error) => error,
                // Our own dialer's errors aside, this is the handshake.
                Err(error) => TransportError::unreachable(Failure::Tls, error.to_string()),
            }
        }
        SendRequestError::Connect(error) => {
            TransportError::unreachable(Failure::Connect, error.to_string())
        }
        SendRequestError::Url(error) => {
            TransportError::unreachable(Failure::Refused, error.to_string())
        }
        SendRequestError::Http(error) => {
            TransportError::unreachable(Failure::Refused, error.to_string())
        }
        SendRequestError::Send(error) => closed(&error),
        SendRequestError::Response(error)
            if error.source().is_some_and(<dyn Error>::is::<io::Error>) =>
        {
            closed(&error)
        }
        error => broken(&error),
    }
}

fn closed(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::new(Failure::Closed, Sent::Perhaps, error.to_string())
}

fn broken(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::new(Failure::Answer, Sent::Perhaps, error.to_string())
}

#[cfg(test)]
mod tests;
