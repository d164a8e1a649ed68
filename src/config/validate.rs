//! A document against the schema: every mistake, in an operator's words.
//!
//! What to write instead is read from the schema at the place of the mistake, so that no key needs
//! a message of its own. Values that may be secrets, or came from the environment, are not shown.

use serde_json::Value;

use super::document::Document;
use super::expected::{Expected, join};
use super::nearest::nearest;
use super::report::Finding;
use super::scalar;
use crate::schema::{Kind, Violation, violations};

/// Returns every mistake in a document, after mending what can only be meant in one way.
pub(super) fn check(schema: &Value, document: &mut Document) -> Vec<Finding> {
    let leaves = leaves(schema, &document.value);
    let mended: Vec<_> =
        leaves.into_iter().filter_map(|it| Some((mended(&it, document)?, it.at))).collect();
    for (value, path) in mended {
        match document.get_mut(&path) {
            Some(place) if !value.is_null() => *place = value,
            _ => drop(document.remove(&path)),
        }
    }
    let teller = Teller { schema, document };
    let leaves = self::leaves(schema, &document.value);
    leaves.iter().map(|it| teller.finding(it)).collect()
}

/// Returns the value that was meant: what the environment says gets the type that is wanted (a key
/// id of digits is still a key id, a port in quotes a number). Null means that it is left out, as a
/// section whose keys are all commented out.
fn mended(violation: &Violation<'_>, document: &Document) -> Option<Value> {
    let expected = Expected::new(violation.schema);
    let value = violation.value;
    if let Some(text) = document.text_from_env(&violation.at) {
        return match value {
            Value::Number(_) | Value::Bool(_) if expected.takes_text() => Some(text.into()),
            Value::String(_) if !expected.takes_text() => Some(scalar::plain(text)),
            _ => None,
        };
    }
    let (_, section) = violation.at.split_last()?;
    let is_left_out = value.is_null() && expected.takes_mapping_only() && !is_apps(section);
    is_left_out.then_some(Value::Null)
}

/// Says what is wrong with a document.
struct Teller<'a> {
    schema: &'a Value,
    document: &'a Document,
}

impl Teller<'_> {
    fn finding(&self, violation: &Violation<'_>) -> Finding {
        match violation.kind {
            Kind::Unknown(key) => self.unknown_key(key, violation),
            Kind::Missing(key) => {
                let wanted = &violation.schema["properties"][key];
                let instead = match Expected::new(wanted).to_string() {
                    text if text.is_empty() => "add it".to_owned(),
                    text => format!("add `{key}:` with {text}"),
                };
                let path = child(&violation.at, key);
                self.document.error(&path, "is missing", instead)
            }
            _ => self.wrong_value(violation),
        }
    }

    fn wrong_value(&self, violation: &Violation<'_>) -> Finding {
        let (path, value) = (&violation.at, violation.value);
        let expected = Expected::new(violation.schema);
        let from_env = self.document.text_from_env(path).is_some();
        let what = match violation.kind {
            Kind::Format("uri") => "is no URL".to_owned(),
            Kind::Pattern(pattern) => format!("does not fit the pattern `{pattern}`"),
            _ if from_env => "cannot be what the environment says".to_owned(),
            _ => format!("cannot be {}", expected.show(value)),
        };
        let wanted = Some(expected.to_string()).filter(|wanted| !wanted.is_empty());
        let wanted = wanted.map(|wanted| format!("write {wanted}"));
        let hint = expected.hint(value).filter(|_| !from_env);
        let instead: Vec<String> = wanted.into_iter().chain(hint).collect();
        let at = self.document.value_at(path);
        Finding::error(path.clone(), at, what, instead.join("; "))
    }

    fn unknown_key(&self, key: &str, violation: &Violation<'_>) -> Finding {
        let parent = &violation.at;
        let known = keys(violation.schema);
        let instead = if let Some(near) = nearest(key, known.iter().copied()) {
            format!("did you mean `{near}`?")
        } else if let Some(home) = self.home(key, parent) {
            format!("it belongs {home}")
        } else {
            let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            format!("the keys here are {}", join(&known, "and"))
        };
        let path = child(parent, key);
        self.document.error(&path, "there is no such key", instead)
    }

    /// Returns where a key has its place that stands at the root or in an app of another type.
    fn home(&self, key: &str, parent: &[String]) -> Option<String> {
        match parent {
            [] => {
                let sections = self.schema["properties"].as_object()?;
                let (section, _) =
                    sections.iter().find(|(_, section)| keys(section).contains(&key))?;
                Some(format!("under `{section}`"))
            }
            [apps, _] if apps == "apps" => {
                let app = &self.schema["properties"]["apps"]["additionalProperties"];
                let mut kinds = app["allOf"].as_array()?.iter();
                let kind = kinds.find(|kind| keys(&kind["then"]).contains(&key))?;
                let name = &kind["if"]["properties"]["type"]["enum"][0];
                Some(format!("to apps of type `{}`", name.as_str()?))
            }
            _ => None,
        }
    }
}

fn child(parent: &[String], key: &str) -> Vec<String> {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

fn is_apps(path: &[String]) -> bool {
    matches!(path, [apps] if apps == "apps")
}

/// Returns the keys that an object can have.
fn keys(schema: &Value) -> Vec<&str> {
    let properties = schema["properties"].as_object();
    properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Returns the violations where they are, not where alternatives begin.
fn leaves<'a>(schema: &'a Value, value: &'a Value) -> Vec<Violation<'a>> {
    let violations = violations(schema, value).into_iter();
    violations.flat_map(leaves_of).collect()
}

/// Returns the violation, or those of the one alternative that was meant: for a mapping, the first
/// that takes mappings.
fn leaves_of(mut violation: Violation<'_>) -> Vec<Violation<'_>> {
    if let Kind::NoneOf(alternatives) = &mut violation.kind
        && violation.value.is_object()
    {
        let is_wrong_type =
            |inner: &Violation<'_>| inner.at == violation.at && inner.kind == Kind::Value;
        let meant = alternatives.iter().position(|it| !it.iter().any(is_wrong_type));
        if let Some(meant) = meant {
            let meant = alternatives.swap_remove(meant).into_iter();
            return meant.flat_map(leaves_of).collect();
        }
    }
    vec![violation]
}
