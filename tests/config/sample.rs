//! `config.yaml` is the reference: it has every key, with its default, and its examples are valid.

use std::fs;

use peregrine::config::{Config, schema};
use serde_json::Value;

use crate::Folder;

const SAMPLE: &str = include_str!("../../config.yaml");

#[test]
fn it_starts_as_it_is() {
    let loaded = Folder::with(SAMPLE).load(&[]).unwrap();
    assert!(loaded.warnings.findings.is_empty(), "{}", loaded.warnings);
    let apps: Vec<_> =
        loaded.config.apps.iter().map(|app| (app.pattern.as_str(), app.provider)).collect();
    assert_eq!(apps, [("org.example.try", "log")]);
}

#[test]
fn its_values_are_the_defaults() {
    let mut loaded = Folder::with(SAMPLE).load(&[]).unwrap().config;
    let app = loaded.apps.remove(0);
    assert_eq!(format!("{loaded:?}"), format!("{:?}", Config::default()));
    let least = Folder::with("apps: {a: {type: log}}").load(&[]).unwrap().config;
    assert_eq!(format!("{:?}", app.common), format!("{:?}", least.apps[0].common));
}

/// Every key of the schema, as `http.port`; the keys of apps without the app.
fn keys(schema: &Value, path: &str, keys_found: &mut Vec<String>) {
    for (key, within) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{key}");
        keys_found.push(path.clone());
        keys(within, &format!("{path}."), keys_found);
    }
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        keys(alternative, path, keys_found);
    }
}

#[test]
fn every_key_is_in_it() {
    let schema = schema();
    let mut wanted = Vec::new();
    keys(&schema, "", &mut wanted);
    for kind in schema["properties"]["apps"]["additionalProperties"]["allOf"].as_array().unwrap() {
        keys(&kind["then"], "", &mut wanted);
    }
    let in_sample: Vec<&str> = SAMPLE
        .lines()
        .map(|line| line.trim_start().trim_start_matches('#').trim_start())
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key)
        .collect();
    for key in wanted {
        // Only for Sygnal's files.
        if key == "max_connections" {
            continue;
        }
        let last = key.rsplit('.').next().unwrap();
        assert!(in_sample.contains(&last), "config.yaml has no `{key}`");
    }
}

#[test]
fn its_examples_are_valid() {
    // Prose has one space behind its #, examples have none or more.
    let uncommented: String = SAMPLE
        .lines()
        .map(|line| match line.trim_start().strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') || rest.starts_with("  ") => format!("  {rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let folder = Folder::with(&uncommented);
    crate::sygnal::write_keys(folder.path(), folder.path());
    fs::copy(
        folder.path().join("service-account.json"),
        folder.path().join("example-1a2b3-service-account.json"),
    )
    .unwrap();
    fs::copy(folder.path().join("com.example.app.pem"), folder.path().join("com.example.old.pem"))
        .unwrap();
    let loaded = folder.load(&[]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.config.apps.len(), 10);
}
