//! Sygnal's keys: which have no meaning here and only warn, and which are dead and why.
//!
//! Both are taken out before the schema is asked, so that every other unknown key is a mistake.
//! Facts about Sygnal 0.17; its other keys are ours as well.

use serde_json::Value;

use super::document::Document;
use super::expected::join;
use super::report::Finding;
use super::schema;

/// Keys without a meaning here, each with the reason.
const LEFT_OVER: [(&[&str], &str, &str); 5] = [
    (
        &["log", "setup"],
        "configures Python's logging, and has no effect here",
        "remove it; `log.format` and `log.level` are ours",
    ),
    (
        &["log", "access", "file"],
        "has no effect: the access line goes where the log goes, to standard error",
        "remove it; `log.access.enabled` turns the line off",
    ),
    (
        &["metrics", "opentracing"],
        "has no effect: Jaeger takes OTLP today",
        "remove it; `metrics.otlp.endpoint` is ours",
    ),
    (&["db"], "has no effect: there is no database", "remove it"),
    (&["database"], "has no effect: there is no database", "remove it"),
];

/// What to do instead of the legacy API of FCM.
const SERVICE_ACCOUNT: &str = "remove it, and name the `project_id` and a `service_account_file`, \
    made in the Firebase console under Project settings, Service accounts";

/// Takes out what is Sygnal's alone.
pub(super) fn translate(document: &mut Document, findings: &mut Vec<Finding>) {
    for (path, what, instead) in LEFT_OVER {
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        if document.remove(&path).is_some() {
            findings.push(document.error(&path, what, instead).into_warning());
        }
    }
    port(document);
    let apps = document.value["apps"].as_object();
    let names: Vec<String> = apps.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names {
        app(&["apps".to_owned(), name], document, findings);
    }
}

/// Sygnal takes the port as text, too.
fn port(document: &mut Document) {
    if let Some(port) = document.get_mut(&["http".to_owned(), "port".to_owned()])
        && let Some(number) = port.as_str().and_then(|port| port.parse::<u16>().ok())
    {
        *port = number.into();
    }
}

fn app(path: &[String], document: &mut Document, findings: &mut Vec<Finding>) {
    let key = |key: &str| -> Vec<String> { path.iter().cloned().chain([key.to_owned()]).collect() };
    let kind = document.get_mut(&key("type")).and_then(|kind| kind.as_str().map(str::to_owned));
    let kind = kind.as_deref().unwrap_or_default();
    if kind.contains('.') {
        let types: Vec<String> = schema::types().map(|name| format!("`{name}`")).collect();
        findings.push(document.error(
            &key("type"),
            "is a Python class, which cannot run here",
            format!("write {}", join(&types, "or")),
        ));
    }
    if !["gcm", "fcm"].contains(&kind) {
        return;
    }
    // Switched off from 22 July 2024:
    // https://firebase.google.com/docs/cloud-messaging/migrate-v1
    if document.remove(&key("api_key")).is_some() {
        let what = "belongs to the legacy FCM API, which Google switched off in 2024";
        findings.push(document.error(&key("api_key"), what, SERVICE_ACCOUNT));
    }
    match document.remove(&key("api_version")) {
        None => {}
        Some(Value::String(version)) if version == "v1" => {
            let what = "has no effect: FCM has no other version";
            findings.push(document.error(&key("api_version"), what, "remove it").into_warning());
        }
        Some(Value::String(version)) if version == "legacy" => {
            let what = "asks for the legacy FCM API, which Google switched off in 2024";
            findings.push(document.error(&key("api_version"), what, SERVICE_ACCOUNT));
        }
        Some(_) => {
            let what = "is no version of the FCM API";
            findings.push(document.error(&key("api_version"), what, "remove it: there is v1 only"));
        }
    }
    if document.get_mut(&key("max_connections")).is_some() {
        let what = "has no effect: one connection carries many pushes";
        let instead = "remove it; `pool.connections` is ours";
        findings.push(document.error(&key("max_connections"), what, instead).into_warning());
    }
}
