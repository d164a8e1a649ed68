//! What is wrong in a configuration, told as an operator needs it: where, what, what instead.
//!
//! A finding knows its key and place; a report renders all of them for people (with the line and a
//! caret below) or serialises them for machines. Lines that hold a secret are shown without it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A place in the file; lines and columns from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// How many characters it covers on that line.
    #[serde(skip)]
    pub length: usize,
}

/// Whether the gateway starts all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not.
    Error,
    /// It does.
    Warning,
}

/// One thing an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether the gateway starts all the same.
    pub severity: Severity,
    /// Where it is, if it has a place in the file.
    #[serde(flatten)]
    pub at: Option<Span>,
    /// The key, as a path from the root; empty for the whole file.
    #[serde(serialize_with = "serialize_path")]
    pub key: Vec<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead; empty where `what` says it all.
    pub instead: String,
}

impl Finding {
    /// Makes an error.
    pub(super) fn error<K: Into<String>>(
        key: impl IntoIterator<Item = K>,
        at: Option<Span>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            at,
            key: key.into_iter().map(Into::into).collect(),
            what: what.into(),
            instead: instead.into(),
        }
    }

    /// Makes an error about a text that is not even YAML.
    pub(super) fn syntax(at: Span, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::error::<String>([], Some(at), what, instead)
    }

    /// Makes a warning about the whole.
    pub(super) fn warning(what: impl Into<String>) -> Self {
        Self::error::<String>([], None, what, "").into_warning()
    }

    /// Makes it a warning.
    pub(super) fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Returns key and fault.
    #[must_use]
    pub fn fault(&self) -> String {
        match path(&self.key) {
            key if key.is_empty() => self.what.clone(),
            key => format!("{key}: {}", self.what),
        }
    }

    /// Returns key, fault and remedy in one line, for the log.
    #[must_use]
    pub fn message(&self) -> String {
        let (fault, instead) = (self.fault(), self.instead.replace('\n', " "));
        match instead.as_str() {
            "" => fault,
            instead => format!("{fault}; {instead}"),
        }
    }
}

/// Writes a path with dots; segments that hold dots themselves are quoted, positions in brackets.
fn path(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            path = format!("{path}[{segment}]");
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        if segment.is_empty() || segment.contains(['.', ' ', '"']) {
            path = format!("{path}{segment:?}");
        } else {
            path.push_str(segment);
        }
    }
    path
}

fn serialize_path<S: serde::Serializer>(
    segments: &[String],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path(segments))
}

/// All findings of one file, in the order of its lines.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file's name as the operator gave it.
    pub file: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The file's lines, without secrets.
    #[serde(skip)]
    lines: Vec<String>,
}

impl Report {
    /// Sorts the findings and keeps the lines to show them with, without the values of the keys in
    /// `secret`.
    pub(super) fn new(
        file: impl Into<String>,
        text: &str,
        secret: &BTreeSet<String>,
        mut findings: Vec<Finding>,
    ) -> Self {
        findings.sort_by_key(|finding| finding.at);
        let mut lines: Vec<String> =
            text.lines().map(|line| blank_from(line, secret_value(line, secret))).collect();
        for finding in &findings {
            if finding.key.iter().any(|key| secret.contains(key))
                && let Some(line) = finding.at.and_then(|at| lines.get_mut(at.line - 1))
                && secret_value(line, secret).is_none()
            {
                *line = blank_from(line, line.find(':'));
            }
        }
        Self { file: file.into(), findings, lines }
    }

    /// Returns how many findings keep the gateway from starting.
    #[must_use]
    pub fn errors(&self) -> usize {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        self.findings.iter().filter(is_error).count()
    }

    /// Returns how many findings do not keep the gateway from starting.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }
}

/// Returns where a key in `secret` ends on this line, if one is there.
fn secret_value(line: &str, secret: &BTreeSet<String>) -> Option<usize> {
    let ends = |key: &String| {
        line.match_indices(key.as_str())
            .map(|(at, key)| (at, at + key.len()))
            .find(|&(start, end)| {
                let after = line[end..].trim_start_matches(['"', '\'']).trim_start();
                let word = |char: char| char.is_alphanumeric() || char == '_';
                !line[..start].ends_with(word) && after.starts_with(':')
            })
            .map(|(_, end)| end)
    };
    secret.iter().filter_map(ends).min()
}

/// Replaces what follows the first colon behind `from` by asterisks.
fn blank_from(line: &str, from: Option<usize>) -> String {
    let Some(colon) = from.and_then(|from| Some(from + line[from..].find(':')?)) else {
        return line.to_owned();
    };
    let (shown, hidden) = line.split_at(colon + 1);
    let hide = |char: char| if char.is_whitespace() { char } else { '*' };
    shown.chars().chain(hidden.chars().map(hide)).collect()
}

impl fmt::Display for Report {
    /// Renders the findings for people, each with its line and a caret below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let word = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            writeln!(f, "{word}: {}", finding.fault())?;
            let margin = if let Some(at) = finding.at {
                self.excerpt(f, at)?
            } else {
                writeln!(f, " --> {}", self.file)?;
                " ".to_owned()
            };
            for line in finding.instead.lines() {
                writeln!(f, "{margin} = {line}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Report {
    /// Writes where something is, with its line; returns the margin for what follows.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>, at: Span) -> Result<String, fmt::Error> {
        let margin = " ".repeat(at.line.to_string().len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, at.line, at.column)?;
        if let Some(line) = self.lines.get(at.line - 1) {
            let indent = " ".repeat(at.column - 1);
            let visible = line.chars().count().saturating_sub(at.column - 1);
            let carets = "^".repeat(at.length.min(visible).max(1));
            writeln!(f, "{margin} |\n{} | {line}", at.line)?;
            writeln!(f, "{margin} | {indent}{carets}")?;
        }
        Ok(margin)
    }
}
