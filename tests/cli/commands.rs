//! Commands that end by themselves, and where all of them find the configuration.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::Folder;

const GOOD: &str = "apps: {a: {type: log}}\ndb: {}\n";
const BAD: &str = "apps: {a: {type: lgo}}\n";

fn peregrine(args: &[&str], env: &[(&str, &str)], folder: &Folder) -> Output {
    let mut command = folder.peregrine(args);
    command.envs(env.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn check_says_what_is_good_and_what_is_wrong() {
    let folder = Folder::with(GOOD);
    let output = peregrine(&["check", "--format", "text"], &[], &folder);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("warning: db: has no effect"), "{text}");
    assert!(text.contains("a (log)\n"), "{text}");
    assert!(text.ends_with("config.yaml is good: 1 app, 1 warning\n"), "{text}");

    let folder = Folder::with(BAD);
    let output = peregrine(&["check", "--format", "text"], &[], &folder);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(78));
    assert!(text.contains("config.yaml:1:18"), "{text}");
    assert!(text.ends_with("config.yaml is wrong: 1 error, 0 warnings\n"), "{text}");
}

#[test]
fn check_speaks_json_off_a_terminal() {
    let folder = Folder::with(BAD);
    let output = peregrine(&["check"], &[], &folder);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["ok"], false);
    let finding = &result["findings"][0];
    assert_eq!(
        (&finding["severity"], &finding["line"], &finding["column"], &finding["key"]),
        (&json!("error"), &json!(1), &json!(18), &json!("apps.a.type"))
    );
    let folder = Folder::with(GOOD);
    let output = peregrine(&["check"], &[], &folder);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["ok"], true);
    assert_eq!(result["apps"][0], json!({"app_id": "a", "type": "log", "credentials": []}));
}

/// Arguments, environment, and the exit code they lead to.
type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32);

#[test]
fn where_the_configuration_is() {
    let folder = Folder::with(BAD);
    let good = folder.path().join("good.yaml");
    fs::write(&good, GOOD).unwrap();
    let good = good.to_str().unwrap();
    let rows: [Row<'_>; 9] = [
        (&["check"], &[], 78),
        (&["-c", good, "check"], &[], 0),
        (&["check", "--config", good], &[], 0),
        (&["check"], &[("PEREGRINE_CONFIG", good)], 0),
        (&["check"], &[("SYGNAL_CONF", good)], 0),
        (&["check"], &[("PEREGRINE_CONFIG", "no"), ("SYGNAL_CONF", good)], 78),
        (&["check"], &[("PEREGRINE_CONFIG", ""), ("SYGNAL_CONF", good)], 0),
        (&["check", "-c", "config.yaml"], &[("PEREGRINE_CONFIG", good)], 78),
        (&["serve", "-c", "missing.yaml"], &[], 78),
    ];
    for (args, env, code) in rows {
        let output = peregrine(args, env, &folder);
        assert_eq!(output.status.code(), Some(code), "{args:?} {env:?}");
    }
}

#[test]
fn wrong_usage_is_two_and_says_nothing_on_stdout() {
    let folder = Folder::with(GOOD);
    for args in [&["chekc"][..], &["check", "--format", "xml"], &["-c"]] {
        let output = peregrine(args, &[], &folder);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn schema_is_one_of_a_configuration() {
    let output = peregrine(&["schema"], &[], &Folder::with(""));
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"apps": {"a": {"type": "log"}}})));
    assert!(!validator.is_valid(&json!({"apps": {"a": {"type": "log", "keyfile": "a"}}})));
    assert!(!validator.is_valid(&json!({"apps": {"a": {}}})));
    assert!(!validator.is_valid(&json!({"apps": {"a": {"type": "log"}}, "db": 1})));
}

/// The file that `config.yaml` names for editors.
#[test]
fn the_schema_in_the_repository_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = fs::read_to_string(root.join("config.schema.json")).unwrap();
    let output = peregrine(&["schema"], &[], &Folder::with(""));
    assert!(
        stdout(&output) == committed,
        "config.schema.json is not what `peregrine schema` prints: \
         run `cargo run -- schema > config.schema.json`"
    );
    let config = fs::read_to_string(root.join("config.yaml")).unwrap();
    assert!(config.starts_with("# yaml-language-server: $schema=config.schema.json\n"));
}
