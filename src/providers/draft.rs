//! A payload being written: JSON bytes, with gaps where text goes that may be cut.
//!
//! Everything is written once, in order, straight into bytes. Only when all of it is there do the
//! gaps learn how much of their text fits. What cannot fit in any case is not even copied, so the
//! cost follows the limit and not what a client made up.

use std::borrow::Cow;
use std::iter;
use std::ops::Range;

use crate::matrix::json::{self, Raw};

mod truncate;

/// A limit that no message reaches: the body of a request is far smaller.
pub(super) const UNLIMITED: usize = u32::MAX as usize;

/// JSON under construction.
pub(super) struct Draft<'a> {
    json: Vec<u8>,
    gaps: Vec<Gap<'a>>,
    optional: Vec<Range<usize>>,
    limit: usize,
    hopeless: bool,
}

/// A string that may be cut. Its quotes are in the JSON already.
struct Gap<'a> {
    /// Where the opening quote stands.
    at: usize,
    text: Cow<'a, str>,
}

/// The fewest bytes a member of an object takes: `"":0,`.
const SMALLEST_MEMBER: usize = 5;
/// The fewest bytes an element of an array takes: `0,`.
const SMALLEST_ELEMENT: usize = 2;

impl<'a> Draft<'a> {
    /// Starts a payload of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            json: Vec::with_capacity(512),
            gaps: Vec::new(),
            optional: Vec::new(),
            limit,
            hopeless: false,
        }
    }

    /// Writes JSON as it is.
    pub(super) fn raw(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Writes a comma, unless this is the first element.
    pub(super) fn separate(&mut self) {
        if !matches!(self.json.last(), Some(b'{' | b'[')) {
            self.json.push(b',');
        }
    }

    /// Writes a member's key.
    pub(super) fn key(&mut self, key: &str) {
        self.separate();
        self.string(key);
        self.json.push(b':');
    }

    /// Writes a string that is never cut.
    pub(super) fn string(&mut self, text: &str) {
        write_string(text, &mut self.json);
    }

    /// Writes a number.
    pub(super) fn number(&mut self, number: u64) {
        self.raw(itoa::Buffer::new().format(number));
    }

    /// Writes a string that is cut if there is not enough room.
    pub(super) fn cuttable(&mut self, text: impl Into<Cow<'a, str>>) {
        self.gaps.push(Gap { at: self.json.len(), text: text.into() });
        self.raw("\"\"");
    }

    /// Copies JSON without white space, with escapes only where JSON needs them (lone surrogates
    /// become U+FFFD), as far as it could fit.
    pub(super) fn copy(&mut self, value: Raw<'_>) {
        self.hopeless |= !self.copy_up_to_limit(value.get());
    }

    /// Copies a member that is left out if there is not enough room, the largest first.
    pub(super) fn optional(&mut self, key: &str, value: Raw<'_>) {
        let start = self.json.len();
        self.key(key);
        if self.copy_up_to_limit(value.get()) {
            self.optional.push(start..self.json.len());
        } else {
            self.json.truncate(start);
        }
    }

    /// Returns whether the value could fit if it were alone.
    fn copy_up_to_limit(&mut self, mut rest: &str) -> bool {
        let end = self.json.len() + self.limit;
        while let Some(first) = rest.bytes().next() {
            if self.json.len() > end {
                return false;
            }
            let taken = match first {
                b'"' => {
                    let string = &rest[..string_len(rest)];
                    match string_value(string) {
                        Some(text) => self.string(&text),
                        None => self.raw(string),
                    }
                    string.len()
                }
                b' ' | b'\t' | b'\n' | b'\r' => 1,
                structural => {
                    self.json.push(structural);
                    1
                }
            };
            rest = &rest[taken..];
        }
        self.json.len() <= end
    }

    /// Returns an object's members, none if there are more than could fit.
    pub(super) fn members(&mut self, object: &'a str) -> Vec<(Cow<'a, str>, Raw<'a>)> {
        let members = json::members_up_to(object, self.limit / SMALLEST_MEMBER);
        self.hopeless |= members.is_none();
        members.unwrap_or_default()
    }

    /// Returns an array's elements; `None` if it is no array, or has more than could fit.
    pub(super) fn elements(&self, array: &'a str) -> Option<Vec<Raw<'a>>> {
        json::elements_up_to(array, self.limit / SMALLEST_ELEMENT)
    }

    /// Returns the bytes, with optional members left out and texts cut as needed; `None` if even
    /// that is not enough.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.hopeless {
            return None;
        }
        self.leave_out();
        let budget = self.limit.checked_sub(self.json.len())?;
        if self.gaps.is_empty() {
            return Some(self.json);
        }
        let lengths: Vec<usize> =
            self.gaps.iter().map(|gap| truncate::escaped_len(&gap.text, budget)).collect();
        let allowed = truncate::levels(&lengths, budget);
        let text_bytes: usize = allowed.iter().sum();
        let mut out = Vec::with_capacity(self.json.len() + text_bytes);
        let mut copied = 0;
        for (gap, allowed) in self.gaps.iter().zip(allowed) {
            out.extend_from_slice(&self.json[copied..gap.at]);
            write_string(truncate::cut(&gap.text, allowed), &mut out);
            copied = gap.at + 2;
        }
        out.extend_from_slice(&self.json[copied..]);
        Some(out)
    }

    /// Leaves optional members out, the largest first, until the rest fits.
    fn leave_out(&mut self) {
        let mut excess = self.json.len().saturating_sub(self.limit);
        if excess == 0 {
            return;
        }
        let mut out = std::mem::take(&mut self.optional);
        out.sort_by_key(Range::len);
        let mut kept = out.len();
        while excess > 0 && kept > 0 {
            kept -= 1;
            excess = excess.saturating_sub(out[kept].len());
        }
        let mut out = out.split_off(kept);
        out.sort_by_key(|span| span.start);
        let mut json = Vec::with_capacity(self.limit);
        let mut gaps = self.gaps.iter_mut().peekable();
        let mut copied = 0;
        let end = self.json.len();
        for span in out.into_iter().chain(iter::once(end..end)) {
            let mut piece = &self.json[copied..span.start];
            let mut from = copied;
            // An object's first member has no comma: what follows it must not keep its own.
            if json.last() == Some(&b'{') && piece.first() == Some(&b',') {
                piece = &piece[1..];
                from += 1;
            }
            while let Some(gap) = gaps.next_if(|gap| gap.at < span.start) {
                gap.at = gap.at - from + json.len();
            }
            json.extend_from_slice(piece);
            copied = span.end;
        }
        self.json = json;
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Returns the length of the JSON string that `json` starts with, quotes included.
fn string_len(json: &str) -> usize {
    let mut escaped = false;
    json.bytes()
        .skip(1)
        .position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })
        .map_or(json.len(), |at| at + 2)
}

/// Returns the value of a JSON string with escapes; `None` for one that can be copied as it is.
fn string_value(string: &str) -> Option<String> {
    if !string.contains('\\') {
        return None;
    }
    json::text(Raw::parse(string)?).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(json: &str) -> String {
        let mut draft = Draft::new(4096);
        draft.copy(Raw::parse(json).unwrap());
        String::from_utf8(draft.finish().unwrap()).unwrap()
    }

    #[test]
    fn copies_compactly() {
        for (json, expected) in [
            ("{ \"a\" : [ 1 , 2.50,\n-0e9 ] }", r#"{"a":[1,2.50,-0e9]}"#),
            (r#" " a \" b " "#, r#"" a \" b ""#),
            (r#""\u00e9\ud83d\ude00\u0041""#, "\"é😀A\""),
            (r#""\u0000\/\n\\""#, r#""\u0000/\n\\""#),
            (r#""\ud800""#, "\"\u{fffd}\u{fffd}\u{fffd}\""),
            (r#"{"\\":"\\"}"#, r#"{"\\":"\\"}"#),
            ("null", "null"),
        ] {
            assert_eq!(copied(json), expected);
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = "[".repeat(2000) + &"]".repeat(2000);
        assert_eq!(copied(&deep), deep);
    }

    #[test]
    fn more_than_could_fit_is_given_up() {
        let mut draft = Draft::new(100);
        let many = format!("{{{}\"z\":0}}", "\"a\":0,".repeat(50_000));
        assert!(draft.members(&many).is_empty());
        assert_eq!(draft.finish(), None);

        let mut draft = Draft::new(100);
        let long = format!("[{}0]", "0,".repeat(50_000));
        draft.copy(Raw::parse(&long).unwrap());
        assert!(draft.json.len() < 200);
        assert_eq!(draft.finish(), None);
    }

    #[test]
    fn the_largest_optional_member_is_left_out() {
        for (limit, expected) in [
            (99, r#"{"a":111111,"b":1,"c":111,"t":"text"}"#),
            (37, r#"{"a":111111,"b":1,"c":111,"t":"text"}"#),
            (36, r#"{"a":111111,"b":1,"c":111,"t":"tex"}"#),
            (33, r#"{"a":111111,"b":1,"c":111,"t":""}"#),
            (32, r#"{"b":1,"c":111,"t":"text"}"#),
            (19, r#"{"b":1,"t":"text"}"#),
            (13, r#"{"t":"text"}"#),
            (9, r#"{"t":"t"}"#),
        ] {
            let mut draft = Draft::new(limit);
            draft.raw("{");
            for (key, value) in [("a", "111111"), ("b", "1"), ("c", "111")] {
                draft.optional(key, Raw::parse(value).unwrap());
            }
            draft.key("t");
            draft.cuttable("text");
            draft.raw("}");
            let json = String::from_utf8(draft.finish().unwrap()).unwrap();
            assert_eq!(json, expected, "{limit}");
        }
    }

    #[test]
    fn gaps_share_what_is_left() {
        let mut draft = Draft::new(20);
        draft.raw("[");
        for text in ["aaaaaaaa", "\n\n\n\n", "b"] {
            draft.separate();
            draft.cuttable(text);
        }
        draft.raw("]");
        // 10 bytes of brackets, commas and quotes leave 10: 1 for b, 4 and 5 for the others.
        let json = String::from_utf8(draft.finish().unwrap()).unwrap();
        assert_eq!(json, r#"["aaaa","\n\n","b"]"#);
    }
}
