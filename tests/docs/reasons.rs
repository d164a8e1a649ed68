//! Every reason that a metric or a log line can give is explained in the outcome table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::book;

/// What stands before a reason in the source.
const BEFORE: [&str; 11] = [
    "Cause::new(",
    "Cause::local(",
    "Cause::alarm(",
    "known(",
    "remedied(",
    "rejected(",
    "dropped(",
    "later(",
    "ours(",
    "operator(",
    "refused(",
];

/// Returns the files of the rooms where outcomes come about, without tests.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.join("providers"), root.join("dispatch")];
    let mut files = vec![root.join("transport/mod.rs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                _ if ["tests", "testing"].contains(&name.as_str()) => {}
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// Returns the reasons that a file's code names.
fn reasons(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut reasons = Vec::new();
    for before in BEFORE {
        for rest in code.split(before).skip(1) {
            let Some(literal) = rest.trim_start().strip_prefix('"') else {
                continue;
            };
            reasons.extend(literal.split('"').next().map(str::to_owned));
        }
    }
    if path.ends_with("transport/mod.rs") {
        let arms = code.split("Self::").skip(1);
        let labels = arms.filter_map(|arm| arm.split_once(" => \"")?.1.split('"').next());
        reasons.extend(labels.map(str::to_owned));
    }
    reasons
}

#[test]
fn every_reason_is_explained() {
    let page = fs::read_to_string(book().join("outcomes.md")).unwrap();
    let explained: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let mut seen = 0;
    for path in sources() {
        for reason in reasons(&path) {
            let is_explained = explained.contains(reason.as_str());
            assert!(
                is_explained,
                "docs/src/outcomes.md has no row for `{reason}` of {}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 80, "the scan finds reasons");
}
