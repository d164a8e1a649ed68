//! A working sygnal.yaml starts unchanged.

use std::fs;
use std::path::Path;

use peregrine::secret::ExposeSecret as _;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use crate::Folder;

const SYGNAL: &str = include_str!("sygnal.yaml");

/// Writes what `sygnal.yaml` names: a push certificate and a service account beside the
/// configuration, a provider key elsewhere.
pub(crate) fn write_keys(beside: &Path, elsewhere: &Path) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    fs::write(elsewhere.join("AuthKey_ABC123DEFG.p8"), key.serialize_pem()).unwrap();

    fs::write(beside.join("vapid.pem"), key.serialize_pem()).unwrap();

    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let account = serde_json::json!({
        "type": "service_account",
        "project_id": "example-1a2b3",
        "private_key_id": "0123456789abcdef",
        "private_key": key.serialize_pem(),
        "client_email": "push@example-1a2b3.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    fs::write(beside.join("service-account.json"), account.to_string()).unwrap();

    let mut params = CertificateParams::new([]).unwrap();
    // Apple writes the topic as the subject's user id (RFC 4519, 2.39).
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
    params.distinguished_name.push(user_id, "com.example.app");
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem() + &key.serialize_pem();
    fs::write(beside.join("com.example.app.pem"), pem).unwrap();
}

#[test]
fn it_starts_unchanged() {
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = Folder::with(SYGNAL.replace("DIR", elsewhere.path().to_str().unwrap()));
    write_keys(folder.path(), elsewhere.path());
    let loaded = folder.load(&[]).unwrap_or_else(|report| panic!("{report}"));

    let config = &loaded.config;
    assert_eq!(config.http.port, 5000);
    assert_eq!(config.http.bind_addresses, ["127.0.0.1", "::1"]);
    assert!(config.log.access.enabled && config.log.access.x_forwarded_for);
    assert!(!config.metrics.prometheus.enabled);
    let proxy = config.proxy.as_ref().unwrap().expose_secret();
    assert_eq!(proxy, "http://user:pa$$word@proxy.example.org:3128");

    let apps = config.apps.iter();
    let apps: Vec<_> = apps
        .map(|app| {
            let common = &app.common;
            let limit = common.inflight_request_limit;
            (app.pattern.as_str(), app.provider, limit, common.send_badge_counts)
        })
        .collect();
    let expected = [
        ("com.example.app.android.*", "fcm", 512, false),
        ("com.example.app.ios", "apns", 512, true),
        ("com.example.app.ios.dev", "apns", 10_000, true),
        ("com.example.app.web", "webpush", 512, true),
    ];
    assert_eq!(apps, expected);
    let expires = |app: usize| config.apps[app].credentials.iter().any(|it| it.expires.is_some());
    assert!(expires(1), "a certificate ends");

    let warned: Vec<_> = loaded
        .warnings
        .findings
        .iter()
        .map(|finding| (finding.at.unwrap().line, finding.key.join(".")))
        .collect();
    let expected = [
        (3, "log.setup"),
        (24, "log.access.file"),
        (25, "log.access.x_forwarded_for"),
        (36, "metrics.opentracing"),
        (46, "metrics.sentry.enabled"),
        (51, "db"),
        (53, "database"),
        (77, "apps.com.example.app.android.*.api_version"),
        (87, "apps.com.example.app.android.*.max_connections"),
    ];
    // Builds that can report to Sentry do so.
    let reports = |key: &str| cfg!(feature = "sentry") && key == "metrics.sentry.enabled";
    let expected = expected.into_iter().filter(|(_, key)| !reports(key));
    let expected: Vec<_> = expected.map(|(line, key)| (line, key.to_owned())).collect();
    assert_eq!(warned, expected);
}

#[test]
fn proxies_are_trusted_by_name() {
    let text = "apps: {a: {type: log}}\nlog: {access: {x_forwarded_for: true}}\nhttp: {trusted_proxies: [10.0.0.1]}";
    let loaded = Folder::with(text).load(&[]).unwrap();
    assert!(loaded.warnings.findings.is_empty(), "{}", loaded.warnings);
}

#[test]
fn files_in_the_working_directory_are_found_with_a_warning() {
    // Tests run in the package's folder.
    let text = "apps: {a: {type: log}}\nproxy_file: tests/config/proxy.txt";
    let loaded = Folder::with(text).load(&[]).unwrap();
    let proxy = loaded.config.proxy.as_ref().unwrap().expose_secret();
    assert_eq!(proxy, "http://proxy.example.org:3128");
    let warnings = loaded.warnings.to_string();
    assert!(warnings.contains("was found in the working directory"), "{warnings}");
}

#[test]
fn variables_are_typed_as_they_look() {
    let text = "\
http: {port: '${PORT}'}
admin: {bind: '127.0.0.2:${PORT}'}
metrics:
  prometheus: {enabled: '${OFF}'}
  sentry:
    dsn: ${EMPTY:-}
delivery:
  badge_coalesce_ms: ${MS:-100}
apps:
  a:
    type: ${TYPE:-log}
    send_badge_counts: ${OFF}
";
    let env = [("PORT", "8080"), ("OFF", "off")];
    let loaded = Folder::with(text).load(&env).unwrap();
    let config = &loaded.config;
    assert_eq!(config.http.port, 8080);
    assert_eq!(config.delivery.badge_coalesce_ms, 100);
    assert_eq!(config.admin.bind, "127.0.0.2:8080");
    assert!(config.metrics.sentry.dsn.is_none());
    assert!(!config.apps[0].common.send_badge_counts);
}

#[test]
fn text_of_digits_from_the_environment_is_text() {
    let text = "apps: {a: {type: log}}\nproxy_file: ${FILE}";
    let folder = Folder::with(text);
    fs::write(folder.path().join("12345"), "http://proxy.example.org:1\n").unwrap();
    let loaded = folder.load(&[("FILE", "12345")]).unwrap();
    assert!(loaded.config.proxy.is_some());
}

#[test]
fn sections_can_be_empty() {
    let text =
        "http:\nlog:\n  access:\ndelivery:\n  rate_limit:\napps:\n  a:\n    type: log\n    pool:";
    let loaded = Folder::with(text).load(&[]).unwrap();
    assert!(loaded.config.delivery.rate_limit.is_none());
}
