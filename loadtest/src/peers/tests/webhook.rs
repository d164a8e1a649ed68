//! What the simulated webhook takes, and what it refuses.

use http::Request;

use super::*;
use crate::peers::webhook::{Options, Webhook};

const BODY: &str = r#"{"notification":{"event_id":"$e","devices":[{"pushkey":"k"}]}}"#;

/// Of `BODY` with the secret "key", by `openssl dgst -sha256 -hmac key`.
const SIGNATURE: &str = "sha256=0aeaf3f76e56ebb6da1426efbc23ddd379ae4339aa271b7c4e80580dfd68c2d1";

fn request(peer: &Webhook, signature: Option<&str>, body: &'static str) -> Request<Bytes> {
    let mut request = Request::post(peer.hook()).header("content-type", "application/json");
    if let Some(signature) = signature {
        request = request.header("x-peregrine-signature", signature);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn only_what_is_signed_is_taken() {
    let signed = Webhook::start(&Options::default().secret("key"));
    let mut client = Client::open(&signed).await;
    for (signature, body, status) in [
        (Some(SIGNATURE), BODY, 204),
        (Some(SIGNATURE), "{}", 401),
        (Some(&SIGNATURE["sha256=".len()..]), BODY, 401),
        (Some("sha256="), BODY, 401),
        (None, BODY, 401),
    ] {
        let reply = client.ask(request(&signed, signature, body)).await;
        assert_eq!(reply.status, status, "{signature:?}");
    }
    assert_eq!((signed.accepted_event("k", "$e"), signed.refused()), (1, 4));
}

#[tokio::test]
async fn each_broken_rule_has_its_status() {
    let peer = Webhook::start(&Options::default());
    let mut client = Client::open(&peer).await;
    assert_eq!(client.ask(request(&peer, None, BODY)).await.status, 204);
    assert_eq!(client.ask(request(&peer, None, "{}")).await.status, 400);
    let no_secret_here = request(&peer, Some(SIGNATURE), BODY);
    assert_eq!(client.ask(no_secret_here).await.status, 401);
    let mut no_type = request(&peer, None, BODY);
    no_type.headers_mut().clear();
    assert_eq!(client.ask(no_type).await.status, 415);
    let mut elsewhere = request(&peer, None, BODY);
    *elsewhere.uri_mut() = peer.url().parse().unwrap();
    assert_eq!(client.ask(elsewhere).await.status, 404);
    let get = Request::get(peer.hook()).body(Bytes::new()).unwrap();
    assert_eq!(client.ask(get).await.status, 405);
}
