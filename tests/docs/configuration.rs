//! `docs/src/configuration.md`: what stands below its mark is written from the schema.
//!
//! `UPDATE=1 cargo test --test docs configuration` writes it anew. Defaults that the schema does
//! not know come from `config.yaml`, whose values are tested to be the defaults.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::{env, fs};

use serde_json::Value;

use crate::{book, yaml};

const MARK: &str = "<!-- What follows is made from the schema: UPDATE=1 cargo test --test docs configuration -->\n";

/// The order of sections; the schema's own is the alphabet's.
const SECTIONS: [&str; 12] = [
    "http",
    "admin",
    "runtime",
    "delivery",
    "state",
    "proxy",
    "proxy_file",
    "tls",
    "log",
    "metrics",
    "apps",
    "",
];

#[test]
fn the_reference_is_fresh() {
    let path = book().join("configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, found) = page.split_once(MARK).expect("configuration.md has its mark");
    let wanted = reference();
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{MARK}{wanted}")).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/src/configuration.md is stale; write it anew with\n  \
         UPDATE=1 cargo test --test docs configuration"
    );
}

/// Returns the reference of all keys.
fn reference() -> String {
    let schema = peregrine::config::schema();
    let defaults = yaml::document("config.yaml", include_str!("../../config.yaml"));
    let properties = schema["properties"].as_object().unwrap();
    for section in properties.keys() {
        assert!(SECTIONS.contains(&section.as_str()), "SECTIONS has no place for {section}");
    }
    let mut out = String::new();
    let mut alone = Vec::new();
    for section in SECTIONS.iter().filter(|section| properties.contains_key(**section)) {
        if *section == "apps" {
            continue;
        }
        let schema = &properties[*section];
        if schema.get("properties").is_none() {
            alone.push((*section, schema));
            continue;
        }
        heading(&mut out, 2, section, schema);
        let mut rows = Vec::new();
        flatten(schema, "", &defaults[*section], &mut rows);
        table(&mut out, &rows);
    }
    out.push_str("\n## On their own\n");
    let rows: Vec<Row> =
        alone.iter().map(|(key, schema)| Row::new(key, schema, &defaults[*key], false)).collect();
    table(&mut out, &rows);
    apps(&mut out, &properties["apps"]);
    out
}

/// Writes the keys of apps: those of every type, then those of each.
fn apps(out: &mut String, schema: &Value) {
    heading(out, 2, "apps", schema);
    let kinds = schema["additionalProperties"]["allOf"].as_array().unwrap();
    let keys = |kind: &Value| -> BTreeSet<String> {
        kind["then"]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let mut common = keys(&kinds[0]);
    for kind in kinds {
        common = common.intersection(&keys(kind)).cloned().collect();
    }
    let rows = |kind: &Value, wanted: &dyn Fn(&str) -> bool| {
        let mut rows = Vec::new();
        let mut schema = kind["then"].clone();
        let properties = schema["properties"].as_object_mut().unwrap();
        properties.retain(|key, _| key != "type" && wanted(key));
        flatten(&schema, "", &Value::Null, &mut rows);
        rows
    };
    out.push_str("\n### Every type\n");
    let mut every = vec![Row {
        key: "type".to_owned(),
        values: kinds
            .iter()
            .flat_map(names)
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
        default: "needed".to_owned(),
        meaning: "Which provider.".to_owned(),
    }];
    every.extend(rows(&kinds[0], &|key| common.contains(key)));
    table(out, &every);
    for kind in kinds {
        let title =
            names(kind).map(|name| format!("type: {name}")).collect::<Vec<_>>().join(", or ");
        let own = rows(kind, &|key| !common.contains(key));
        heading(out, 3, &title, &kind["then"]);
        if own.is_empty() {
            out.push_str("\nNo keys of its own.\n");
        } else {
            table(out, &own);
        }
    }
}

fn names(kind: &Value) -> impl Iterator<Item = &str> {
    let names = kind["if"]["properties"]["type"]["enum"].as_array().unwrap();
    names.iter().filter_map(Value::as_str)
}

fn heading(out: &mut String, level: usize, title: &str, schema: &Value) {
    writeln!(out, "\n{} {title}", "#".repeat(level)).unwrap();
    let description = one_line(schema);
    if !description.is_empty() {
        writeln!(out, "\n{description}").unwrap();
    }
}

/// One key.
struct Row {
    key: String,
    values: String,
    default: String,
    meaning: String,
}

impl Row {
    fn new(key: &str, schema: &Value, default: &Value, is_needed: bool) -> Self {
        let default = match schema.get("default").unwrap_or(default) {
            _ if is_needed => "needed".to_owned(),
            Value::Null if nullable(schema) => String::new(),
            // The first of a closed list is its default, where nobody says otherwise.
            Value::Null => first(schema).map_or(String::new(), |first| format!("`{first}`")),
            value => format!("`{}`", shown(value)),
        };
        let mut meaning = one_line(schema);
        for (value, description) in choices(schema) {
            write!(meaning, "<br>`{value}`: {description}").unwrap();
        }
        Self { key: key.to_owned(), values: values(schema), default, meaning }
    }
}

fn table(out: &mut String, rows: &[Row]) {
    out.push_str("\n| key | values | default | |\n|---|---|---|---|\n");
    for Row { key, values, default, meaning } in rows {
        writeln!(out, "| `{key}` | {values} | {default} | {meaning} |").unwrap();
    }
}

/// Makes rows of an object's keys, those of objects within as `outer.inner`.
fn flatten(schema: &Value, path: &str, defaults: &Value, rows: &mut Vec<Row>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{key}");
        let within = [Some(schema), schema["anyOf"].get(0)];
        let within = within.into_iter().flatten().find(|it| it.get("properties").is_some());
        match within {
            Some(within) => {
                if nullable(schema) {
                    rows.push(Row {
                        key: path.clone(),
                        values: "keys as below, or `null` for none".to_owned(),
                        default: String::new(),
                        meaning: one_line(schema),
                    });
                }
                flatten(within, &format!("{path}."), &defaults[key], rows);
            }
            None => {
                rows.push(Row::new(
                    &path,
                    schema,
                    &defaults[key],
                    required.contains(&key.as_str()),
                ));
            }
        }
    }
}

/// Returns the schemas that a value may fit.
fn alternatives(schema: &Value) -> Vec<&Value> {
    ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array())
        .map_or_else(|| vec![schema], |all| all.iter().flat_map(alternatives).collect())
}

/// Returns the values of a closed list, with what each means.
fn choices(schema: &Value) -> Vec<(&str, String)> {
    let alternatives = alternatives(schema).into_iter();
    let choices = alternatives.filter_map(|it| Some((it["const"].as_str()?, one_line(it))));
    choices.filter(|(_, description)| !description.is_empty()).collect()
}

fn first(schema: &Value) -> Option<&str> {
    alternatives(schema).first()?["const"].as_str()
}

fn nullable(schema: &Value) -> bool {
    alternatives(schema).iter().any(|it| {
        it["type"] == "null"
            || it["type"].as_array().is_some_and(|types| types.contains(&"null".into()))
    })
}

/// Says in words what may be written.
fn values(schema: &Value) -> String {
    let mut words = Vec::new();
    for it in alternatives(schema) {
        if let Some(value) = it["const"].as_str() {
            words.push(format!("`{value}`"));
            continue;
        }
        let types: Vec<&str> = match &it["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for name in types {
            words.push(match name {
                "null" => continue,
                "integer" | "number" => number(it),
                "boolean" => "`true`, `false`".to_owned(),
                "array" => "a list".to_owned(),
                "object" => "keys and values".to_owned(),
                "string" if it["format"] == "uri" => "a URL".to_owned(),
                _ => "text".to_owned(),
            });
        }
    }
    words.join(", ")
}

fn number(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("a number from {least}"),
        _ => "a number".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn one_line(schema: &Value) -> String {
    let description = schema["description"].as_str().unwrap_or_default();
    description.replace('\n', " ").replace('|', "\\|")
}
