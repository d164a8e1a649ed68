//! JSON straight into bytes: objects whose commas look after themselves, and strings.
//!
//! Also tells what a string will take before it is written, for those who make it fit.

/// The members of an object that is being written.
pub(super) struct Members<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

/// Writes an object.
pub(super) fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    fill(&mut Members { out, empty: true });
    out.push(b'}');
}

impl Members<'_> {
    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    fn key(&mut self, key: &str) {
        self.separate();
        string(self.out, key);
        self.out.push(b':');
    }

    /// Copies members written before: `"a":1,"b":2`, or nothing.
    pub(super) fn copy(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.separate();
            self.out.extend_from_slice(members);
        }
    }

    /// Writes a string member.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        string(self.out, value);
    }

    /// Writes a member that is JSON already.
    pub(super) fn json(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Writes a member that is an object.
    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Members<'_>)) {
        self.key(key);
        object(self.out, fill);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Returns how many bytes a character takes inside a JSON string.
pub(super) fn escaped_char_len(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        char => char.len_utf8(),
    }
}

/// Returns how many bytes a text takes inside a JSON string.
pub(super) fn escaped_len(text: &str) -> usize {
    let extra = text.bytes().filter(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
    text.len() + extra.map(|byte| escaped_char_len(char::from(byte)) - 1).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commas_only_between_members() {
        let mut out = Vec::new();
        object(&mut out, |root| {
            root.copy(b"");
            root.text("a\"", "é\n");
            root.copy(br#""b":1"#);
            root.object("c", |c| c.json("d", "[2]"));
            root.object("e", |_| {});
        });
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written, r#"{"a\"":"é\n","b":1,"c":{"d":[2]},"e":{}}"#);
    }

    proptest! {
        #[test]
        fn escaped_len_is_what_is_written(text in "(?s).{0,40}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(escaped_len(&text) + 2, out.len());
            let by_char: usize = text.chars().map(escaped_char_len).sum();
            prop_assert_eq!(by_char + 2, out.len());
        }
    }
}
