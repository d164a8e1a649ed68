//! Free-form JSON kept as the text it came in, read only where a payload needs it.
//!
//! Reading never fails on what homeservers really send: of duplicate keys the last one counts, lone
//! surrogates become U+FFFD, and depth costs no stack because values are skipped, not built.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, Visitor};

use super::Text;
use super::scan::{Scan, Value};

/// A JSON value as the text it came in, known to be well-formed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Json(Text);

impl Json {
    /// Takes over text that is known to be one JSON value.
    pub(super) fn from_text(text: Text) -> Self {
        Self(text)
    }

    /// Parses any JSON text; `None` when it is not well-formed.
    pub fn parse(text: impl Into<Text>) -> Option<Self> {
        let text = text.into();
        Raw::parse(&text)?;
        Some(Self(text))
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Returns the members of an object in order, of duplicate keys the last; empty for all else.
    pub fn members(&self) -> Vec<(Cow<'_, str>, Raw<'_>)> {
        members(&self.0)
    }

    /// Returns one member of an object.
    pub fn get(&self, key: &str) -> Option<Raw<'_>> {
        get(&self.0, key)
    }

    /// Returns one member of an object that is a string.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key).and_then(text)
    }

    /// Whether one member of an object is exactly `true`.
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.get() == "true")
    }
}

impl fmt::Debug for Json {
    /// Content never reaches a log: only its size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

/// A JSON value inside of a text, known to be well-formed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// Parses any JSON text; `None` when it is not well-formed.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let value = next(&mut scan)?;
        scan.end().is_ok().then_some(value)
    }

    /// Returns the JSON text.
    pub fn get(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Raw<'_> {
    /// Content never reaches a log: only its size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

/// Passes the next value and returns it.
fn next<'a>(scan: &mut Scan<'a>) -> Option<Raw<'a>> {
    let start = scan.token();
    scan.value().ok()?;
    Some(Raw(scan.since(start)))
}

/// Returns a JSON string's value; `None` for every other type.
#[must_use]
pub fn text(value: Raw<'_>) -> Option<Cow<'_, str>> {
    match Scan::new(value.0).value() {
        Ok(Value::Text(text)) => Some(text.text()),
        _ => None,
    }
}

/// Returns the members of a JSON object in order, of duplicate keys the last; empty for all else.
#[must_use]
pub fn members(json: &str) -> Vec<(Cow<'_, str>, Raw<'_>)> {
    members_up_to(json, usize::MAX).unwrap_or_default()
}

/// Like [`members`]; `None` if there are more than `most` (duplicates counted) or no object.
#[must_use]
pub fn members_up_to(json: &str, most: usize) -> Option<Vec<(Cow<'_, str>, Raw<'_>)>> {
    let mut scan = Scan::new(json);
    if !scan.begin_object() {
        return None;
    }
    let mut members = Vec::new();
    // Linear even for thousands of keys: duplicates are found by one sort at the end.
    while let Some(key) = scan.next_key().ok()? {
        if members.len() == most {
            return None;
        }
        members.push((key.text(), next(&mut scan)?));
    }
    Some(last_of_duplicates(members))
}

/// Returns the elements of a JSON array; `None` if there are more than `most` or no array.
#[must_use]
pub fn elements_up_to(json: &str, most: usize) -> Option<Vec<Raw<'_>>> {
    let mut scan = Scan::new(json);
    if !scan.begin_list() {
        return None;
    }
    let mut elements = Vec::new();
    while scan.next_element().ok()? {
        if elements.len() == most {
            return None;
        }
        elements.push(next(&mut scan)?);
    }
    Some(elements)
}

/// Returns one member of a JSON object, of duplicate keys the last.
#[must_use]
pub fn get<'a>(json: &'a str, key: &str) -> Option<Raw<'a>> {
    let mut scan = Scan::new(json);
    if !scan.begin_object() {
        return None;
    }
    let mut found = None;
    while let Some(name) = scan.next_key().ok()? {
        let value = next(&mut scan)?;
        if name.text() == key {
            found = Some(value);
        }
    }
    found
}

/// Returns what a well-formed JSON string means.
pub(super) fn unescaped(json: &str) -> Cow<'_, str> {
    let mut de = serde_json::Deserializer::from_str(json);
    de.deserialize_bytes(StringBytes).unwrap_or_default()
}

/// Reads a JSON string, with lone surrogates as U+FFFD.
struct StringBytes;

impl<'de> Visitor<'de> for StringBytes {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, v: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(v))
    }

    fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(v).into_owned()))
    }
}

/// Up to so many members are looked for duplicates one by one.
const FEW_MEMBERS: usize = 16;

fn last_of_duplicates<'a>(members: Vec<(Cow<'a, str>, Raw<'a>)>) -> Vec<(Cow<'a, str>, Raw<'a>)> {
    // Few members, as nearly all objects have, are compared faster than sorted.
    let few = members.len() <= FEW_MEMBERS;
    let is_later = |i: usize| members[i + 1..].iter().any(|later| later.0 == members[i].0);
    if few && !(0..members.len()).any(is_later) {
        return members;
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| members[a].0.cmp(&members[b].0));
    let mut keep = vec![true; members.len()];
    for pair in order.windows(2) {
        // The sort is stable, so of equal keys the later one follows.
        if members[pair[0]].0 == members[pair[1]].0 {
            keep[pair[0]] = false;
        }
    }
    let mut kept = keep.iter();
    let mut members = members;
    members.retain(|_| kept.next().copied().unwrap_or(true));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Raw<'_> {
        Raw::parse(json).unwrap()
    }

    #[test]
    fn text_of_every_string() {
        assert_eq!(text(raw(r#""plain""#)).as_deref(), Some("plain"));
        assert_eq!(text(raw(r#""""#)).as_deref(), Some(""));
        assert_eq!(text(raw(r#""a\n\u00e9\ud83d\ude00""#)).as_deref(), Some("a\né😀"));
        assert!(text(raw(r#""lone \ud800 half""#)).unwrap().starts_with("lone \u{fffd}"));
        for other in ["1", "null", "true", "{}", "[]"] {
            assert_eq!(text(raw(other)), None);
        }
    }

    #[test]
    fn of_duplicate_keys_the_last() {
        let members = members(r#"{"a":1,"b":2,"a":3,"\ud800":4}"#);
        let shown: Vec<_> = members.iter().map(|(k, v)| (k.as_ref(), v.get())).collect();
        assert_eq!(shown[..2], [("b", "2"), ("a", "3")]);
        assert_eq!(shown.len(), 3);
        assert_eq!(get(r#"{"a":1,"b":2,"a":3}"#, "a").unwrap().get(), "3");
    }

    #[test]
    fn no_more_than_asked_for() {
        let count = |json, most| members_up_to(json, most).map(|it| it.len());
        assert_eq!(count(r#"{"a":1,"b":2}"#, 2), Some(2));
        assert_eq!(count(r#"{"a":1,"b":2}"#, 1), None);
        assert_eq!(count("[]", 1), None);
        let count = |json, most| elements_up_to(json, most).map(|it| it.len());
        assert_eq!(count("[1, [2]]", 2), Some(2));
        assert_eq!(count("[1, [2]]", 1), None);
        assert_eq!(count("{}", 1), None);
    }

    #[test]
    fn not_an_object_has_no_members() {
        for json in ["[]", "1", "null", "\"x\""] {
            assert!(members(json).is_empty());
            assert!(get(json, "a").is_none());
        }
    }
}
