//! Every warning and error that the log can have is explained in the book, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::book;

/// Returns the files of the program, without tests.
fn sources() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                sources.push(code.to_owned());
            }
        }
    }
    sources
}

/// Returns the message of a log line, from what stands behind `warn!(`: the first text that is no
/// field's value, up to what varies.
fn message(arguments: &str) -> String {
    let mut before = "";
    for (number, piece) in arguments.split('"').enumerate() {
        if number % 2 == 1 && !before.trim_end().ends_with(['=', '%', '?', '(']) {
            let fixed = piece.split(['{', '\\']).next().unwrap();
            return fixed.trim_end_matches([':', ' ']).to_owned();
        }
        before = piece;
    }
    panic!("a log line without a message: {}", &arguments[..80]);
}

/// Returns every message at `error` and `warn`.
fn messages() -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    for code in sources() {
        for level in ["tracing::error!(", "tracing::warn!("] {
            messages.extend(code.split(level).skip(1).map(message));
        }
    }
    assert!(messages.len() > 20, "the scan finds log lines");
    messages
}

/// Returns the lines that the page explains, without their backticks.
fn explained() -> BTreeSet<String> {
    let page = fs::read_to_string(book().join("operating/logs.md")).unwrap();
    let tables = page.split("\n## Errors\n").nth(1).unwrap();
    let tables = tables.split("\n## What is never in it\n").next().unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells
        .flat_map(|cell| cell.split("`, `"))
        .map(|line| line.replace('`', "").trim_matches(['|', ' ']).to_owned())
        .collect()
}

#[test]
fn every_warning_and_error_is_explained() {
    let said: BTreeSet<String> = messages().iter().map(|line| line.replace('`', "")).collect();
    let explained = explained();
    let missing: Vec<_> = said.difference(&explained).collect();
    assert!(missing.is_empty(), "operating/logs.md has no row for {missing:#?}");
    let gone: Vec<_> = explained.difference(&said).collect();
    assert!(gone.is_empty(), "nothing says {gone:#?}");
}
