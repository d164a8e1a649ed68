//! What is wrong is told with its line, its key, and what to write instead.
//!
//! Each file in `bad/` says so itself: `#!` before what is told about its line, or about the line
//! before where nothing else is on it; `*` and `?` as in globs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use peregrine::config::Severity;
use peregrine::glob::Glob;

use crate::Folder;

/// Returns the line and the message of each error.
fn errors(text: impl AsRef<[u8]>) -> Vec<(usize, String)> {
    let folder = Folder::with(text);
    let report = folder.load(&[("PORT", "80"), ("SECRET", "hunter2")]).unwrap_err();
    let shown = report.to_string() + &serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| (finding.at.map_or(0, |at| at.line), finding.message())).collect()
}

/// Returns the line and the message of each error that a file says it has.
fn announced(text: &str) -> Vec<(usize, &str)> {
    let mut announced = Vec::new();
    let mut about = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((yaml, message)) = line.split_once("#! ") {
            if !yaml.trim().is_empty() {
                about = number;
            }
            announced.push((about, message));
        } else {
            about = number;
        }
    }
    announced
}

#[test]
fn files_are_told_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/bad");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let (told, expected) = (errors(&text), announced(&text));
        for ((line, message), (expected_line, pattern)) in told.iter().zip(&expected) {
            let at = format!("{}:{line}", file.display());
            assert_eq!(line, expected_line, "{at}: {message}");
            assert!(Glob::new(pattern).matches(message), "{at}\n{message}\n{pattern}");
        }
        assert_eq!(told.len(), expected.len(), "{}: {told:#?}", file.display());
        files += 1;
    }
    assert!(files > 5);
}

#[test]
fn texts_that_are_no_configuration() {
    for (text, line, pattern) in [
        ("apps:\n\ta: 1", 2, "this is not YAML: tab*; indent with spaces"),
        ("apps:\n  *.ios: {type: log}", 2, "this is not YAML: *`*`* in quotes"),
        ("apps:\n  a: @b", 2, "this is not YAML: * in quotes"),
        ("apps:\n  a: b: c", 2, "this is not YAML: * in quotes, *"),
        ("apps:\n  a: 'b\n  c", 2, "this is not YAML: *; check the quotes*"),
        ("apps: {a: {type: log}", 2, "this is not YAML: * brackets*"),
        ("apps:\n  a:\n    b: c\n   d: e", 4, "this is not YAML: * indent*"),
        ("apps: 1\n---\napps: 2", 2, "a second YAML document begins; *"),
        ("apps: !vault x", 1, "the YAML tag `!vault` has no meaning here; *"),
        ("a: &a [*a]", 1, "this alias stands within its own anchor; *"),
        ("proxy: http://u:hunter2@h: 1", 1, "this is not YAML: *"),
        ("5", 1, "cannot be `5`; write a mapping of keys and values"),
        ("- a", 1, "cannot be a list; write a mapping of keys and values"),
        ("", 0, "apps: there are no apps; * apps: *org.example.try: *"),
        ("# nothing", 0, "apps: there are no apps; *"),
        ("http:", 0, "apps: there are no apps; *"),
        ("http: {}\napps:", 2, "apps: there are no apps; *"),
        ("apps: {}", 1, "apps: there are no apps; *"),
    ] {
        let told = errors(text);
        let (told_line, message) = &told[0];
        assert_eq!((told.len(), *told_line), (1, line), "{text}: {told:?}");
        assert!(Glob::new(pattern).matches(message), "{text}\n{message}\n{pattern}");
    }
}

#[test]
fn monstrous_texts_are_refused() {
    assert_eq!(errors("[".repeat(100_000)).len(), 1);
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let aliases = format!("*a{}, ", i - 1).repeat(10);
        writeln!(laughs, "a{i}: &a{i} [{aliases}]").unwrap();
    }
    let (line, message) = &errors(&laughs)[0];
    assert_eq!(*line, 5, "{message}");
    assert!(message.contains("the aliases in here make more than 100000 values"));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::with("");
    fs::remove_file(folder.config()).unwrap();
    let report = folder.load(&[]).unwrap_err().to_string();
    assert!(report.contains("there is no configuration file of this name"), "{report}");
    assert!(report.contains("org.example.try:"), "{report}");

    fs::create_dir(folder.config()).unwrap();
    let report = folder.load(&[]).unwrap_err().to_string();
    assert!(report.contains("cannot read the configuration file"), "{report}");

    let report = Folder::with(b"apps: \xff").load(&[]).unwrap_err().to_string();
    assert!(report.contains("is not UTF-8"), "{report}");
}

#[test]
fn people_see_the_line() {
    let folder = Folder::with("http:\n  prot: 5000\nproxy: {hunter: 2}\napps: {a: {type: log}}");
    let report = folder.load(&[]).unwrap_err().to_string();
    let report = report.replace(folder.path().to_str().unwrap(), "");
    insta::assert_snapshot!(report, @r"
    error: http.prot: there is no such key
     --> /config.yaml:2:3
      |
    2 |   prot: 5000
      |   ^^^^
      = did you mean `port`?

    error: proxy: cannot be a mapping
     --> /config.yaml:3:8
      |
    3 | proxy: ******** **
      |        ^
      = write text or `null`
    ");
}
