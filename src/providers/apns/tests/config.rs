//! What operators write, and what they are told.

use std::time::{Duration, SystemTime};

use loadtest::peers::pki::ClientCertificate;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use serde_json::{Value, json};

use crate::providers::apns::{Config, Plan};
use crate::providers::app::Blueprint as _;
use crate::providers::testing::Around;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Apple's lists of topics.
const VOIP_TOPICS: [u64; 8] = [1, 2, 840, 113_635, 100, 6, 3, 4];
const TOPICS: [u64; 8] = [1, 2, 840, 113_635, 100, 6, 3, 6];

/// Keys of an app with a provider token, with some changed.
fn token_keys(changed: &Value) -> Value {
    let mut keys = json!({"keyfile": "key.p8", "key_id": "KEY", "team_id": "TEAM", "topic": "app"});
    for (key, value) in changed.as_object().unwrap() {
        keys[key] = value.clone();
    }
    keys
}

fn p8() -> String {
    KeyPair::generate().unwrap().serialize_pem()
}

fn around_with_key() -> Around {
    let around = Around::new("apns");
    around.file("key.p8", p8());
    around
}

/// A certificate without a user id; the extension's content is DER.
fn bare_certificate(extension: Option<(&[u64], &[u8])>, key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_after = (SystemTime::now() + DAY).into();
    if let Some((oid, content)) = extension {
        let extension = CustomExtension::from_oid_content(oid, content.to_vec());
        params.custom_extensions.push(extension);
    }
    params.self_signed(key).unwrap().pem()
}

/// Returns the faults as an operator reads them.
fn faults(around: &Around, keys: Value) -> Vec<String> {
    match around.prepare::<Config>(keys) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn credentials_that_are_missing_or_too_many() {
    let around = around_with_key();
    for (keys, expected) in [
        (json!({}), &["no credential for Apple; write `keyfile`"][..]),
        (json!({"key_id": "KEY", "team_id": "TEAM", "topic": "app"}), &["no credential"]),
        (
            token_keys(&json!({"certfile": "cert.pem"})),
            &["certfile: both `certfile` and `keyfile` are given; keep one"],
        ),
        (
            json!({"keyfile": "key.p8"}),
            &[
                "key_id: missing beside `keyfile`; write the key's 10-character id",
                "team_id: missing beside `keyfile`; write the team's 10-character id",
                "topic: missing beside `keyfile`; write the app's bundle id",
            ],
        ),
        (token_keys(&json!({"topic": ""})), &["topic: missing"]),
        (token_keys(&json!({"keyfile": "none.p8"})), &["keyfile: cannot read"]),
        (json!({"certfile": "none.pem"}), &["certfile: cannot read"]),
        (token_keys(&json!({})), &[]),
    ] {
        let found = faults(&around, keys.clone());
        assert_eq!(found.len(), expected.len(), "{keys} {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }
}

#[test]
fn keys_that_cannot_be_used() {
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
    let certificate = bare_certificate(None, &KeyPair::generate().unwrap());
    let encrypted = p8().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let in_legacy_form = p8().replace("PRIVATE KEY", "EC PRIVATE KEY");
    let old_encryption = in_legacy_form.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n", 1);
    let cut = p8().replace("-----END PRIVATE KEY-----", "");
    let not_a_key = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";
    for (content, expected) in [
        ("", "the file is not PEM; name the .p8 file"),
        ("\u{1}\u{2}garbage", "the file is not PEM"),
        (&certificate, "the file has no private key"),
        (&encrypted, "the private key is encrypted; remove its passphrase"),
        (&old_encryption, "the private key is encrypted"),
        (&cut, "the file is damaged"),
        (not_a_key, "the private key in the file cannot be read; name the .p8 file"),
        (&rsa, "the key is RSA, not an elliptic curve key; name the .p8 file"),
        (&ed25519, "the key is ED25519, not an elliptic curve key"),
        (&p384, "the key is not one for ES256"),
    ] {
        let around = Around::new("apns");
        around.file("key.p8", content);
        let found = faults(&around, token_keys(&json!({})));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("keyfile: {expected}")), "{} {expected}", found[0]);
    }
}

#[test]
fn certificates_that_cannot_be_used() {
    let good = ClientCertificate::new(&["com.example.app"], SystemTime::now() + DAY).pem();
    let other = ClientCertificate::new(&["com.example.app"], SystemTime::now() + DAY).pem();
    let ended = ClientCertificate::new(&["com.example.app"], SystemTime::now() - DAY).pem();
    let (certificate, key) = good.split_at(good.find("-----BEGIN PRIVATE KEY").unwrap());
    let (_, other_key) = other.split_at(other.find("-----BEGIN PRIVATE KEY").unwrap());
    let encrypted = good.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let mismatch = format!("{certificate}{other_key}");
    let no_certificate =
        format!("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n{key}");
    for (content, expected) in [
        (
            "\u{1}\u{2}p12",
            "the file is not PEM; name the .p8 file as Apple gave it, or convert a .p12",
        ),
        (certificate, "the file has no private key"),
        (key, "the file has no certificate"),
        (&encrypted, "the private key is encrypted"),
        (&ended, "the certificate ended on "),
        (&mismatch, "certificate and private key cannot be used: "),
        (&no_certificate, "cannot read the certificate"),
    ] {
        let around = Around::new("apns");
        around.file("cert.pem", content);
        let found = faults(&around, json!({"certfile": "cert.pem"}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("certfile: {expected}")), "{} {expected}", found[0]);
    }
}

#[test]
fn other_keys() {
    let around = around_with_key();
    for (changed, expected) in [
        (
            json!({"topic_suffix": "voip"}),
            "topic_suffix: `voip` does not start with a dot; write .voip",
        ),
        (json!({"topic": "a\nb"}), "topic: a bundle id has only letters"),
        (json!({"endpoint": "ftp://x"}), "endpoint: ftp://x/ is not an http or https URL"),
        (
            json!({"push_type": "mdm"}),
            "push_type: Apple takes this push type only with a certificate",
        ),
    ] {
        let found = faults(&around, token_keys(&changed));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{}", found[0]);
    }
    let certificate = ClientCertificate::new(&["app"], SystemTime::now() + DAY).pem();
    around.file("cert.pem", certificate);
    let keys = json!({"certfile": "cert.pem", "push_type": "liveactivity"});
    let expected = "push_type: Apple takes this push type only with a provider token";
    assert!(faults(&around, keys)[0].starts_with(expected));
    // every mistake is told at once
    let keys = json!({"topic_suffix": "x", "endpoint": "ftp://x", "keyfile": "none.p8"});
    assert_eq!(faults(&around, keys).len(), 6);
    for wrong in [
        json!({"platform": "Production"}),
        json!({"push_type": "ring"}),
        json!({"key_id": 1_234_567_890}),
        json!({"expiration_seconds": -1}),
    ] {
        assert!(serde_json::from_value::<Config>(wrong).is_err());
    }
}

#[test]
fn where_and_what() {
    fn shown(plan: &Plan) -> String {
        let rules = &plan.rules;
        let topic = rules.template.topic.to_str().unwrap();
        let origin = plan.origin.authority();
        format!("{origin}{} {topic} {}", rules.template.path, rules.shape.limit)
    }
    let around = around_with_key();
    let production = "api.push.apple.com/3/device/ app 4096";
    let sandbox = "api.sandbox.push.apple.com/3/device/ app 4096";
    for (changed, expected) in [
        (json!({}), production),
        (json!({"platform": "production"}), production),
        (json!({"platform": "prod"}), production),
        (json!({"platform": "sandbox"}), sandbox),
        (json!({"endpoint": "https://relay:8443"}), "relay:8443/3/device/ app 4096"),
        (json!({"endpoint": "http://[::1]/a/b/"}), "[::1]/a/b/3/device/ app 4096"),
        (
            json!({"push_type": "voip", "topic_suffix": ".voip"}),
            "api.push.apple.com/3/device/ app.voip 5120",
        ),
        (
            json!({"topic": "app.voip", "topic_suffix": ".voip"}),
            "api.push.apple.com/3/device/ app.voip 4096",
        ),
    ] {
        let plan = around.prepare::<Config>(token_keys(&changed)).unwrap();
        assert_eq!(shown(&plan), expected, "{changed}");
    }
}

#[test]
fn credentials_are_described() {
    let around = around_with_key();
    let token = around.prepare::<Config>(token_keys(&json!({}))).unwrap();
    let credentials = token.credentials();
    assert_eq!(credentials[0].description, "key KEY of team TEAM");
    assert_eq!(credentials[0].expires, None);

    let ends = SystemTime::now() + 30 * DAY;
    let topics = ["com.example.app", "com.example.app.voip"];
    around.file("cert.pem", ClientCertificate::new(&topics, ends).pem());
    let certificate = around.prepare::<Config>(json!({"certfile": "cert.pem"})).unwrap();
    let credentials = certificate.credentials();
    let description = "certificate for com.example.app, com.example.app.voip";
    assert_eq!(credentials[0].description, description);
    let off = ends.duration_since(credentials[0].expires.unwrap()).unwrap();
    assert!(off < Duration::from_secs(1));
    assert!(!format!("{token:?} {certificate:?}").contains("PRIVATE"));
}

#[test]
fn a_certificates_topic_goes_without_saying() {
    // UTF-8 strings "a" and "b", each followed by a sequence of its uses
    let two = b"\x30\x10\x0c\x01a\x30\x03\x0c\x01x\x0c\x01b\x30\x03\x0c\x01x";
    let one = b"\x30\x08\x0c\x01a\x30\x03\x0c\x01x";
    let key = KeyPair::generate().unwrap();
    let pem = |extension| bare_certificate(extension, &key) + &key.serialize_pem();
    let wrapped = [&b"\x04\x0a"[..], one].concat();
    let by_user_id = ClientCertificate::new(&["u", "u.voip"], SystemTime::now() + DAY).pem();
    for (pem, topic, expected) in [
        (by_user_id.clone(), None, Ok("u")),
        (by_user_id, Some("u.voip"), Ok("u.voip")),
        (pem(Some((&TOPICS, one))), None, Ok("a")),
        (pem(Some((&VOIP_TOPICS, one))), None, Ok("a")),
        (pem(Some((&TOPICS, &wrapped))), None, Ok("a")),
        (pem(Some((&TOPICS, two))), Some("b"), Ok("b")),
        (
            pem(Some((&TOPICS, two))),
            None,
            Err("topic: missing, and the certificate has several; write one of a, b"),
        ),
        (
            pem(None),
            None,
            Err("topic: missing, and the certificate names none; write the app's bundle id"),
        ),
        (pem(Some((&TOPICS, b"\x30\x7f\x0c"))), Some("x"), Ok("x")),
    ] {
        let around = Around::new("apns");
        around.file("cert.pem", pem);
        let keys = json!({"certfile": "cert.pem", "topic": topic});
        let found = around.prepare::<Config>(keys).map(|plan| {
            let topic = &plan.rules.template.topic;
            topic.to_str().unwrap().to_owned()
        });
        match (found, expected) {
            (Ok(topic), Ok(expected)) => assert_eq!(topic, expected),
            (Err(faults), Err(expected)) => assert_eq!(faults[0].to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
}
