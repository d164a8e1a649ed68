//! Every configuration in the book passes `check`.
//!
//! A block fenced as `yaml` is a whole configuration and has no warnings; `yaml,sygnal` (keys of
//! Sygnal's) and `yaml,features` (Cargo features that a test does not have) may have some. A block
//! fenced as `yml` is YAML of another kind and only has to parse. Key files that a
//! configuration names are made up beside it; `/etc/peregrine/` is that folder.

use std::fs;
use std::path::Path;

use peregrine::config::load;
use peregrine::telemetry::Metrics;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::{pages, yaml};

/// Makes up the files that a configuration names.
fn write_files(folder: &Path, value: &Value) {
    let Some(object) = value.as_object() else {
        return;
    };
    for (key, value) in object {
        write_files(folder, value);
        let Some(name) = value.as_str() else { continue };
        let content = match key.as_str() {
            "keyfile" | "vapid_private_key" => elliptic(),
            "certfile" | "ca_file" => certificate(),
            "service_account_file" => service_account(),
            key if key.ends_with("_file") => "content\n".to_owned(),
            _ => continue,
        };
        let name = name.replace("${CREDENTIALS_DIRECTORY}", folder.to_str().unwrap());
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
}

fn elliptic() -> String {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem()
}

fn certificate() -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    // Apple writes the topic as the subject's user id (RFC 4519, 2.39).
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
    params.distinguished_name.push(user_id, "com.example.app");
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn service_account() -> String {
    json!({
        "type": "service_account",
        "project_id": "example-1a2b3",
        "private_key_id": "0123456789abcdef",
        "private_key": KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem(),
        "client_email": "push@example-1a2b3.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

#[test]
fn every_configuration_passes_check() {
    let mut checked = 0;
    for page in pages() {
        for (line, info, text) in page.blocks() {
            let place = format!("{}:{line}", page.name);
            let may_warn = match info.as_str() {
                "yaml" => false,
                "yaml,sygnal" | "yaml,features" => true,
                "yml" => {
                    yaml::documents(&place, &text);
                    continue;
                }
                info => {
                    assert!(!info.starts_with('y'), "{place}: fenced as {info:?}");
                    continue;
                }
            };
            let folder = tempfile::tempdir().unwrap();
            let text = text.replace("/etc/peregrine", folder.path().to_str().unwrap());
            write_files(folder.path(), &yaml::document(&place, &text));
            let file = folder.path().join("config.yaml");
            fs::write(&file, &text).unwrap();
            let env = |name: &str| {
                let path = folder.path().to_str().unwrap().to_owned();
                (name == "CREDENTIALS_DIRECTORY").then_some(path)
            };
            let loaded = load(&file, &env, &Metrics::new())
                .unwrap_or_else(|report| panic!("{place}:\n{text}\n{report}"));
            let warnings = loaded.warnings;
            assert!(may_warn || warnings.findings.is_empty(), "{place}:\n{warnings}");
            checked += 1;
        }
    }
    assert!(checked > 25, "the scan finds the configurations");
}
