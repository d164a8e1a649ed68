//! Free-form JSON kept as the text it came in, read only where a payload needs it.
//!
//! Reading never fails on what homeservers really send: of duplicate keys the last one counts, lone
//! surrogates become U+FFFD, and depth costs no stack because values are skipped, not built.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer as _, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::Text;

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
        serde_json::from_str::<&RawValue>(&text).ok()?;
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
    pub fn members(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        members(&self.0)
    }

    /// Returns one member of an object.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
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

/// Returns a JSON string's value; `None` for every other type.
#[must_use]
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    let inner = json.get(1..json.len().checked_sub(1)?)?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    Some(unescaped(json))
}

/// Returns what a well-formed JSON string means.
pub(super) fn unescaped(json: &str) -> Cow<'_, str> {
    let mut de = serde_json::Deserializer::from_str(json);
    de.deserialize_bytes(StringBytes).unwrap_or_default()
}

/// Returns the members of a JSON object in order, of duplicate keys the last; empty for all else.
#[must_use]
pub fn members(json: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    members_up_to(json, usize::MAX).unwrap_or_default()
}

/// Like [`members`]; `None` if there are more than `most` (duplicates counted) or no object.
#[must_use]
pub fn members_up_to(json: &str, most: usize) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    let mut de = serde_json::Deserializer::from_str(json);
    de.deserialize_map(Members { most }).ok()
}

/// Returns the elements of a JSON array; `None` if there are more than `most` or no array.
#[must_use]
pub fn elements_up_to(json: &str, most: usize) -> Option<Vec<&RawValue>> {
    let mut de = serde_json::Deserializer::from_str(json);
    de.deserialize_seq(Elements { most }).ok()
}

/// Returns one member of a JSON object, of duplicate keys the last.
#[must_use]
pub fn get<'a>(json: &'a str, key: &str) -> Option<&'a RawValue> {
    let mut de = serde_json::Deserializer::from_str(json);
    de.deserialize_map(Get(key)).ok().flatten()
}

/// Reads a JSON string or key, with lone surrogates as U+FFFD.
struct StringBytes;

impl<'de> Visitor<'de> for StringBytes {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, v: &'de [u8]) -> Result<Self::Value, E> {
        // Faster than the lossy way for what is nearly always right.
        Ok(std::str::from_utf8(v).map_or_else(|_| String::from_utf8_lossy(v), Cow::Borrowed))
    }

    fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(v).into_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for StringBytes {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, de: D) -> Result<Self::Value, D::Error> {
        de.deserialize_bytes(self)
    }
}

struct Members {
    most: usize,
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        // Linear even for thousands of keys: duplicates are found by one sort at the end.
        while let Some(key) = map.next_key_seed(StringBytes)? {
            if members.len() == self.most {
                return Err(A::Error::custom("too many members"));
            }
            members.push((key, map.next_value()?));
        }
        Ok(last_of_duplicates(members))
    }
}

struct Elements {
    most: usize,
}

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() == self.most {
                return Err(A::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// Up to so many members are looked for duplicates one by one.
const FEW_MEMBERS: usize = 16;

fn last_of_duplicates<'a>(
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
) -> Vec<(Cow<'a, str>, &'a RawValue)> {
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

struct Get<'k>(&'k str);

impl<'de> Visitor<'de> for Get<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(StringBytes)? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn text_of_every_string() {
        assert_eq!(text(raw(r#""plain""#)).as_deref(), Some("plain"));
        assert_eq!(text(raw(r#""""#)).as_deref(), Some(""));
        assert_eq!(
            text(raw(r#""a\n\u00e9\ud83d\ude00""#)).as_deref(),
            Some("a\né😀")
        );
        assert!(
            text(raw(r#""lone \ud800 half""#))
                .unwrap()
                .starts_with("lone \u{fffd}")
        );
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
