//! `health`: the probe of a running gateway.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use loadtest::peers::Answer;
use serde_json::json;

use crate::Folder;
use crate::process::{Process, ask, begin_notify};
use crate::providers::{Providers, TOKEN, json, run, text};

/// Returns a free port that the system gives to nobody who asks for any.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below what Linux hands out, and where other runs of these tests do not look first.
    let first = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    let is_free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let ports = (0..1_000).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000);
    ports.into_iter().find(is_free).unwrap()
}

#[test]
fn a_ready_gateway_is_zero_wherever_its_admin_listener_is() {
    let port = free_port();
    for (bind, key) in [
        (format!("0.0.0.0:{port}"), ""),
        (format!("localhost:{port}"), ""),
        ("unix:{folder}/admin.sock".to_owned(), ""),
        // The probe reads no key file: this one goes after the start.
        (format!("127.0.0.1:{port}"), "tls: {ca_file: ca.pem}\n"),
    ] {
        let folder = Folder::with("");
        let bind = bind.replace("{folder}", folder.path().to_str().unwrap());
        let ca = loadtest::peers::pki::write_ca(folder.path());
        folder.write(&format!(
            "http: {{port: 0}}\nadmin: {{bind: '{bind}'}}\n{key}apps: {{a: {{type: log}}}}\n"
        ));
        let mut gateway = Process::start(&folder, &[]);
        gateway.says("listening for health checks");
        std::fs::remove_file(ca).unwrap();
        let output = run(&folder, &["health"]);
        assert_eq!(output.status.code(), Some(0), "{bind}: {}", text(&output));
        assert_eq!(json(&output), json!({"ready": true, "reasons": []}));
        assert_eq!(text(&run(&folder, &["health", "--format", "text"])), "ready\n");
        // A mistake that a reload would refuse is not the running gateway's.
        folder.write(&format!("admin: {{bind: '{bind}'}}\napps: {{a: {{type: '${{GONE:?}}'}}}}\n"));
        assert_eq!(run(&folder, &["health"]).status.code(), Some(0));
        gateway.signal("TERM");
        let (code, said) = gateway.ended();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn whatever_else_is_there_is_one() {
    // Nobody; somebody who says nothing; the gateway's public listener.
    let folder = Folder::with(&format!("admin: {{bind: '127.0.0.1:{}'}}\n", free_port()));
    let output = run(&folder, &["health", "--format", "text"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).starts_with("not ready\n  no answer from 127.0.0.1:"));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::with(&format!("admin: {{bind: '{}'}}\n", silent.local_addr().unwrap()));
    let output = run(&folder, &["health"]);
    assert_eq!(output.status.code(), Some(1));
    let reason = json(&output)["reasons"][0]["reason"].to_string();
    assert!(reason.contains("nothing within 3 s"), "{reason}");

    let folder =
        Folder::with("http: {port: 0}\nadmin: {bind: '127.0.0.1:0'}\napps: {a: {type: log}}\n");
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    assert_eq!(ask(public, "GET", "/health", "").unwrap().0, 200);
    let output = run(&folder, &["health"]);
    assert!(json(&output)["reasons"][0]["reason"].to_string().contains("port 0"));
    folder.write(&format!("admin: {{bind: '{public}'}}\n"));
    let output = run(&folder, &["health"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("check `admin.bind`"), "{}", text(&output));
}

#[test]
fn an_address_that_cannot_be_known_is_one() {
    for (config, file, why) in [
        ("admin: {bind: nowhere}\n", "config.yaml", "admin.bind: `nowhere` has no port"),
        ("apps: {\n", "config.yaml", "this is not YAML"),
        ("", "missing.yaml", "there is no configuration file of this name"),
    ] {
        let output = run(&Folder::with(config), &["health", "-c", file]);
        assert_eq!(output.status.code(), Some(1), "{config}");
        let reason = json(&output)["reasons"][0]["reason"].to_string();
        let said = format!("cannot tell where to ask: {file}: {why}");
        assert!(reason.contains(&said), "{reason}");
        // The place, and what to write instead.
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("--> {file}")), "{said}");
    }
}

#[tokio::test]
async fn a_gateway_that_drains_is_not_ready_and_says_so() {
    let Providers { apple, folder, .. } = Providers::start("http: {port: 0}\n");
    let config = std::fs::read_to_string(folder.path().join("config.yaml")).unwrap();
    folder.write(&format!("{config}admin: {{bind: '127.0.0.1:{}'}}\n", free_port()));
    apple.answer_next(Answer::stall());
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    let answer = begin_notify(public, "ios.app", TOKEN);
    apple.next().await;
    gateway.signal("TERM");
    gateway.says("stopping");
    let output = run(&folder, &["health", "--format", "text"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output), "not ready\n  shutting down\n");
    apple.close_all();
    assert_eq!(answer.join().unwrap().unwrap().0, 200);
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
}
