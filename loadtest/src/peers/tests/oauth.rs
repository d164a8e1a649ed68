//! The token endpoint and the metadata server, asked over plain HTTP/1.1 and over TLS.

use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{bounded, tls};
use crate::peers::Answer;
use crate::peers::oauth::OAuth;

/// Sends one request and reads its answer to the end of the connection.
async fn ask(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (u16, Value) {
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    bounded(async {
        let mut chunk = [0; 4096];
        while !answer.contains("\r\n\r\n") {
            let length = io.read(&mut chunk).await.unwrap();
            assert!(length > 0, "the connection ended: {answer}");
            answer.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        }
    })
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn post(body: &str) -> String {
    format!(
        "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    )
}

/// Builds a good assertion's claims from a key file.
fn claims(account: &Value) -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now,
        "exp": now + 3600,
    })
}

/// Signs claims with the account's key, under the key id it has.
fn form(account: &Value, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = account["private_key_id"].as_str().map(str::to_owned);
    let key = account["private_key"].as_str().unwrap();
    let key = EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
    let assertion = jsonwebtoken::encode(&header, claims, &key).unwrap();
    format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
    )
}

#[tokio::test]
async fn issues_tokens_for_good_assertions() {
    let oauth = OAuth::start();
    let account: Value = serde_json::from_str(&oauth.service_account("example").json()).unwrap();
    let good = form(&account, &claims(&account));

    let mut plain = TcpStream::connect(oauth.address()).await.unwrap();
    let (status, token) = ask(&mut plain, &post(&good)).await;
    assert_eq!((status, &token["expires_in"]), (200, &json!(3599)));
    assert!(oauth.is_good(token["access_token"].as_str().unwrap()));

    oauth.expires_in(60);
    oauth.expires_in_as_text(true);
    let mut secure = tls(&oauth, b"http/1.1", None).await;
    for _ in 0..2 {
        let (status, token) = ask(&mut secure, &post(&good)).await;
        assert_eq!((status, &token["expires_in"]), (200, &json!("60")));
    }
    assert_eq!((oauth.issued(), oauth.count(), oauth.connections_opened()), (3, 3, 2));
}

#[tokio::test]
async fn refuses_bad_assertions() {
    let oauth = OAuth::start();
    let account: Value = serde_json::from_str(&oauth.service_account("example").json()).unwrap();
    let now = get_current_timestamp();
    let google = "https://oauth2.googleapis.com/token";
    let rows = [
        ("invalid_grant", json!({"iss": "other@example.org"})),
        ("invalid_grant", json!({"aud": google})),
        ("invalid_grant", json!({"exp": now + 3700})),
        ("invalid_grant", json!({"iat": now + 600})),
        ("invalid_grant", json!({"iat": now - 4000, "exp": now - 400})),
        ("invalid_grant", json!({"iat": null})),
        ("invalid_scope", json!({"scope": "email"})),
    ];
    let mut client = TcpStream::connect(oauth.address()).await.unwrap();
    for (row, (error, changes)) in rows.into_iter().enumerate() {
        let mut changed = claims(&account);
        for (name, value) in changes.as_object().unwrap() {
            changed[name] = value.clone();
        }
        let (status, answer) = ask(&mut client, &post(&form(&account, &changed))).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "row {row}");
    }

    let mut other = account.clone();
    other["private_key_id"] = json!("other");
    let stranger = form(&other, &claims(&account));
    let good = form(&account, &claims(&account));
    let json = post(&good).replace("x-www-form-urlencoded", "json");
    let requests = [
        (post(&good.replace("jwt-bearer", "saml")), 400, json!("unsupported_grant_type")),
        (post(&good.replace("assertion", "jwt")), 400, json!("invalid_request")),
        (post(&stranger), 400, json!("invalid_grant")),
        (post(&good[..good.len() - 8]), 400, json!("invalid_grant")),
        (json, 400, json!("invalid_request")),
        (post(&good).replace("/token", "/tokens"), 404, Value::Null),
    ];
    for (row, (request, status, error)) in requests.into_iter().enumerate() {
        let answer = ask(&mut client, &request).await;
        assert_eq!((answer.0, &answer.1["error"]), (status, &error), "row {row}");
    }
    assert_eq!((oauth.issued(), oauth.refused()), (0, 13));
}

#[tokio::test]
async fn fails_when_told_to() {
    let oauth = OAuth::start();
    let account: Value = serde_json::from_str(&oauth.service_account("example").json()).unwrap();
    let good = post(&form(&account, &claims(&account)));
    oauth.answer_next(Answer::new(400, "invalid_grant").message("Invalid JWT Signature."));
    oauth.answer_next(Answer::html(500));
    oauth.answer_next(Answer::close());
    let mut client = TcpStream::connect(oauth.address()).await.unwrap();
    let (status, answer) = ask(&mut client, &good).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    );
    assert_eq!(ask(&mut client, &good).await.0, 500);
    client.write_all(good.as_bytes()).await.unwrap();
    assert_eq!(bounded(client.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(oauth.issued(), 0);
}

#[tokio::test]
async fn stands_for_the_metadata_server() {
    let oauth = OAuth::start();
    let path = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=x";
    let mut client = TcpStream::connect(oauth.address()).await.unwrap();
    let get = |flavour: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{flavour}\r\n");
    assert_eq!(ask(&mut client, &get("")).await.0, 403);
    let (status, token) = ask(&mut client, &get("Metadata-Flavor: Google\r\n")).await;
    assert_eq!((status, &token["token_type"]), (200, &json!("Bearer")));
    assert!(oauth.is_good(token["access_token"].as_str().unwrap()));
    let scoped = oauth.received().pop().unwrap();
    assert!(scoped.path.ends_with("?scopes=x"));
}

#[tokio::test]
async fn silent_connections_obey_too() {
    let oauth = OAuth::start();
    let mut silent = TcpStream::connect(oauth.address()).await.unwrap();
    oauth.wait_for_connections(1).await;
    oauth.close_all();
    assert_eq!(bounded(silent.read(&mut [0])).await.unwrap(), 0);
}
