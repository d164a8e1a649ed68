//! Links inside the book lead to pages and sections that exist, and every page is in the summary.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Page, book, pages};

/// Returns the targets of the links in a page, without those to the outside.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let links = prose.split("](").skip(1);
    links
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

/// Returns the names that mdBook gives the headings of a page.
fn anchors(page: &Page) -> BTreeSet<String> {
    let prose = page.prose();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut seen = 0;
    for page in &pages {
        for target in targets(page) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            let path = path.canonicalize();
            let found = pages
                .iter()
                .find(|it| path.as_ref().is_ok_and(|path| it.path.canonicalize().unwrap() == *path))
                .unwrap_or_else(|| panic!("{}: no page {target}", page.name));
            let is_there = anchor.is_empty() || anchors(found).contains(anchor);
            assert!(is_there, "{}: no section {target}", page.name);
            seen += 1;
        }
    }
    assert!(seen > 60, "the scan finds links");
}

#[test]
fn every_page_is_in_the_summary() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.name == "SUMMARY.md").unwrap();
    let listed: BTreeSet<String> = targets(summary).into_iter().collect();
    for page in &pages {
        let is_listed = page.name == "SUMMARY.md" || listed.contains(&page.name);
        assert!(is_listed, "SUMMARY.md does not list {}", page.name);
    }
}

#[test]
fn every_file_it_names_exists() {
    let root = book().join("../..");
    let mut seen = 0;
    for page in pages() {
        for word in page.text.split(['`', ' ', '\n', '(', ')', '"']) {
            let word = word.trim_end_matches(['.', ',', ':']);
            let ours = ["deploy/", "loadtest/", "docs/"];
            let is_ours = ours.iter().any(|start| word.starts_with(start));
            let exists = Path::new(&root).join(word).exists();
            assert!(!is_ours || exists, "{}: there is no {word}", page.name);
            seen += usize::from(is_ours);
        }
    }
    assert!(seen > 20, "the scan finds files");
}
