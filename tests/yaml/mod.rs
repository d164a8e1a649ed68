//! Reads YAML that is no configuration of ours: deployment files, and the defaults in config.yaml.
//!
//! One or more documents as JSON values; what a plain scalar means is kept simple.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Returns the documents of a text.
///
/// # Panics
///
/// If the text is not YAML, or a key is there twice.
pub(crate) fn documents(name: &str, text: &str) -> Vec<Value> {
    let mut open: Vec<(bool, Vec<Value>)> = Vec::new();
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.unwrap_or_else(|error| panic!("{name}: {error}"));
        let done = match event {
            Event::Scalar(text, style, ..) => Some(match style {
                ScalarStyle::Plain => plain(&text),
                _ => text.into_owned().into(),
            }),
            Event::SequenceStart(..) => {
                open.push((false, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push((true, Vec::new()));
                None
            }
            Event::SequenceEnd => open.pop().map(|(_, items)| Value::Array(items)),
            Event::MappingEnd => open.pop().map(|(_, items)| mapping(name, items)),
            Event::Alias(_) => panic!("{name}:{}: no aliases", span.start.line()),
            _ => None,
        };
        match (done, open.last_mut()) {
            (Some(value), Some((_, items))) => items.push(value),
            (Some(value), None) => documents.push(value),
            (None, _) => {}
        }
    }
    documents
}

/// Returns the one document of a text.
///
/// # Panics
///
/// If there is another number of them.
pub(crate) fn document(name: &str, text: &str) -> Value {
    let mut documents = documents(name, text);
    assert_eq!(documents.len(), 1, "{name} is one document");
    documents.remove(0)
}

fn mapping(name: &str, items: Vec<Value>) -> Value {
    let mut mapping = Map::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let twice = mapping.insert(key.clone(), value);
        assert!(twice.is_none(), "{name}: `{key}` is there twice");
    }
    mapping.into()
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" | "yes" => true.into(),
        "false" | "no" => false.into(),
        _ => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.into(),
        },
    }
}
