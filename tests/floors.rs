//! The import rule: a room imports only from the floors below it, and providers never import each
//! other. One crate, so the compiler does not enforce it; this does.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the top. A room may import every room on a later line, and itself; on the first
/// and the last line also the others of its line.
const FLOORS: [&[&str]; 6] = [
    &["app", "cli", "config", "lifecycle"],
    &["http"],
    &["dispatch"],
    &["providers"],
    &["transport"],
    &["fault", "glob", "matrix", "schema", "secret", "telemetry"],
];

/// What couriers share: the files of `providers/` itself, which every provider's folder may import.
fn is_shared_furniture(root: &Path, name: &str) -> bool {
    root.join("providers").join(format!("{name}.rs")).exists()
        || name.starts_with(char::is_uppercase)
}

#[test]
fn every_import_goes_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut offences = Vec::new();
    let mut seen = 0;
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(&root).unwrap().with_extension("");
        let parts: Vec<&str> = place.iter().map(|part| part.to_str().unwrap()).collect();
        for (number, line) in text.lines().enumerate() {
            for import in imports(line) {
                seen += 1;
                if !is_allowed(&root, &parts, &import) {
                    offences.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(seen > 20, "the scan finds imports");
    assert!(offences.is_empty(), "imports that go up or sideways:\n{}", offences.join("\n"));
}

#[test]
fn every_room_stands_on_a_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let stands = floor(name).is_some() || ["main", "lib"].contains(&name);
        assert!(stands, "{name} stands on no floor");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Finds every `crate::a::b` in a line, as `[a, b]`.
fn imports(line: &str) -> Vec<Vec<String>> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .map(|(at, word)| {
            let path = &code[at + word.len()..];
            let end = path
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .unwrap_or(path.len());
            path[..end].split("::").map(str::to_owned).collect()
        })
        .collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn is_allowed(root: &Path, place: &[&str], import: &[String]) -> bool {
    let (here, there) = (place[0], import[0].as_str());
    if ["main", "lib"].contains(&here) {
        return true;
    }
    if here == "providers" && there == "providers" {
        let folder = place.get(1).copied().unwrap_or_default();
        let name = import.get(1).map(String::as_str).unwrap_or_default();
        return name.is_empty() || name == folder || is_shared_furniture(root, name);
    }
    if here == there {
        return true;
    }
    match (floor(here), floor(there)) {
        // The entrance's rooms know each other; on every other floor rooms are strangers.
        (Some(0), Some(0)) => true,
        (Some(here), Some(there)) => here < there || (here == there && here == FLOORS.len() - 1),
        _ => false,
    }
}
