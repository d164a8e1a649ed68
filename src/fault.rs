//! What is wrong in a configuration: which key, what about it, and what to write instead.

use std::fmt;

/// One mistake, told so that an operator can mend it without reading our source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, relative to where the fault was found: `topic`, `pool.actors`; empty for the whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead; empty where `what` says it all.
    pub instead: String,
}

impl Fault {
    /// Names the key, what is wrong with it, and what to write instead.
    pub fn new(
        key: impl Into<String>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.instead.is_empty() {
            write!(f, "; {}", self.instead)?;
        }
        Ok(())
    }
}
