//! The JSON Schema of a configuration, made of the rooms' structs: the one truth about its keys.
//!
//! `validate` checks files against it, `peregrine schema` prints it for editors. Every object with
//! listed keys takes no others, and each app takes the keys of its `type`.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Config;
use crate::providers::{KINDS, Kind};

/// Returns the schema.
#[must_use]
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut generator = settings.into_generator();
    let mut root = Config::json_schema(&mut generator).to_value();
    close(&mut root);
    root["$schema"] = generator.settings().meta_schema.as_deref().into();
    root["title"] = "peregrine's configuration".into();
    root["required"] = json!(["apps"]);
    root["properties"]["apps"] = json!({
        "description": "What to do with the pushes of each app_id, or of those a glob matches.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": app(&mut generator),
    });
    root
}

/// Returns the values of `type`.
pub(super) fn types() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(names)
}

fn names(kind: &Kind) -> impl Iterator<Item = &'static str> + use<> {
    std::iter::once(kind.name).chain(kind.aliases.iter().copied())
}

/// Returns the schema of an app: `type` decides which keys it takes.
fn app(generator: &mut SchemaGenerator) -> Value {
    let of_kind = |kind: &Kind| {
        let names: Vec<_> = names(kind).collect();
        let mut keys = (kind.schema)(generator).to_value();
        keys["properties"]["type"] = true.into();
        close(&mut keys);
        json!({
            "if": { "required": ["type"], "properties": { "type": { "enum": names } } },
            "then": keys,
        })
    };
    let by_type: Vec<Value> = KINDS.iter().map(of_kind).collect();
    json!({
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": { "description": "Which provider.", "enum": types().collect::<Vec<_>>() },
        },
        "allOf": by_type,
    })
}

/// Lets every object with listed keys take no others, and drops the titles, which are names of
/// Rust structs.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("title");
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), false.into());
    }
    subschemas(object).for_each(close);
}

/// Returns the schemas directly within one.
fn subschemas(schema: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    schema.iter_mut().flat_map(|(keyword, value)| {
        let within: Vec<&mut Value> = match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().collect(),
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => schemas.iter_mut().collect(),
            ("items" | "additionalProperties" | "then", schema) => vec![schema],
            _ => Vec::new(),
        };
        within
    })
}

/// Returns the keys whose values are secrets: those that can be given as a file instead, headers,
/// and what other gateways call them.
pub(super) fn secret_keys(schema: &Value) -> BTreeSet<String> {
    let mut secret: BTreeSet<String> = ["api_key", "headers"].map(str::to_owned).into();
    collect_secret_keys(schema, &mut secret);
    secret
}

fn collect_secret_keys(schema: &Value, secret: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                let has_file = |key: &&String| properties.contains_key(&format!("{key}_file"));
                secret.extend(properties.keys().filter(has_file).cloned());
            }
            object.values().for_each(|schema| collect_secret_keys(schema, secret));
        }
        Value::Array(schemas) => {
            for schema in schemas {
                collect_secret_keys(schema, secret);
            }
        }
        _ => {}
    }
}
