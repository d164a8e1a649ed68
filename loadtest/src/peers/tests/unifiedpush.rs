//! What the simulated `UnifiedPush` server takes, and what it refuses.

use http::{HeaderName, HeaderValue, Request};
use serde_json::json;

use super::*;
use crate::peers::unifiedpush::{Endpoint, UnifiedPush};

fn notification(pushkeys: &[&str]) -> Bytes {
    let devices: Vec<_> = pushkeys.iter().map(|it| json!({ "pushkey": it })).collect();
    let notification = json!({ "event_id": "$e", "devices": devices });
    json!({ "notification": notification }).to_string().into()
}

fn request(to: &Endpoint, body: Bytes) -> Request<Bytes> {
    Request::post(&to.url)
        .header("ttl", "86400")
        .header("urgency", "high")
        .header("content-encoding", "aes128gcm")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_notification_for_the_endpoint_is_taken() {
    let peer = UnifiedPush::start();
    let mut client = Client::open(&peer).await;
    let [one, other] = [peer.endpoint(), peer.endpoint()];
    assert_ne!(one.url, other.url);
    assert_eq!(one.data(), json!({}));
    let reply = client.ask(request(&one, notification(&[&one.url]))).await;
    assert_eq!((reply.status, reply.body.len()), (201, 0));
    let without_devices = Bytes::from(r#"{"notification":{"event_id":"$f"}}"#);
    assert_eq!(client.ask(request(&one, without_devices)).await.status, 201);
    assert_eq!(peer.accepted_event(one.token(), "$e"), 1);
    assert_eq!(peer.accepted_for(other.token()), 0);
}

#[tokio::test]
async fn each_broken_rule_has_its_status() {
    let peer = UnifiedPush::start();
    let mut client = Client::open(&peer).await;
    let to = peer.endpoint();
    let good = notification(&[&to.url]);
    let stranger = peer.endpoint();
    for (body, status) in [
        (Bytes::new(), 400),
        (Bytes::from("{}"), 400),
        (Bytes::from("no JSON"), 400),
        (notification(&[&stranger.url]), 400),
        (notification(&[&to.url, &to.url]), 400),
        (notification(&[]), 400),
        (vec![b' '; 4097].into(), 413),
    ] {
        assert_eq!(client.ask(request(&to, body)).await.status, status);
    }
    for (name, value) in [("ttl", "soon"), ("urgency", "x"), ("content-encoding", "gzip")] {
        let mut request = request(&to, good.clone());
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        assert_eq!(client.ask(request).await.status, 400, "{name}");
    }
    let mut no_ttl = request(&to, good.clone());
    no_ttl.headers_mut().remove("ttl");
    assert_eq!(client.ask(no_ttl).await.status, 400);
    let mut stray = request(&to, good.clone());
    *stray.uri_mut() = format!("{}/unknown", peer.url()).parse().unwrap();
    assert_eq!(client.ask(stray).await.status, 404);
    let get = Request::get(&to.url).body(Bytes::new()).unwrap();
    assert_eq!(client.ask(get).await.status, 405);

    // Who registered with keys does not take it in the clear.
    let sealed = peer.endpoint_with_keys();
    assert!(sealed.data()["p256dh"].is_string() && sealed.data()["auth"].is_string());
    let clear = request(&sealed, notification(&[&sealed.url]));
    assert_eq!(client.ask(clear).await.status, 400);
    assert_eq!((peer.accepted(), peer.refused()), (0, peer.count()));
}
