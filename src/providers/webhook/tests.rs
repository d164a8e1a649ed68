//! What is wrong with a webhook's configuration.

use serde_json::{Value, json};

use super::*;
use crate::providers::testing::Around;

#[test]
fn faults_are_found_together() {
    let around = Around::new("webhook");
    around.file("secret", "s3cret\n");
    let url = "https://hook.example/push?token=x";
    let rows: [(Value, &[&str]); 9] = [
        (json!({ "url": url }), &[]),
        (json!({ "url": "http://127.0.0.1:8080" }), &[]),
        (json!({ "url": url, "secret_file": "secret", "headers": { "X-A": "b" } }), &[]),
        (json!({ "url": "ftp://hook.example" }), &["url"]),
        (json!({ "url": "https://user:hunter2@hook.example" }), &["url"]),
        (json!({ "url": url, "secret": "hunter2", "secret_file": "secret" }), &["secret"]),
        (json!({ "url": url, "secret_file": "none" }), &["secret_file"]),
        (
            json!({ "url": url, "headers": { "Host": "hunter2", "X A": "hunter2", "X-B": "hunter2\n" } }),
            &["headers.Host", "headers.X A", "headers.X-B"],
        ),
        (
            json!({ "url": "mailto:hunter2", "secret": "", "endpoint": url }),
            &["endpoint", "url", "secret"],
        ),
    ];
    for (keys, expected) in rows {
        let faults = around.prepare::<Config>(keys.clone()).err().unwrap_or_default();
        let found: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(found, expected, "{keys}");
        assert!(faults.iter().all(|fault| !fault.instead.is_empty()), "{faults:?}");
        assert!(!format!("{faults:?}").contains("hunter2"), "{faults:?}");
    }
}

#[test]
fn a_secret_is_a_credential_without_an_end() {
    let around = Around::new("webhook");
    let url = "https://hook.example/push";
    let plain = around.prepare::<Config>(json!({ "url": url })).ok().unwrap();
    assert_eq!(plain.credentials(), []);
    let signed = around.prepare::<Config>(json!({ "url": url, "secret": "s" })).ok().unwrap();
    assert_eq!(signed.credentials().len(), 1);
    assert_eq!(signed.credentials()[0].expires, None);
}
