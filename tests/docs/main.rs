//! The book: its configurations pass `check`, its links lead somewhere, its tables are complete.
//!
//! `configuration` writes the reference of keys from the schema. The outcome tables are walked row
//! by row in `tests/gateway/book.rs`.

#![cfg(test)]

mod configuration;
mod examples;
mod lines;
mod links;
mod reasons;
mod terms;
#[path = "../yaml/mod.rs"]
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};

/// A page of the book.
struct Page {
    /// Where it is.
    path: PathBuf,
    /// Its place in the book, such as `providers/apns.md`.
    name: String,
    text: String,
}

/// Returns the folder of the book's pages.
fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src")
}

/// Returns every page.
fn pages() -> Vec<Page> {
    let book = book();
    let mut pages = Vec::new();
    let mut folders = vec![book.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&book).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            pages.push(Page { path, name, text });
        }
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(pages.len() > 20, "the scan finds the book");
    pages
}

impl Page {
    /// Returns the fenced blocks: line, what stands behind the fence, content.
    fn blocks(&self) -> Vec<(usize, String, String)> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, String, String)> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(info), None) => open = Some((number + 1, info.to_owned(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some((_, _, content))) => {
                    content.push_str(line);
                    content.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block without an end", self.name);
        blocks
    }

    /// Returns the text without its fenced blocks.
    fn prose(&self) -> String {
        let mut is_block = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_block = !is_block;
            } else if !is_block {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }
}
