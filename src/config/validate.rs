//! A document against the schema: every mistake, in an operator's words.
//!
//! What to write instead is read from the schema at the place of the mistake, so that no key needs
//! a message of its own. Values that may be secrets, or came from the environment, are not shown.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::document::Document;
use super::expected::{Expected, join};
use super::nearest::nearest;
use super::report::Finding;
use super::scalar;

/// Checks documents against one schema.
pub(super) struct Checker {
    schema: Value,
    validator: Validator,
}

impl Checker {
    /// Prepares a schema.
    pub(super) fn new(schema: Value) -> Result<Self, Finding> {
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| {
                let what = format!("cannot read the schema of the configuration: {error}");
                Finding::error::<String>([], None, what, "")
            })?;
        Ok(Self { schema, validator })
    }

    /// Returns every mistake, after mending what can only be meant in one way.
    pub(super) fn check(&self, document: &mut Document) -> Vec<Finding> {
        for error in self.leaves(document) {
            self.mend(&error, document);
        }
        self.leaves(document)
            .iter()
            .flat_map(|error| self.findings(error, document))
            .collect()
    }

    /// Gives what the environment says the type that is wanted (a key id of digits is still a key
    /// id, a port in quotes a number), and takes out sections whose keys are all commented out.
    fn mend(&self, error: &ValidationError<'_>, document: &mut Document) {
        let path = segments(error.instance_path().as_str());
        let expected = self.expected(error);
        let instance = error.instance();
        if let Some(text) = document.text_from_env(&path) {
            let text = text.to_owned();
            let mended = match instance.as_ref() {
                Value::Number(_) | Value::Bool(_) if expected.takes_text() => text.into(),
                Value::String(_) if !expected.takes_text() => scalar::plain(&text),
                _ => return,
            };
            if let Some(value) = document.get_mut(&path) {
                *value = mended;
            }
        } else if instance.is_null()
            && expected.takes_mapping_only()
            && !path
                .split_last()
                .is_none_or(|(_, section)| is_apps(section))
        {
            document.remove(&path);
        }
    }

    /// Returns the errors where they are, not where alternatives begin.
    fn leaves(&self, document: &Document) -> Vec<ValidationError<'static>> {
        let mut leaves = Vec::new();
        for error in self.validator.iter_errors(&document.value) {
            collect_leaves(error.to_owned(), &mut leaves);
        }
        leaves
    }

    /// Returns what the schema expects where the error is.
    fn expected(&self, error: &ValidationError<'_>) -> Expected<'_> {
        Expected::new(self.around(error))
    }

    /// Returns the schema whose keyword failed.
    fn around(&self, error: &ValidationError<'_>) -> &Value {
        let keyword = error.schema_path().as_str();
        let schema = keyword
            .rfind('/')
            .and_then(|end| self.schema.pointer(&keyword[..end]));
        schema.unwrap_or(&Value::Null)
    }

    fn findings(&self, error: &ValidationError<'_>, document: &Document) -> Vec<Finding> {
        let path = segments(error.instance_path().as_str());
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => unexpected
                .iter()
                .map(|key| self.unknown_key(key, &path, error, document))
                .collect(),
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let wanted = &self.around(error)["properties"][key];
                let instead = match Expected::new(wanted).to_string() {
                    text if text.is_empty() => "add it".to_owned(),
                    text => format!("add `{key}:` with {text}"),
                };
                vec![document.error(&child(&path, key), "is missing", instead)]
            }
            _ => vec![self.wrong_value(path, error, document)],
        }
    }

    fn wrong_value(
        &self,
        path: Vec<String>,
        error: &ValidationError<'_>,
        document: &Document,
    ) -> Finding {
        let expected = self.expected(error);
        let from_env = document.text_from_env(&path).is_some();
        let what = match error.kind() {
            Kind::Format { format } if format == "uri" => "is no URL".to_owned(),
            Kind::Pattern { pattern } => format!("does not fit the pattern `{pattern}`"),
            _ if from_env => "cannot be what the environment says".to_owned(),
            _ => format!("cannot be {}", expected.show(error.instance())),
        };
        let wanted = Some(expected.to_string()).filter(|wanted| !wanted.is_empty());
        let wanted = wanted.map(|wanted| format!("write {wanted}"));
        let hint = expected.hint(error.instance()).filter(|_| !from_env);
        let instead: Vec<String> = wanted.into_iter().chain(hint).collect();
        let at = document.value_at(&path);
        Finding::error(path, at, what, instead.join("; "))
    }

    fn unknown_key(
        &self,
        key: &str,
        parent: &[String],
        error: &ValidationError<'_>,
        document: &Document,
    ) -> Finding {
        let known = keys(self.around(error));
        let instead = if let Some(near) = nearest(key, known.iter().copied()) {
            format!("did you mean `{near}`?")
        } else if let Some(home) = self.home(key, parent) {
            format!("it belongs {home}")
        } else {
            let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            format!("the keys here are {}", join(&known, "and"))
        };
        document.error(&child(parent, key), "there is no such key", instead)
    }

    /// Returns where a key has its place that stands at the root or in an app of another type.
    fn home(&self, key: &str, parent: &[String]) -> Option<String> {
        match parent {
            [] => {
                let sections = self.schema["properties"].as_object()?;
                let (section, _) = sections
                    .iter()
                    .find(|(_, section)| keys(section).contains(&key))?;
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
    properties
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

/// Splits a JSON pointer (RFC 6901).
fn segments(pointer: &str) -> Vec<String> {
    let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(unescape).collect()
}

/// Adds the error, or those of the one alternative that was meant.
fn collect_leaves(error: ValidationError<'static>, leaves: &mut Vec<ValidationError<'static>>) {
    let Some(meant) = meant_alternative(&error) else {
        return leaves.push(error);
    };
    if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.into_parts().kind {
        let errors = context.into_iter().nth(meant).into_iter().flatten();
        errors.for_each(|error| collect_leaves(error, leaves));
    }
}

/// Returns which alternative a mapping was meant to be: the first that takes mappings.
fn meant_alternative(error: &ValidationError<'_>) -> Option<usize> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else {
        return None;
    };
    let wrong_type = |inner: &ValidationError<'_>| {
        inner.instance_path() == error.instance_path() && matches!(inner.kind(), Kind::Type { .. })
    };
    let is_mapping = error.instance().is_object();
    let mut alternatives = context.iter();
    is_mapping.then(|| alternatives.position(|errors| !errors.iter().any(wrong_type)))?
}
