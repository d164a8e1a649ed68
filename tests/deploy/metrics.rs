//! The dashboard, the alerts and the rules with Sygnal's names: every metric, label and label value
//! in them exists.

mod exposed;
mod query;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use self::exposed::exposed;
use self::query::Query;
use crate::{ask, path, read, yaml};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const SYGNAL: &str = "deploy/prometheus/sygnal_compat.yaml";
const FIRED: &str = "deploy/prometheus/rules_test.yaml";
const DASHBOARD: &str = "deploy/grafana/peregrine.json";

/// Sygnal's metrics.
const SYGNALS: [&str; 20] = [
    "sygnal_active_apns_requests",
    "sygnal_active_gcm_requests",
    "sygnal_active_webpush_requests",
    "sygnal_apns_request_time",
    "sygnal_apns_status_codes_total",
    "sygnal_client_cert_expiry",
    "sygnal_gcm_queue_time",
    "sygnal_gcm_request_time",
    "sygnal_gcm_status_codes_total",
    "sygnal_inflight_request_limit_drop_total",
    "sygnal_notifications_devices_received_total",
    "sygnal_notifications_received_total",
    "sygnal_notify_time",
    "sygnal_pending_gcm_requests",
    "sygnal_pending_webpush_requests",
    "sygnal_per_pushkin_type_total",
    "sygnal_pushgateway_status_codes_total",
    "sygnal_requests_in_flight",
    "sygnal_webpush_queue_time",
    "sygnal_webpush_request_time",
];

/// Returns the rules of a file.
fn rules(file: &str) -> Vec<Value> {
    let document = yaml::document(file, &read(file));
    let groups = document["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Returns the queries of the dashboard with the title of their panel.
fn queries(value: &Value, title: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            let title = object.get("title").and_then(Value::as_str).unwrap_or(title);
            for key in ["expr", "definition"] {
                if let Some(expr) = object.get(key).and_then(Value::as_str) {
                    found.push((title.to_owned(), expr.to_owned()));
                }
            }
            object.values().for_each(|value| queries(value, title, found));
        }
        Value::Array(items) => items.iter().for_each(|value| queries(value, title, found)),
        _ => {}
    }
}

fn dashboard() -> (Value, Vec<(String, String)>) {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, "", &mut found);
    (dashboard, found)
}

/// Fails if a query names what is not there; returns the metrics it names.
fn check(place: &str, expr: &str) -> BTreeSet<String> {
    let exposed = exposed();
    let query = Query::read(expr);
    assert!(!query.metrics.is_empty(), "{place}: asks for no metric of ours: {expr}");
    for (metric, matchers) in &query.metrics {
        let labels =
            exposed.get(metric).unwrap_or_else(|| panic!("{place}: there is no metric {metric}"));
        for (label, value) in matchers {
            let known = labels
                .get(label.as_str())
                .unwrap_or_else(|| panic!("{place}: {metric} has no label {label}"));
            for value in value.split('|').filter(|value| !value.contains(['$', '*'])) {
                let is_known = known.is_empty() || known.contains(&value) || value.is_empty();
                assert!(is_known, "{place}: {metric} has no {label}=\"{value}\"");
            }
        }
    }
    let made_here = ["job", "instance", "le", "pushkin", "code"];
    for label in &query.grouping {
        let is_known = made_here.contains(&label.as_str())
            || query.metrics.iter().any(|(metric, _)| exposed[metric].contains_key(label.as_str()));
        assert!(is_known, "{place}: nothing has the label {label}: {expr}");
    }
    query.metrics.into_iter().map(|(metric, _)| metric).collect()
}

#[test]
fn every_alert_asks_for_what_exists_and_says_what_to_do() {
    let docs = read("docs/src/operating/alerts.md");
    for rule in rules(ALERTS) {
        let name = rule["alert"].as_str().unwrap();
        let expr = rule["expr"].as_str().unwrap();
        if expr != r#"up{job="peregrine"} == 0"# {
            check(name, expr);
        }
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["page", "ticket"].contains(&severity), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            assert!(rule["annotations"][annotation].is_string(), "{name}: {annotation}");
        }
        assert!(docs.contains(&format!("\n## {name}\n")), "alerts.md has no section {name}");
    }
}

#[test]
fn every_alert_is_seen_to_fire() {
    let tests = yaml::document(FIRED, &read(FIRED));
    let tests = tests["tests"].as_array().unwrap().iter();
    let fired: BTreeSet<&str> = tests
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .filter(|case| !case["exp_alerts"].as_array().unwrap().is_empty())
        .map(|case| case["alertname"].as_str().unwrap())
        .collect();
    for rule in rules(ALERTS) {
        let name = rule["alert"].as_str().unwrap();
        assert!(fired.contains(name), "{FIRED} never makes {name} fire");
    }
}

#[test]
fn every_name_of_sygnal_lives_on() {
    let mut recorded = BTreeSet::new();
    for rule in rules(SYGNAL) {
        let name = rule["record"].as_str().unwrap();
        check(name, rule["expr"].as_str().unwrap());
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        recorded.insert(whole.to_owned());
    }
    assert!(recorded.iter().eq(SYGNALS.iter()), "{recorded:?}");
}

#[test]
fn the_dashboard_shows_every_metric_and_nothing_else() {
    let (dashboard, queries) = dashboard();
    let mut shown = BTreeSet::new();
    for (title, expr) in &queries {
        shown.extend(check(title, expr));
    }
    let whole = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
        histogram.filter(|name| name.ends_with("_seconds")).unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<String> = shown.iter().map(|name| whole(name)).collect();
    let exposed: BTreeSet<String> = exposed().keys().map(|name| whole(name)).collect();
    let missing: Vec<_> = exposed.difference(&shown).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");

    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is there twice");
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
        assert!(right <= 24, "{title}: beyond the right edge");
        if panel["type"] != "row" {
            assert!(panel["description"].is_string(), "{title}: says what it shows");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let file = |name| path(name).to_str().unwrap().to_owned();
    ask("promtool", &["check", "rules", &file(ALERTS), &file(SYGNAL)]);
    ask("promtool", &["test", "rules", &file(FIRED)]);
    // The dashboard's queries as rules, which promtool parses.
    let mut rules = String::from("groups: [{name: dashboard, rules: [\n");
    for (number, (_, expr)) in dashboard().1.into_iter().enumerate() {
        if expr.starts_with("label_values") {
            continue;
        }
        let expr = expr.replace("$__rate_interval", "5m");
        let expr = serde_json::to_string(&expr).unwrap();
        writeln!(rules, "  {{record: 'dashboard:{number}', expr: {expr}}},").unwrap();
    }
    rules.push_str("]}]\n");
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("dashboard.yaml");
    fs::write(&written, rules).unwrap();
    ask("promtool", &["check", "rules", written.to_str().unwrap()]);
}
