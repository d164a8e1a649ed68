//! What the simulated push service takes, and what it refuses. Its decryption is held to the RFC's
//! example; what gateways encrypt is tested with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};

use super::*;
use crate::peers::webpush::{Options, Subscription, WebPush};

/// A token of a new key.
fn vapid(claims: &Value) -> String {
    let key = KeyPair::generate().unwrap();
    let signing = EncodingKey::from_ec_der(&key.serialize_der());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &signing).unwrap();
    let public = URL_SAFE_NO_PAD.encode(key.der_bytes());
    format!("vapid t={token}, k={public}")
}

fn good_claims(peer: &WebPush) -> Value {
    let exp = get_current_timestamp() + 3600;
    json!({ "aud": peer.url(), "exp": exp, "sub": "mailto:push@example.org" })
}

/// A request that is good up to its message, which is not encrypted for anybody.
fn request(to: &Subscription, authorization: &str) -> Request<Bytes> {
    Request::post(&to.endpoint)
        .header("ttl", "0")
        .header("urgency", "high")
        .header("topic", "abcd")
        .header("content-encoding", "aes128gcm")
        .header("authorization", authorization)
        .body(Bytes::from_static(&[0; 200]))
        .unwrap()
}

#[tokio::test]
async fn each_broken_rule_has_its_errno() {
    let peer = WebPush::start(&Options::default());
    let mut client = Client::open(&peer).await;
    let to = peer.subscribe();
    let good = vapid(&good_claims(&peer));
    let rows: [(&str, &str, u16, u64); 13] = [
        ("ttl", "", 400, 112),
        ("ttl", "-1", 400, 112),
        ("urgency", "urgent", 400, 101),
        ("topic", "abcde", 400, 113),
        ("topic", "ab==", 400, 113),
        ("topic", "ab cd", 400, 113),
        ("topic", "abcdefghijklmnopqrstuvwxyz0123456", 400, 113),
        ("content-encoding", "aesgcm", 400, 110),
        ("authorization", "vapid", 401, 109),
        ("authorization", "bearer x", 401, 109),
        ("authorization", &good.replace("k=B", "k=C"), 401, 109),
        ("authorization", &good.replace(", k=", "x, k="), 401, 109),
        // All but the message is right.
        ("ttl", "900", 400, 110),
    ];
    for (name, value, status, errno) in rows {
        let mut request = request(&to, &good);
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        let reply = client.ask(request).await;
        assert_eq!((reply.status, &reply.json()["errno"]), (status, &json!(errno)), "{value}");
    }
    let mut no_ttl = request(&to, &good);
    no_ttl.headers_mut().remove("ttl");
    assert_eq!(client.ask(no_ttl).await.json()["errno"], 111);
    let mut stray = request(&to, &good);
    *stray.uri_mut() = format!("{}/push/unknown", peer.url()).parse().unwrap();
    assert_eq!(client.ask(stray).await.status, 404);
    let large = request(&to, &good).map(|_| Bytes::from(vec![0; 4097]));
    assert_eq!(client.ask(large).await.status, 413);
    assert_eq!((peer.accepted(), peer.refused()), (0, peer.count()));
}

#[tokio::test]
async fn tokens_are_for_this_service_and_not_for_long() {
    let peer = WebPush::start(&Options::default());
    let mut client = Client::open(&peer).await;
    let to = peer.subscribe();
    let now = get_current_timestamp();
    for (claim, value) in [
        ("aud", json!("https://push.example")),
        ("aud", json!(null)),
        ("exp", json!(now - 10)),
        ("exp", json!(now + 25 * 3600)),
        ("sub", json!("push@example.org")),
        ("sub", json!("mailto:Push <push@example.org>")),
        ("sub", json!(null)),
    ] {
        let mut claims = good_claims(&peer);
        claims[claim] = value;
        let reply = client.ask(request(&to, &vapid(&claims))).await;
        assert_eq!(reply.json()["errno"], 109, "{claims}");
    }
    assert_eq!(peer.vapid_tokens().len(), 7);
}
