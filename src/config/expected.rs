//! What a schema expects at one place, in words: `a whole number from 1 to 55`.

use std::fmt;

use serde_json::Value;

use super::nearest::nearest;
use super::scalar;

/// What a schema expects: any of these.
#[derive(Debug)]
pub(super) struct Expected<'a>(Vec<Form<'a>>);

/// One form that a value can have.
#[derive(Debug, PartialEq, Eq)]
enum Form<'a> {
    /// This word.
    Word(&'a str),
    /// A number, described.
    Number(String),
    /// Any text, described.
    Text(&'static str),
    /// A list, described.
    List(&'static str),
    Mapping,
    Null,
}

impl<'a> Expected<'a> {
    /// Reads a schema.
    pub(super) fn new(schema: &'a Value) -> Self {
        let mut forms = Vec::new();
        collect(schema, &mut forms);
        // What is most often meant comes first.
        forms.sort_by_key(|form| *form == Form::Null);
        Self(forms)
    }

    /// Whether any text will do.
    pub(super) fn takes_text(&self) -> bool {
        self.0.iter().any(|form| matches!(form, Form::Text(_)))
    }

    /// Whether nothing but a mapping will do.
    pub(super) fn takes_mapping_only(&self) -> bool {
        self.0 == [Form::Mapping]
    }

    fn takes_list(&self) -> bool {
        self.0.iter().any(|form| matches!(form, Form::List(_)))
    }

    /// Whether only values of a closed set or range will do: others can be shown.
    fn is_scalar(&self) -> bool {
        let within = |form| matches!(form, &Form::Word(_) | &Form::Number(_) | &Form::Null);
        self.0.iter().all(within)
    }

    /// Shows a value that does not fit, unless it can be a secret.
    pub(super) fn show(&self, value: &Value) -> String {
        match value {
            Value::Null => "empty".to_owned(),
            Value::Bool(_) | Value::Number(_) if !self.takes_text() => format!("`{value}`"),
            Value::Bool(_) => "`true` or `false`".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::String(text) if text.is_empty() => "empty text".to_owned(),
            Value::String(_) if self.takes_text() => "this text".to_owned(),
            Value::String(text) if self.is_scalar() && text.len() <= 40 => format!("`{text}`"),
            Value::String(_) => "text".to_owned(),
            Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a mapping".to_owned(),
        }
    }

    /// Guesses what was meant.
    pub(super) fn hint(&self, value: &Value) -> Option<String> {
        let hint = match value {
            Value::Bool(_) | Value::Number(_) if self.takes_text() => "put it in quotes",
            Value::String(_) | Value::Number(_) if self.takes_list() => "put it in `[` and `]`",
            Value::String(text) if self.is_scalar() => {
                let words = self.0.iter().filter_map(|form| match form {
                    Form::Word(word) => Some(*word),
                    _ => None,
                });
                if let Some(near) = nearest(text, words) {
                    return Some(format!("did you mean `{near}`?"));
                }
                match scalar::plain(text) {
                    Value::String(_) | Value::Null => return None,
                    _ => "leave out the quotes",
                }
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Adds the forms that a schema takes.
fn collect<'a>(schema: &'a Value, forms: &mut Vec<Form<'a>>) {
    let list = |keyword: &str| schema[keyword].as_array().into_iter().flatten();
    let words = list("enum").chain(schema.get("const")).filter_map(Value::as_str);
    forms.extend(words.map(Form::Word));
    list("anyOf").chain(list("oneOf")).for_each(|schema| collect(schema, forms));
    let is_closed = forms.iter().any(|form| matches!(form, Form::Word(_)));
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    for kind in kinds.iter().filter_map(Value::as_str) {
        match kind {
            "null" => forms.push(Form::Null),
            "boolean" => forms.extend(["true", "false"].map(Form::Word)),
            "integer" => forms.push(Form::Number(format!("a whole number{}", range(schema)))),
            "number" => forms.push(Form::Number(format!("a number{}", range(schema)))),
            "array" if schema["minItems"].as_u64().is_some_and(|items| items > 0) => {
                forms.push(Form::List("a list with at least one entry"));
            }
            "array" => forms.push(Form::List("a list")),
            // The words above are all the text there is.
            "string" if is_closed => {}
            "string" if schema["format"] == "uri" => {
                forms.push(Form::Text("a URL as `https://host`"));
            }
            "string" if schema["minLength"].as_u64().is_some_and(|length| length > 0) => {
                forms.push(Form::Text("text that is not empty"));
            }
            "string" => forms.push(Form::Text("text")),
            _ => forms.push(Form::Mapping),
        }
    }
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|form| match form {
            Form::Word(word) => format!("`{word}`"),
            Form::Number(words) => words.clone(),
            Form::Text(words) | Form::List(words) => (*words).to_owned(),
            Form::Mapping => "a mapping of keys and values".to_owned(),
            Form::Null => "`null`".to_owned(),
        });
        f.write_str(&join(&words.collect::<Vec<_>>(), "or"))
    }
}

fn range(schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Number(from), Value::Number(to)) => format!(" from {from} to {to}"),
        (Value::Number(from), _) => format!(" from {from}"),
        (_, Value::Number(to)) => format!(" up to {to}"),
        _ => String::new(),
    }
}

/// Joins as in `a, b or c`.
pub(super) fn join(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
