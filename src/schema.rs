//! A value against a JSON Schema: what is wrong, where, and which schema says so.
//!
//! Of draft 2020-12 (<https://json-schema.org/draft/2020-12>) this knows what our own schemas use;
//! `tests/config/oracle.rs` holds it to a full implementation, which would be a third of the program
//! and stay in memory.
//!
//! A schema is read as it stands, and a wrong one is no error: what is not known asks for nothing.

use regex_lite::Regex;
use serde_json::Value;
use url::Url;

/// One thing that is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation<'a> {
    /// Where the value stands: the keys and list indices that lead there.
    pub at: Vec<String>,
    /// What stands there.
    pub value: &'a Value,
    /// The schema that it does not fit, as the object whose keyword failed.
    pub schema: &'a Value,
    /// Which of the schema's wishes was not met.
    pub kind: Kind<'a>,
}

/// What a schema asks for in vain.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'a> {
    /// The object has a key that is none of the known ones.
    Unknown(&'a str),
    /// The object lacks this key.
    Missing(&'a str),
    /// The text is not of this form, `uri`.
    Format(&'a str),
    /// The text does not fit this regular expression.
    Pattern(&'a str),
    /// It fits none of several schemas; what is wrong by each of them.
    NoneOf(Vec<Vec<Violation<'a>>>),
    /// Its type, size or choice; the schema's words say it all.
    Value,
}

/// Returns everything that is wrong with `value`; of one value that has a wrong type only that.
#[must_use]
pub fn violations<'a>(schema: &'a Value, value: &'a Value) -> Vec<Violation<'a>> {
    let mut check = Check { root: schema, at: Vec::new(), found: Vec::new() };
    check.value(schema, value);
    check.found
}

/// A walk through a value, side by side with its schema.
struct Check<'a> {
    /// What `$ref` begins at.
    root: &'a Value,
    at: Vec<String>,
    found: Vec<Violation<'a>>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: &'a Value) {
        let kinds = list_or_one(&schema["type"]);
        if *schema == Value::Bool(false)
            || (!schema["type"].is_null() && !kinds.iter().any(|kind| is_of_type(value, kind)))
        {
            return self.add(schema, value, Kind::Value);
        }
        if !fits_alone(schema, value) {
            self.add(schema, value, Kind::Value);
        }
        match value {
            Value::String(text) => self.text(schema, value, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.within(&index.to_string(), &schema["items"], item);
                }
            }
            Value::Object(_) => self.object(schema, value),
            _ => {}
        }
        self.other_schemas(schema, value);
    }

    fn text(&mut self, schema: &'a Value, value: &'a Value, text: &str) {
        match schema["format"].as_str() {
            Some(format @ "uri") if Url::parse(text).is_err() => {
                self.add(schema, value, Kind::Format(format));
            }
            // What else there is (`uint16`, `date-time`) only explains.
            _ => {}
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
        {
            self.add(schema, value, Kind::Pattern(pattern));
        }
    }

    fn object(&mut self, schema: &'a Value, value: &'a Value) {
        for (key, member) in value.as_object().into_iter().flatten() {
            match (schema["properties"].get(key), &schema["additionalProperties"]) {
                (Some(known), _) => self.within(key, known, member),
                (None, Value::Bool(false)) => self.add(schema, value, Kind::Unknown(key)),
                (None, others) => self.within(key, others, member),
            }
        }
        for key in schemas(schema, "required").iter().filter_map(Value::as_str) {
            if value.get(key).is_none() {
                self.add(schema, value, Kind::Missing(key));
            }
        }
    }

    /// Asks the schemas that a schema is made of.
    fn other_schemas(&mut self, schema: &'a Value, value: &'a Value) {
        for (keyword, most) in [("anyOf", usize::MAX), ("oneOf", 1)] {
            let alternatives = schemas(schema, keyword).iter();
            let tried: Vec<_> = alternatives.map(|it| self.apart(it, value)).collect();
            let fitting = tried.iter().filter(|wrong| wrong.is_empty()).count();
            if fitting > most {
                self.add(schema, value, Kind::Value);
            } else if fitting == 0 && !tried.is_empty() {
                self.add(schema, value, Kind::NoneOf(tried));
            }
        }
        for schema in schemas(schema, "allOf") {
            self.value(schema, value);
        }
        if let Some(unwanted) = schema.get("not")
            && self.apart(unwanted, value).is_empty()
        {
            self.add(schema, value, Kind::Value);
        }
        if let Some(condition) = schema.get("if") {
            let met = self.apart(condition, value).is_empty();
            self.value(&schema[if met { "then" } else { "else" }], value);
        }
        if let Some(pointer) = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#'))
            && let Some(schema) = self.root.pointer(pointer)
        {
            self.value(schema, value);
        }
    }

    fn within(&mut self, key: &str, schema: &'a Value, value: &'a Value) {
        self.at.push(key.to_owned());
        self.value(schema, value);
        self.at.pop();
    }

    /// Returns what would be wrong by another schema.
    fn apart(&self, schema: &'a Value, value: &'a Value) -> Vec<Violation<'a>> {
        let mut check = Check { root: self.root, at: self.at.clone(), found: Vec::new() };
        check.value(schema, value);
        check.found
    }

    fn add(&mut self, schema: &'a Value, value: &'a Value, kind: Kind<'a>) {
        self.found.push(Violation { at: self.at.clone(), value, schema, kind });
    }
}

/// Whether a value of the right type is one of the right ones, whatever is in it.
fn fits_alone(schema: &Value, value: &Value) -> bool {
    let number = |keyword: &str| schema[keyword].as_f64();
    let size_is_enough = |size: usize, keyword: &str| {
        let least = schema[keyword].as_u64().unwrap_or(0);
        u64::try_from(size).is_ok_and(|size| size >= least)
    };
    let in_bounds = match value {
        Value::Number(it) => it.as_f64().is_none_or(|it| {
            number("minimum").is_none_or(|least| it >= least)
                && number("maximum").is_none_or(|most| it <= most)
        }),
        Value::String(text) => size_is_enough(text.chars().count(), "minLength"),
        Value::Array(items) => size_is_enough(items.len(), "minItems"),
        Value::Object(members) => size_is_enough(members.len(), "minProperties"),
        Value::Null | Value::Bool(_) => true,
    };
    in_bounds
        && schema.get("const").is_none_or(|only| value == only)
        && schema["enum"].as_array().is_none_or(|words| words.contains(value))
}

fn is_of_type(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0)
        }
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

/// Returns the schemas, or words, of a keyword that has a list of them.
fn schemas<'a>(schema: &'a Value, keyword: &str) -> &'a [Value] {
    schema[keyword].as_array().map_or(&[], Vec::as_slice)
}

/// Returns a list's entries, or the one that stands alone.
fn list_or_one(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}
