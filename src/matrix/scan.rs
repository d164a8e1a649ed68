//! One pass over JSON text: what is next and where it ends. Nothing is built, and depth costs no
//! stack.
//!
//! A request's body is read once, from its first byte to its last, and everything kept of it is a
//! slice. This says only whether text is JSON (RFC 8259); what is wrong with text that is none,
//! `serde_json` says better.

use std::borrow::Cow;

use super::json;

/// The text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Quoted<'a>),
    List,
    Object(&'a str),
}

/// A string or a key, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    json: &'a str,
    has_escapes: bool,
}

/// Where a pass over some text is.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Quoted<'a> {
    /// Returns the text that is meant, with lone surrogates as U+FFFD.
    pub(super) fn text(self) -> Cow<'a, str> {
        if self.has_escapes {
            json::unescaped(self.json)
        } else {
            Cow::Borrowed(&self.json[1..self.json.len() - 1])
        }
    }
}

impl<'a> Scan<'a> {
    /// Begins in front of the first byte.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the text passed since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Passes what is before the next token. Returns where that is.
    pub(super) fn token(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Passes the opening brace of an object, if that is next.
    pub(super) fn begin_object(&mut self) -> bool {
        self.passed(b'{')
    }

    /// Passes the opening bracket of a list, if that is next.
    pub(super) fn begin_list(&mut self) -> bool {
        self.passed(b'[')
    }

    /// Passes the next key of an object that was begun, up to its value; `None` at the end.
    pub(super) fn next_key(&mut self) -> Result<Option<Quoted<'a>>, NotJson> {
        let is_first = self.is_behind(b'{');
        if self.passed(b'}') {
            return Ok(None);
        }
        if is_first || self.passed(b',') {
            return self.key().map(Some);
        }
        Err(NotJson)
    }

    /// Whether a list that was begun has another element; its end is passed.
    pub(super) fn next_element(&mut self) -> Result<bool, NotJson> {
        let is_first = self.is_behind(b'[');
        if self.passed(b']') {
            return Ok(false);
        }
        if is_first || self.passed(b',') {
            return Ok(true);
        }
        Err(NotJson)
    }

    /// Passes a value, whatever it is.
    pub(super) fn value(&mut self) -> Result<Value<'a>, NotJson> {
        let first = self.peek().ok_or(NotJson)?;
        let start = self.at;
        Ok(match first {
            b'"' => Value::Text(self.string()?),
            b'{' | b'[' => {
                self.skip()?;
                match first {
                    b'{' => Value::Object(self.since(start)),
                    _ => Value::List,
                }
            }
            b'n' => self.word("null", Value::Null)?,
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            _ => {
                self.number()?;
                Value::Number(self.since(start))
            }
        })
    }

    /// Passes the end of the text, if there is nothing but space before it.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(NotJson),
        }
    }

    /// Passes a value with everything in it.
    fn skip(&mut self) -> Result<(), NotJson> {
        let mut nest = Nest::default();
        loop {
            if self.begin_object() {
                nest.enter(Inside::Object);
            } else if self.begin_list() {
                nest.enter(Inside::List);
            } else {
                self.value()?;
            }
            // Up to the next value, or out.
            loop {
                let goes_on = match nest.innermost() {
                    None => return Ok(()),
                    Some(Inside::Object) => self.next_key()?.is_some(),
                    Some(Inside::List) => self.next_element()?,
                };
                if goes_on {
                    break;
                }
                nest.leave();
            }
        }
    }

    fn key(&mut self) -> Result<Quoted<'a>, NotJson> {
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        let key = self.string()?;
        if self.passed(b':') { Ok(key) } else { Err(NotJson) }
    }

    /// Passes a string whose opening quote is next.
    fn string(&mut self) -> Result<Quoted<'a>, NotJson> {
        let start = self.at;
        self.at += 1;
        let mut has_escapes = false;
        loop {
            self.at += plain(self.rest());
            match self.next().ok_or(NotJson)? {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return Err(NotJson),
            }
        }
        let json = self.since(start);
        Ok(Quoted { json, has_escapes })
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.next().ok_or(NotJson)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.rest().first_chunk::<4>().ok_or(NotJson)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(NotJson);
                }
                self.at += 4;
                Ok(())
            }
            _ => Err(NotJson),
        }
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.at += usize::from(self.rest().first() == Some(&b'-'));
        match self.next().ok_or(NotJson)? {
            b'0' => {}
            b'1'..=b'9' => self.at += digits(self.rest()),
            _ => return Err(NotJson),
        }
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.rest().first() {
            self.at += 1;
            self.at += usize::from(matches!(self.rest().first(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), NotJson> {
        let count = digits(self.rest());
        self.at += count;
        if count == 0 { Err(NotJson) } else { Ok(()) }
    }

    fn word<T>(&mut self, word: &str, meaning: T) -> Result<T, NotJson> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(meaning)
    }

    /// Whether the last byte passed is this one. No value ends with an opening bracket, so one
    /// behind us says that nothing of the object or list is passed yet.
    fn is_behind(&self, byte: u8) -> bool {
        let passed = &self.text.as_bytes()[..self.at];
        passed.last() == Some(&byte)
    }

    /// Passes this byte, if it is the next token.
    fn passed(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Returns the first byte of the next token; space before it is passed.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest().first() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.rest().first().copied()?;
        self.at += 1;
        Some(byte)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

fn digits(bytes: &[u8]) -> usize {
    let others = bytes.iter().position(|byte| !byte.is_ascii_digit());
    others.unwrap_or(bytes.len())
}

/// Returns how many bytes at the front of a string's rest mean themselves: up to a quote, a
/// backslash or a control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    let (eights, rest) = bytes.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        // Eight bytes at a time. A byte's high bit is set below where a borrow comes out of it:
        // it is less than a space, or equal to what it is compared with. Bytes above a real find
        // may be marked wrongly, those below never, and the lowest is the first.
        let chunk = u64::from_le_bytes(*eight);
        let (quote, backslash) = (chunk ^ QUOTES, chunk ^ BACKSLASHES);
        let found = (chunk.wrapping_sub(SPACES) & !chunk)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let found = found & HIGH;
        if found != 0 {
            return 8 * i + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let few = rest.iter().position(is_special).unwrap_or(rest.len());
    8 * eights.len() + few
}

/// What a value is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    List,
    Object,
}

/// What a value is inside of, from the outermost on: a bit for each, the innermost lowest.
#[derive(Debug, Default)]
struct Nest {
    depth: usize,
    bits: u64,
    /// Full words of bits, further out.
    outer: Vec<u64>,
}

impl Nest {
    fn enter(&mut self, inside: Inside) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = (self.bits << 1) | u64::from(inside == Inside::Object);
        self.depth += 1;
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    fn innermost(&self) -> Option<Inside> {
        match (self.depth, self.bits & 1) {
            (0, _) => None,
            (_, 0) => Some(Inside::List),
            _ => Some(Inside::Object),
        }
    }
}

#[cfg(test)]
mod tests;
