//! The chart: its values, and what it makes of them. There is no helm on most machines, so `render`
//! does its work.

mod objects;
mod render;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use peregrine::config;
use peregrine::telemetry::Metrics;
use serde_json::{Value, json};

use self::render::{objects, texts};
use crate::{path, read, yaml};

const CHART: &str = "deploy/helm/peregrine";

/// Returns name and text of every template.
fn templates() -> Vec<(String, String)> {
    let files = fs::read_dir(path(CHART).join("templates")).unwrap();
    let mut templates: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(file).unwrap())
        })
        .collect();
    templates.sort();
    assert!(templates.len() > 8);
    templates
}

fn values() -> Value {
    render::read("values.yaml")
}

/// Returns what stands between `{{` and `}}`, comments left out.
fn actions<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let mut actions = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        assert!(!before.contains("}}"), "{name}: `}}}}` that nothing opened: {before}");
        let (action, after) =
            after.split_once("}}").unwrap_or_else(|| panic!("{name}: `{{{{` that nothing closes"));
        let action = action.trim_start_matches('-').trim_end_matches('-').trim();
        if !action.starts_with("/*") {
            actions.push(action);
        }
        rest = after;
    }
    assert!(!rest.contains("}}"), "{name}: `}}}}` that nothing opened");
    actions
}

/// Returns the words of an action, without what is in quotes.
fn words(action: &str) -> Vec<&str> {
    let unquoted = action.split('"').step_by(2);
    let is_separator = |c: char| c.is_whitespace() || "()|,".contains(c);
    unquoted.flat_map(|part| part.split(is_separator)).filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_chart_says_what_it_is() {
    let chart = render::read("Chart.yaml");
    assert_eq!(chart["apiVersion"], "v2");
    assert_eq!(chart["name"], "peregrine");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_value_that_is_asked_for_exists_and_the_other_way_round() {
    let values = values();
    let mut asked = BTreeSet::new();
    for (name, text) in templates() {
        for action in actions(&name, &text) {
            for word in words(action) {
                let Some(key) = word.trim_start_matches('$').strip_prefix(".Values.") else {
                    continue;
                };
                let found = key.split('.').try_fold(&values, |value, key| value.get(key));
                assert!(found.is_some(), "{name}: values.yaml has no {key}");
                asked.insert(key.split('.').next().unwrap().to_owned());
            }
        }
    }
    let offered: BTreeSet<String> = values.as_object().unwrap().keys().cloned().collect();
    assert_eq!(asked, offered, "templates ask for what values.yaml offers");
}

/// Returns what peregrine reads of a rendered configuration.
fn loaded(objects: &BTreeMap<String, Value>) -> config::Config {
    let text = &objects["Secret push-peregrine-config"]["stringData"]["config.yaml"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, text.as_str().unwrap()).unwrap();
    let env = |name: &str| (name == "REDIS_URL").then(|| "redis://redis".to_owned());
    let loaded = config::load(&file, &env, &Metrics::new());
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.findings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

#[test]
fn the_default_configuration_starts_and_its_times_fit() {
    let values = values();
    let config = loaded(&objects(&json!({})));
    assert_eq!(values["ports"]["http"], config.http.port);
    let number = |key: &str| values[key].as_u64().unwrap();
    let drain = config.delivery.deadline_seconds + 2;
    assert!(number("terminationGracePeriodSeconds") > number("preStopSleepSeconds") + drain);
}

#[test]
fn pods_have_no_rights() {
    let values = values();
    assert_eq!(values["podSecurityContext"]["runAsNonRoot"], true);
    let container = &values["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"][0], "ALL");
}

/// Values that switch everything on.
fn everything() -> Value {
    json!({
        "replicaCount": 3,
        "imagePullSecrets": [{"name": "registry"}],
        "config": {
            "http": {"trusted_proxies": ["10.0.0.0/8"]},
            "state": {"backend": "redis", "redis_url": "${REDIS_URL}"},
            "apps": {"com.example.*": {"type": "log"}, "org.example.try": null},
        },
        "keys": {"a.p8": "-----BEGIN PRIVATE KEY-----\nline\n", "b": "\"quoted\": {{ }} # %"},
        "existingKeySecrets": [{"name": "apns", "files": ["c.p8", "d.pem"]}],
        "env": [{"name": "REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}}],
        "envFrom": [{"secretRef": {"name": "more"}}],
        "service": {"annotations": {"one": "1"}},
        "ingress": {
            "enabled": true, "className": "nginx", "tlsSecret": "tls", "annotations": {"two": "2"},
        },
        "serviceAccount": {"annotations": {"three": "3"}},
        "autoscaling": {"enabled": true, "metrics": [{"type": "Pods", "pods": {"metric": {"name": "x"}}}]},
        "podAnnotations": {"four": "4"},
        "podLabels": {"five": "5"},
        "nodeSelector": {"six": "6"},
        "tolerations": [{"key": "seven", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"eight": []}},
        "priorityClassName": "high",
        "serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}},
        "networkPolicy": {
            "enabled": true,
            "notifyFrom": [{"namespaceSelector": {}}],
            "adminFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "redis"}}}], "ports": [{"port": 6379}]}],
        },
    })
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    for (own, reason) in [
        (json!({"config": {"http": {"port": 8080}}}), "ports.http"),
        (json!({"ports": {"admin": 9000}}), "ports.admin"),
    ] {
        let error = texts(&own).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    // What is in a Secret of the operator's cannot be seen.
    let made = texts(&json!({"existingConfigSecret": "mine", "ports": {"http": 8080}})).unwrap();
    assert!(made["deployment.yaml"].contains("name: mine\n"));
    assert!(!made["secret.yaml"].contains("kind: Secret"));

    let notes = |own: &Value| texts(own).unwrap().remove("NOTES.txt").unwrap();
    assert!(notes(&json!({"replicaCount": 2})).contains("config.state.backend"));
    assert!(!notes(&everything()).contains("NOTE"));
}

#[test]
fn the_schema_knows_every_value_and_refuses_what_it_does_not_know() {
    let schema: Value =
        serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let known = schema["properties"].as_object().unwrap();
    for (key, value) in values().as_object().unwrap() {
        let known = known.get(key).unwrap_or_else(|| panic!("the schema has no {key}"));
        let (Some(within), Some(value)) = (known["properties"].as_object(), value.as_object())
        else {
            continue;
        };
        assert!(within.keys().eq(value.keys()), "{key}: the schema has the same keys");
    }
    let check = |own: &Value| {
        let checked = jsonschema::validate(&schema, own);
        checked.map_err(|error| format!("{}: {error}", error.instance_path()))
    };
    for good in [values(), everything()] {
        check(&good).unwrap();
    }
    for typo in
        [json!({"ingres": {}}), json!({"image": {"tags": "1"}}), json!({"replicaCount": "two"})]
    {
        assert!(check(&typo).is_err(), "{typo}");
    }
    // The values that the documentation shows.
    let mut seen = 0;
    for page in [&format!("{CHART}/README.md"), "docs/src/installing/kubernetes.md"] {
        for block in read(page).split("```yml\n").skip(1) {
            let own = yaml::document(page, block.split("```").next().unwrap());
            check(&own).unwrap_or_else(|error| panic!("{page}: {error}"));
            texts(&own).unwrap_or_else(|error| panic!("{page}: {error}"));
            seen += 1;
        }
    }
    assert!(seen > 2);
}
