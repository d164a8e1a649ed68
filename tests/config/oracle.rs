//! Our reading of JSON Schema against a full implementation: whatever is done to a value, both call
//! it right or both call it wrong, in the same places.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use peregrine::config::schema;
use peregrine::schema::{Kind, Violation, violations};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// Keys and values that take a document through every corner of both schemas.
const TEXTS: [&str; 12] = [
    "",
    "log",
    "apns",
    "fcm",
    "webpush",
    "https://push.example.org/x",
    "no url",
    "3.5s",
    "1h",
    "HIGH",
    "info",
    "5",
];

/// Google's message, as `providers::fcm` knows it.
fn message() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers/fcm/message.schema.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Makes values that mostly fit a schema: each member of what it takes is there or not, and now and
/// then something else.
fn nearly(root: &Value, schema: &Value, depth: u32) -> BoxedStrategy<Value> {
    let text = select(TEXTS.to_vec()).prop_map(Value::from);
    let anything = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..70_000_i64).prop_map(Value::from),
        (-2.5..70_000.5_f64).prop_map(Value::from),
        text.clone(),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"qqq": [1]})),
    ];
    if depth == 0 {
        return anything.boxed();
    }
    let pointed = schema["$ref"].as_str().and_then(|it| root.pointer(&it[1..]));
    let schema = pointed.unwrap_or(schema);
    let mut fitting: Vec<BoxedStrategy<Value>> = Vec::new();
    for keyword in ["anyOf", "oneOf"] {
        let alternatives = schema[keyword].as_array().into_iter().flatten();
        fitting.extend(alternatives.map(|it| nearly(root, it, depth - 1)));
    }
    let words = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    fitting.extend(words.map(|word| Just(word.clone()).boxed()));
    if schema["items"].is_object() {
        let item = nearly(root, &schema["items"], depth - 1);
        fitting.push(proptest::collection::vec(item, 0..3).prop_map(Value::from).boxed());
    }
    if schema["properties"].is_object() || schema["additionalProperties"].is_object() {
        fitting.push(object(root, schema, depth));
    }
    for kind in ["string", "integer", "boolean"] {
        let has = |types: &Value| {
            types == kind || types.as_array().is_some_and(|it| it.contains(&kind.into()))
        };
        if has(&schema["type"]) {
            fitting.push(match kind {
                "string" => text.clone().boxed(),
                "integer" => (0..70_i64).prop_map(Value::from).boxed(),
                _ => any::<bool>().prop_map(Value::from).boxed(),
            });
        }
    }
    let mut weighted: Vec<_> = fitting.into_iter().map(|it| (30, it)).collect();
    weighted.push((1, anything.boxed()));
    Union::new_weighted(weighted).boxed()
}

/// Makes objects of some of the keys that a schema knows, and now and then another.
fn object(root: &Value, schema: &Value, depth: u32) -> BoxedStrategy<Value> {
    let kinds = schema["allOf"].as_array().into_iter().flatten();
    let parts = kinds.map(|kind| &kind["then"]).chain([schema]);
    let known = parts.flat_map(|part| part["properties"].as_object().into_iter().flatten());
    let required = schema["required"].as_array();
    let mut members: Vec<BoxedStrategy<Option<(String, Value)>>> = known
        .map(|(key, schema)| {
            let is_required = required.is_some_and(|it| it.contains(&key.as_str().into()));
            let key = key.clone();
            let member = nearly(root, schema, depth - 1).prop_map(move |it| (key.clone(), it));
            weighted(if is_required { 0.98 } else { 0.1 }, member).boxed()
        })
        .collect();
    let others = &schema["additionalProperties"];
    let other = nearly(root, others, depth - 1).prop_map(|it| ("other".to_owned(), it));
    let often = if others.is_object() { 0.9 } else { 0.02 };
    members.push(weighted(often, other).boxed());
    members.prop_map(|members| members.into_iter().flatten().collect::<Map<_, _>>().into()).boxed()
}

/// Returns where something is wrong, as JSON pointers, each once.
fn ours(schema: &Value, value: &Value) -> Vec<String> {
    let pointer = |violation: &Violation<'_>| {
        let steps = violation.at.iter().map(|key| format!("/{}", key.replace('~', "~0")));
        steps.collect::<String>()
    };
    let mut places: Vec<String> = violations(schema, value).iter().map(pointer).collect();
    places.sort();
    places.dedup();
    places
}

fn theirs(validator: &Validator, value: &Value) -> Vec<String> {
    let errors = validator.iter_errors(value);
    let mut places: Vec<String> =
        errors.map(|error| error.instance_path().as_str().to_owned()).collect();
    places.sort();
    places.dedup();
    places
}

/// Holds both to the same judgement of many values; some of them are right.
fn judged_alike(schema: &Value, validator: &Validator) {
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() };
    let right = Cell::new(0);
    let judged = TestRunner::new(config).run(&nearly(schema, schema, 6), |value| {
        let wrong = theirs(validator, &value);
        right.set(right.get() + u32::from(wrong.is_empty()));
        prop_assert_eq!(ours(schema, &value), wrong, "{}", value);
        Ok(())
    });
    judged.unwrap();
    assert!(right.get() > 0, "nothing was right");
}

#[test]
fn a_configuration_is_judged_alike() {
    let schema = schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema);
    judged_alike(&schema, &validator.unwrap());
}

#[test]
fn a_message_is_judged_alike() {
    let schema = message();
    judged_alike(&schema, &jsonschema::validator_for(&schema).unwrap());
    let both = json!({ "token": "t", "android": {}, "android_v2": {} });
    assert_eq!(ours(&schema, &both), [""], "what may not stand together");
}

#[test]
fn what_is_wrong_is_told_apart() {
    let schema = json!({
        "required": ["id"],
        "properties": {
            "id": { "type": ["string", "null"] },
            "url": { "type": "string", "format": "uri" },
            "ttl": { "type": "string", "pattern": "^[0-9]+s$" },
            "port": { "anyOf": [{ "type": "integer", "maximum": 65535 }, { "const": "auto" }] },
        },
        "additionalProperties": false,
    });
    let value = json!({ "url": "x", "ttl": "1h", "port": 65536, "prot": 1 });
    let found = violations(&schema, &value);
    let kinds: Vec<_> = found.iter().map(|it| (it.at.join("."), &it.kind)).collect();
    let at = |place: &str| {
        kinds.iter().filter(|(at, _)| at == place).map(|(_, kind)| *kind).collect::<Vec<_>>()
    };
    assert_eq!(at("url"), [&Kind::Format("uri")]);
    assert_eq!(at("ttl"), [&Kind::Pattern("^[0-9]+s$")]);
    assert_eq!(at(""), [&Kind::Unknown("prot"), &Kind::Missing("id")]);
    let [Kind::NoneOf(alternatives)] = at("port")[..] else {
        panic!("{kinds:?}");
    };
    assert_eq!(alternatives.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}
