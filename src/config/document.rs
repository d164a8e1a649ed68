//! A configuration as plain values, and where in the file each of them stands.
//!
//! Here merge keys are resolved, variables replaced and plain scalars typed, so that every later
//! check speaks of JSON values and JSON pointers only, and asks this room for the place.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::env::{self, Env};
use super::report::{Finding, Span};
use super::scalar;
use super::yaml::{Content, Node};
use crate::fault::Fault;

/// A configuration and where everything in it stands.
#[derive(Debug)]
pub(super) struct Document {
    /// The values.
    pub(super) value: Value,
    places: HashMap<Vec<String>, Place>,
}

/// Where a value stands.
#[derive(Debug, Clone)]
struct Place {
    key: Option<Span>,
    value: Span,
    /// The text of a value that came from the environment.
    from_env: Option<String>,
}

impl Document {
    /// Makes a document without a key.
    pub(super) fn empty() -> Self {
        Self { value: Value::Object(Map::new()), places: HashMap::new() }
    }

    /// Reads a tree; findings are all that is wrong in it by itself.
    pub(super) fn read(root: &Node, env: &Env<'_>) -> (Self, Vec<Finding>) {
        let mut reader =
            Reader { env, places: HashMap::new(), findings: Vec::new(), path: Vec::new() };
        let value = reader.value(root, None);
        let document = Self { value, places: reader.places };
        (document, reader.findings)
    }

    /// Returns where the value at `path` stands, else what is nearest around it.
    pub(super) fn value_at(&self, path: &[String]) -> Option<Span> {
        let place = self.places.get(path);
        place.map_or_else(|| self.key_at(path), |place| Some(place.value))
    }

    /// Returns where the key at `path` stands, else what is nearest around it.
    pub(super) fn key_at(&self, path: &[String]) -> Option<Span> {
        let mut around = (1..=path.len()).rev().map(|length| &path[..length]);
        let place = around.find_map(|path| self.places.get(path))?;
        Some(place.key.unwrap_or(place.value))
    }

    /// Returns the text at `path` if it came from the environment.
    pub(super) fn text_from_env(&self, path: &[String]) -> Option<&str> {
        self.places.get(path)?.from_env.as_deref()
    }

    /// Returns the value at `path`.
    pub(super) fn get_mut(&mut self, path: &[String]) -> Option<&mut Value> {
        path.iter().try_fold(&mut self.value, |value, key| match value {
            Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
            value => value.get_mut(key.as_str()),
        })
    }

    /// Takes the key at `path` out; where it stood is still known.
    pub(super) fn remove(&mut self, path: &[String]) -> Option<Value> {
        let (key, parent) = path.split_last()?;
        self.get_mut(parent)?.as_object_mut()?.remove(key)
    }

    /// Makes an error about the key at `path`.
    pub(super) fn error(
        &self,
        path: &[String],
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Finding {
        Finding::error(path.to_vec(), self.key_at(path), what, instead)
    }

    /// Makes an error of a fault whose key is relative to `base`.
    pub(super) fn fault(&self, base: &[String], fault: &Fault) -> Finding {
        let relative = fault.key.split(['.', '[']).map(|key| key.trim_end_matches(']'));
        let relative = relative.filter(|key| !key.is_empty()).map(str::to_owned);
        let path: Vec<String> = base.iter().cloned().chain(relative).collect();
        self.error(&path, &fault.what, &fault.instead)
    }
}

/// Walks a tree.
struct Reader<'a> {
    env: &'a Env<'a>,
    places: HashMap<Vec<String>, Place>,
    findings: Vec<Finding>,
    path: Vec<String>,
}

impl Reader<'_> {
    fn value(&mut self, node: &Node, key: Option<Span>) -> Value {
        let mut from_env = None;
        let value = match &node.content {
            Content::Scalar { text, plain } => match env::expand(text, self.env) {
                Ok(expanded) => {
                    let typed = *plain && (expanded.whole || !expanded.from_env);
                    from_env = expanded.from_env.then(|| expanded.text.clone());
                    if typed { scalar::plain(&expanded.text) } else { Value::String(expanded.text) }
                }
                Err(unset) => {
                    self.complain(node.at, unset.what, unset.instead);
                    // Nothing more is said about a value that is not known.
                    from_env = Some(String::new());
                    Value::Null
                }
            },
            Content::List(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.child(index.to_string(), item, None))
                    .collect(),
            ),
            Content::Mapping(pairs) => {
                let mut map = Map::new();
                self.mapping(pairs, &mut map);
                Value::Object(map)
            }
        };
        let place = Place { key, value: node.at, from_env };
        self.places.insert(self.path.clone(), place);
        value
    }

    fn child(&mut self, key: String, node: &Node, at: Option<Span>) -> Value {
        self.path.push(key);
        let value = self.value(node, at);
        self.path.pop();
        value
    }

    /// Adds keys that are not there yet: those written out first, then those merged by `<<`.
    fn mapping(&mut self, pairs: &[(Rc<Node>, Rc<Node>)], map: &mut Map<String, Value>) {
        let mut merged = Vec::new();
        let mut written: HashMap<&str, usize> = HashMap::new();
        for (key, node) in pairs {
            let Content::Scalar { text, plain } = &key.content else {
                self.complain(key.at, "a key is a list or mapping", "write a text as key");
                continue;
            };
            if *plain && text == "<<" {
                merged.push(node);
                continue;
            }
            if let Some(line) = written.insert(text, key.at.line) {
                self.path.push(text.clone());
                let what = format!("this key is already there in line {line}");
                self.complain(key.at, what, "keep one of the two");
                self.path.pop();
                continue;
            }
            if text.contains("${") {
                self.complain(key.at, "variables are replaced in values only", "write the key out");
            }
            if !map.contains_key(text) {
                let value = self.child(text.clone(), node, Some(key.at));
                map.insert(text.clone(), value);
            }
        }
        for node in merged {
            self.merge(node, map);
        }
    }

    /// Merges a mapping, or each of a list of mappings.
    fn merge(&mut self, node: &Node, map: &mut Map<String, Value>) {
        match &node.content {
            Content::Mapping(pairs) => self.mapping(pairs, map),
            Content::List(items) => items.iter().for_each(|item| self.merge(item, map)),
            Content::Scalar { .. } => self.complain(
                node.at,
                "`<<` merges mappings, and this is none",
                "write `<<: *anchor` of a mapping",
            ),
        }
    }

    fn complain(&mut self, at: Span, what: impl Into<String>, instead: impl Into<String>) {
        self.findings.push(Finding::error(self.path.clone(), Some(at), what, instead));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::yaml;

    fn read(text: &str) -> (Document, Vec<Finding>) {
        let root = yaml::parse(text).unwrap().unwrap();
        Document::read(&root, &|name| (name == "ON").then(|| "yes".to_owned()))
    }

    #[test]
    fn values_have_their_types() {
        for (text, expected) in [
            (
                "[yes, 'yes', \"yes\", !!str yes, !!bool 'yes']",
                json!([true, "yes", "yes", "yes", true]),
            ),
            ("[1, '1', 1.5, ~, x]", json!([1, "1", 1.5, null, "x"])),
            (
                "a: ${ON}\nb: '${ON}'\nc: ${ON}!\nd: $${ON}",
                json!({"a": true, "b": "yes", "c": "yes!", "d": "${ON}"}),
            ),
            ("1: a\nyes: b\n~: c", json!({"1": "a", "yes": "b", "~": "c"})),
            ("|\n a\n b\n", json!("a\nb\n")),
            // Keys written out come before merged ones, and earlier merged ones before later ones.
            (
                "- &a {x: 1, y: 1}\n- &b {y: 2, z: 2}\n- {<<: [*a, *b], x: 3}\n- {'<<': 4}",
                json!([
                    {"x": 1, "y": 1}, {"y": 2, "z": 2}, {"x": 3, "y": 1, "z": 2}, {"<<": 4},
                ]),
            ),
            (
                "- &a {x: 1}\n- &b {<<: *a, y: 2}\n- {<<: *b}",
                json!([{"x": 1}, {"x": 1, "y": 2}, {"x": 1, "y": 2}]),
            ),
        ] {
            let (document, findings) = read(text);
            assert_eq!(document.value, expected, "{text}");
            assert!(findings.is_empty(), "{text}: {findings:?}");
        }
    }

    #[test]
    fn places_are_lines_and_columns() {
        let (document, _) = read("é:\n  b: [1, &x 'zwei']\n  c: *x\n");
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let at = |span: Option<Span>| span.map(|at| (at.line, at.column, at.length));
        for (key, key_at, value_at) in [
            ("é", Some((1, 1, 1)), Some((2, 3, 1))),
            ("é.b", Some((2, 3, 1)), Some((2, 6, 1))),
            ("é.b.1", Some((2, 10, 9)), Some((2, 10, 9))),
            ("é.c", Some((3, 3, 1)), Some((2, 10, 9))),
            ("é.d.e", Some((1, 1, 1)), Some((1, 1, 1))),
            ("d", None, None),
        ] {
            assert_eq!(at(document.key_at(&path(key))), key_at, "{key}");
            assert_eq!(at(document.value_at(&path(key))), value_at, "{key}");
        }
    }

    proptest! {
        #[test]
        fn anything_goes(text in "([ \n\t:,{}\\[\\]&*!<'\"#?|>$-]|a|<<: |: |- |\\*a|&a |\\$\\{){0,40}") {
            if let Ok(Some(root)) = yaml::parse(&text) {
                Document::read(&root, &|_| None);
            }
        }
    }
}
