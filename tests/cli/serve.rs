//! `serve`: what it says and does at its start, and how a start fails.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::Folder;
use crate::process::{Process, ask, notify};

const PORTS: &str = "http: {port: 0}\nadmin: {bind: '127.0.0.1:0'}\n";

#[test]
fn it_says_where_it_listens_and_serves_there() {
    let metrics = "metrics: {prometheus: {enabled: true, port: 0}}\n";
    let folder = Folder::with(&format!("{PORTS}{metrics}apps: {{a: {{type: log}}}}\n"));
    for args in [&[][..], &["serve"], &["serve", "-c", "config.yaml"]] {
        let mut gateway = Process::start(&folder, args);
        let public = gateway.listens_for("notifications");
        let admin = gateway.listens_for("health checks and metrics");
        let metrics = gateway.listens_for("metrics");

        let settled = Some((200, r#"{"rejected":[]}"#.to_owned()));
        assert_eq!(notify(public, "a", "my-pushkey"), settled);
        let push = gateway.says(" push ");
        assert!(push.contains("$e") && !push.contains("my-pushkey"), "{push}");
        assert_eq!(ask(admin, "GET", "/health/live", "").unwrap().0, 200);
        for page in [admin, metrics] {
            let (status, page) = ask(page, "GET", "/metrics", "").unwrap();
            assert_eq!(status, 200);
            assert!(page.contains("peregrine_notifications_total{outcome=\"accepted\"} 1\n"));
        }
    }
}

#[test]
fn the_bundled_configuration_answers_what_the_readme_sends() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundled = fs::read_to_string(root.join("config.yaml")).unwrap();
    let free = bundled
        .replace("port: 5000", "port: 0")
        .replace("bind: 127.0.0.1:5001", "bind: 127.0.0.1:0");
    assert!(free.contains("port: 0") && free.contains("127.0.0.1:0"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, curl) = readme
        .split_once("curl -s http://127.0.0.1:5000/_matrix/push/v1/notify -d '")
        .expect("the readme shows a first notification");
    let (body, rest) = curl.split_once('\'').unwrap();
    let (_, promised) = rest.split_once("prints `").unwrap();
    let (promised, _) = promised.split_once('`').unwrap();

    let folder = Folder::with(&free);
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    let answer = ask(public, "POST", "/_matrix/push/v1/notify", body);
    assert_eq!(answer, Some((200, promised.to_owned())));
    let push = gateway.says(" push ");
    assert!(push.contains("$hello"), "{push}");
}

#[test]
fn a_port_in_use_is_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port();
    let app = "apps: {a: {type: log}}\n";
    for config in [
        format!("http: {{port: {port}}}\nadmin: {{bind: '127.0.0.1:0'}}\n{app}"),
        format!("http: {{port: 0}}\nadmin: {{bind: '{address}'}}\n{app}"),
    ] {
        let (code, said) = Process::start(&Folder::with(&config), &["serve"]).ended();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("cannot listen on {address}: ")), "{said}");
    }
}

#[test]
fn a_wrong_configuration_is_78_and_says_where() {
    for (config, expected) in [
        ("apps:\n  a:\n    type: lgo\n", ["config.yaml:3:11", "lgo", "log"]),
        (
            "apps:\n  'a.*': {type: log}\n  '*.b': {type: log}\n",
            ["config.yaml:2:3", "a.*", "as `a.b`"],
        ),
        ("apps: {\n", ["config.yaml:", "error", ""]),
        ("http: {port: 0}\n", ["there are no apps", "type: log", ""]),
        (
            "apps: {a: {type: apns, keyfile: gone.p8, key_id: ABCDEFGHIJ, team_id: ABCDEFGHIJ, topic: a}}\n",
            ["config.yaml:1", "gone.p8", "error"],
        ),
    ] {
        let (code, said) = Process::start(&Folder::with(config), &["serve"]).ended();
        assert_eq!(code, Some(78), "{said}");
        for words in expected {
            assert!(said.contains(words), "{words:?} in:\n{said}");
        }
        assert!(!said.contains("listening"), "{said}");
    }
    let (code, said) = Process::start(&Folder::with(""), &["-c", "missing.yaml"]).ended();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("missing.yaml"), "{said}");
}

#[test]
fn the_environment_decides_what_is_logged() {
    let folder =
        Folder::with(&format!("{PORTS}log: {{level: error}}\napps: {{a: {{type: log}}}}\n"));
    let mut told = Process::start_with(&folder, &[], &[("RUST_LOG", "info")]);
    told.listens_for("notifications");

    // What cannot be read leaves it to the configuration.
    let config = format!("{PORTS}log: {{format: json}}\napps: {{a: {{type: log}}}}\n");
    let folder = Folder::with(&config);
    let mut told = Process::start_with(&folder, &[], &[("RUST_LOG", "peregrine=loud")]);
    let remark = told.says("cannot read $RUST_LOG");
    assert!(remark.starts_with('{') && remark.contains("\"level\":\"WARN\""), "{remark}");
    told.says("listening for notifications");
}
