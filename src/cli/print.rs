//! How commands print: results on standard output, for people or for machines; everything else on
//! standard error. Whoever reads may leave at any time (`| head`), and that is no failure.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use serde::Serialize;

/// For people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// The option that chooses.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct FormatOption {
    /// Print for people or for machines [default: text on a terminal, else json]
    #[arg(long)]
    format: Option<Format>,
}

impl FormatOption {
    /// Returns the choice, or what standard output asks for.
    pub(super) fn get(self) -> Format {
        self.format.unwrap_or(if io::stdout().is_terminal() { Format::Text } else { Format::Json })
    }

    /// Prints a result.
    pub(super) fn result(self, result: &(impl fmt::Display + Serialize)) {
        match self.get() {
            Format::Text => out(result),
            Format::Json => json(result),
        }
    }
}

/// Prints a result for machines.
pub(super) fn json(result: &impl Serialize) {
    match serde_json::to_string_pretty(result) {
        Ok(json) => out(format_args!("{json}\n")),
        Err(error) => err(format_args!("cannot write the result as JSON: {error}\n")),
    }
}

/// Writes to standard output.
pub(super) fn out(result: impl fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{result}").and_then(|()| out.flush());
}

/// Writes to standard error.
pub(super) fn err(words: impl fmt::Display) {
    let _ = write!(io::stderr().lock(), "{words}");
}

/// A line on standard error while something takes its time; only on a terminal, and gone when
/// dropped.
pub(super) struct Progress(bool);

impl Progress {
    /// Shows it.
    pub(super) fn show(words: impl fmt::Display) -> Self {
        let shown = io::stderr().is_terminal();
        if shown {
            err(words);
        }
        Self(shown)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.0 {
            err("\r\x1b[K");
        }
    }
}

/// A word in colour, where standard output is a terminal that shows colours.
pub(super) struct Painted<T>(pub(super) Colour, pub(super) T);

/// What a word's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// What everything below belongs to.
    Head,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(colour, word) = self;
        if !shows_colours() {
            return write!(f, "{word}");
        }
        let code = match colour {
            Colour::Good => "32",
            Colour::Bad => "1;31",
            Colour::Head => "1",
        };
        write!(f, "\x1b[{code}m{word}\x1b[0m")
    }
}

/// <https://no-color.org>: any value that is not empty turns colours off.
fn shows_colours() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !set("NO_COLOR")
        && env::var_os("TERM").is_some_and(|it| it != "dumb")
}

/// The deepest indentation; what is nested deeper stays there.
const DEEPEST: usize = 32;

/// JSON with line breaks and indentation, its members in their order.
pub(super) struct Indented<'a>(pub(super) &'a str);

impl fmt::Display for Indented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let line = |f: &mut fmt::Formatter<'_>, depth: usize| {
            write!(f, "\n{:1$}", "", 2 * depth.min(DEEPEST))
        };
        let mut chars = self.0.chars().peekable();
        while let Some(char) = chars.next() {
            if in_string {
                f.write_char(char)?;
                in_string = char != '"' || escaped;
                escaped = char == '\\' && !escaped;
                continue;
            }
            match char {
                '{' | '[' => {
                    f.write_char(char)?;
                    if matches!(chars.peek(), Some('}' | ']')) {
                        f.write_char(chars.next().unwrap_or_default())?;
                    } else {
                        depth += 1;
                        line(f, depth)?;
                    }
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    line(f, depth)?;
                    f.write_char(char)?;
                }
                ',' => {
                    f.write_char(char)?;
                    line(f, depth)?;
                }
                ':' => f.write_str(": ")?,
                ' ' | '\t' | '\n' | '\r' => {}
                other => {
                    in_string = other == '"';
                    f.write_char(other)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes `1 app`, `2 apps`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_json_keeps_its_order_and_its_strings() {
        let json = r#"{"b":[1,{}],"a":"{\"x\": [1,2]\\","c":null}"#;
        let expected = r#"{
  "b": [
    1,
    {}
  ],
  "a": "{\"x\": [1,2]\\",
  "c": null
}"#;
        assert_eq!(Indented(json).to_string(), expected);
    }
}
