//! The chart. There is no helm on most machines, so this checks what usually rots: values that
//! templates ask for and nobody has, blocks that nobody ends, a default that does not start.

use std::collections::BTreeSet;
use std::fs;

use peregrine::config;
use peregrine::telemetry::Metrics;
use serde_json::Value;

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
    yaml::document("values.yaml", &read(&format!("{CHART}/values.yaml")))
}

/// Returns what stands between `{{` and `}}`, comments left out.
fn actions<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let mut actions = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        assert!(
            !before.contains("}}"),
            "{name}: `}}}}` that nothing opened: {before}"
        );
        let (action, after) = after
            .split_once("}}")
            .unwrap_or_else(|| panic!("{name}: `{{{{` that nothing closes"));
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
    unquoted
        .flat_map(|part| part.split(is_separator))
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn the_chart_says_what_it_is() {
    let chart = yaml::document("Chart.yaml", &read(&format!("{CHART}/Chart.yaml")));
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
                let found = key
                    .split('.')
                    .try_fold(&values, |value, key| value.get(key));
                assert!(found.is_some(), "{name}: values.yaml has no {key}");
                asked.insert(key.split('.').next().unwrap().to_owned());
            }
        }
    }
    let offered: BTreeSet<String> = values.as_object().unwrap().keys().cloned().collect();
    assert_eq!(asked, offered, "templates ask for what values.yaml offers");
}

#[test]
fn every_block_ends_and_every_included_name_is_defined() {
    let templates = templates();
    let mut defined = BTreeSet::new();
    let mut included = BTreeSet::new();
    for (name, text) in &templates {
        let mut depth = 0_i32;
        for action in actions(name, text) {
            match words(action).first().copied() {
                Some("if" | "with" | "range" | "define") => depth += 1,
                Some("end") => depth -= 1,
                _ => {}
            }
            assert!(depth >= 0, "{name}: an `end` too many");
            let quoted = |word: &str| {
                let after = action.split(word).nth(1)?;
                after
                    .trim()
                    .strip_prefix('"')?
                    .split('"')
                    .next()
                    .map(str::to_owned)
            };
            defined.extend(quoted("define "));
            included.extend(quoted("include "));
        }
        assert_eq!(depth, 0, "{name}: a block without its `end`");
    }
    let unknown: Vec<_> = included.difference(&defined).collect();
    assert!(unknown.is_empty(), "nobody defines {unknown:?}");
}

#[test]
fn the_default_configuration_starts_and_its_ports_fit() {
    let values = values();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    // JSON is YAML.
    fs::write(&file, values["config"].to_string()).unwrap();
    let loaded = config::load(&file, &|_: &str| None, &Metrics::new());
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.findings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(values["ports"]["http"], config.http.port);
    let admin = config.admin.bind.rsplit(':').next().unwrap();
    assert_eq!(values["ports"]["admin"].to_string(), admin);
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
