//! What signing a token costs: ES256 for APNs and Web Push, RS256 for Google's token endpoint.
//!
//! A token lives for close to an hour and serves every push meanwhile, so this never matters for a
//! push; it does for an app with thousands of push services, each of which wants its own token.
//!
//! `cargo bench --bench sign`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise.

use divan::{Bencher, black_box};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use loadtest::peers::oauth::OAuth;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// A provider token of APNs.
#[divan::bench]
fn es256(bencher: Bencher) {
    let key = rcgen::KeyPair::generate().map(|key| key.serialize_der());
    let key = EncodingKey::from_ec_der(&key.unwrap_or_default());
    let claims = json!({"iss": "TEAM000001", "iat": 1_795_357_551});
    sign(bencher, Algorithm::ES256, &key, &claims);
}

/// A grant for Google's token endpoint, with a key of 2048 bits.
#[divan::bench]
fn rs256(bencher: Bencher) {
    let account = OAuth::start().service_account("load").json();
    let account: Value = serde_json::from_str(&account).unwrap_or_default();
    let pem = account["private_key"].as_str().unwrap_or_default();
    let key = EncodingKey::from_rsa_pem(pem.as_bytes());
    let key = key.unwrap_or_else(|error| panic!("no key: {error}"));
    let claims = json!({
        "iss": "push@example.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_795_357_551,
        "exp": 1_795_361_151,
    });
    sign(bencher, Algorithm::RS256, &key, &claims);
}

fn sign(bencher: Bencher, algorithm: Algorithm, key: &EncodingKey, claims: &Value) {
    let header = Header::new(algorithm);
    assert!(jsonwebtoken::encode(&header, claims, key).is_ok(), "a key that cannot sign");
    bencher.bench_local(|| jsonwebtoken::encode(&header, black_box(claims), key));
}
