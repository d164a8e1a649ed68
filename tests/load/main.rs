//! Every scenario of the load test, tiny: that it runs against the gateway, ends by itself, and
//! that its report tells the truth. What it measures is for another place and a release build.

#![cfg(test)]

use std::fs;

use clap::Parser as _;
use loadtest::driver::{self, Options, bare};
use serde_json::Value;
use tempfile::TempDir;

/// Runs a scenario and returns its report, after what every report must say.
fn report(arguments: &str) -> Value {
    let out = TempDir::new().unwrap();
    let folder = out.path().to_str().unwrap();
    let usual = ["--gateway", env!("CARGO_BIN_EXE_peregrine"), "--out", folder];
    let short = ["--warmup", "0.1", "--commit", "of a test", "--rounds", "1"];
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let words = ["loadtest"].iter().chain(&arguments).chain(&usual).chain(&short);
    let outcome = driver::run(&Options::parse_from(words)).unwrap();

    let name = arguments[0];
    let json = fs::read(out.path().join(format!("{name}.json"))).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert!(outcome.good, "{}", outcome.text);
    assert_eq!(report["broken"].as_array().unwrap().len(), 0);
    assert_eq!(report["scenario"], name);
    assert_eq!(report["commit"], "of a test");
    for key in ["lost", "rejected", "refused"] {
        assert_eq!(report["truth"][key], 0, "{}", outcome.text);
    }
    let [sent, delivered, badges] =
        ["sent", "delivered", "badges_sent"].map(|key| report["truth"][key].as_u64().unwrap());
    assert!(delivered > 0);
    assert!(outcome.text.contains(&format!("{sent} sent, {delivered} delivered")));
    // With nothing failing, every event that was sent arrived.
    let failed = report["truth"]["failed"].as_u64().unwrap();
    if failed == 0 && !arguments.contains(&"--entries") {
        assert_eq!(sent - badges, delivered, "{}", outcome.text);
    }
    let page = fs::read_to_string(out.path().join(format!("{name}.html"))).unwrap();
    assert!(page.contains(&format!("<title>{name} ")));
    report
}

/// Returns the names of a run's phases.
fn phases(report: &Value) -> Vec<&str> {
    let phases = report["runs"][0]["timeline"]["phases"].as_array().unwrap();
    phases.iter().map(|phase| phase["name"].as_str().unwrap()).collect()
}

#[test]
fn apns() {
    let report = report("apns --seconds 0.4 --connections 8 --payload full --entries 200");
    assert_eq!(phases(&report), ["warm-up", "full load", "the rest"]);
    // Of the entries half are delivered, half are rejected.
    let [sent, delivered] = ["sent", "delivered"].map(|key| report["truth"][key].as_u64().unwrap());
    assert_eq!(sent - delivered, 200);
}

#[test]
fn fcm_over_many_apps() {
    let report = report("fcm --seconds 0.4 --connections 8 --apps 20 --busy-apps 4");
    assert!(report["truth"]["connections"].as_u64().unwrap() <= 4);
    assert_eq!(report["runs"][0]["config"].as_str().unwrap().matches("type: fcm").count(), 20);
}

#[test]
fn webpush() {
    report("webpush --seconds 0.4 --connections 8");
}

#[test]
fn unifiedpush() {
    report("unifiedpush --seconds 0.4 --connections 8");
}

#[test]
fn mixed() {
    let report = report("mixed --seconds 0.6 --connections 8 --apps 2");
    let groups = &report["runs"][0]["timeline"]["groups"];
    assert_eq!(*groups, serde_json::json!(["apns", "fcm", "webpush", "unifiedpush"]));
    assert!(report["truth"]["badges_sent"].as_u64().unwrap() > 0);
}

#[test]
fn latency() {
    let report = report("latency --seconds 0.5 --connections 16 --rate 100");
    let fixed = &report["runs"][0]["timeline"]["phases"][1];
    assert_eq!(fixed["name"], "fixed rate");
    assert!(fixed["lateness"]["max"].as_f64().unwrap() > 0.0);
}

#[test]
fn outage() {
    let report = report("outage --seconds 0.6 --connections 10 --apps 2 --rate 50 --repeat-ms 50");
    let expected =
        ["warm-up", "calm", "stalled", "throttled", "dead", "returning", "returned", "the rest"];
    assert_eq!(phases(&report), expected);
    // What failed was repeated until it arrived.
    let truth = &report["truth"];
    assert!(truth["failed"].as_u64().unwrap() > 0);
    assert_eq!(truth["sent"], truth["delivered"]);
}

#[test]
fn overload() {
    let report = report(
        "overload --seconds 0.5 --connections 200 --inflight-limit 4 --latency-ms 100 --rate 300",
    );
    let truth = &report["truth"];
    assert!(truth["failed"].as_u64().unwrap() > 0);
    assert_eq!(truth["sent"], truth["delivered"]);
    assert_eq!(truth["doubled"], 0);
}

#[test]
fn soak() {
    report("soak 0.02 --connections 16 --rate 100");
}

#[test]
fn scale() {
    let report = report("scale --workers 2 --seconds 0.3 --connections 8");
    let names: Vec<&Value> =
        report["runs"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["1 worker(s)", "2 worker(s)"]);
}

#[test]
fn ratios() {
    let report = report("ratios --seconds 0.2 --connections 8 --entries 100 --apps 10");
    assert_eq!(report["tables"][0]["rows"].as_array().unwrap().len(), 5);
}

#[test]
fn tune() {
    let report = report("tune --workers 1 --seconds 0.1 --connections 16 --latency-ms 5");
    let yaml = report["advice"]["yaml"].as_str().unwrap();
    for key in ["workers:", "inflight_request_limit:", "pool: {actors:", "connections:"] {
        assert!(yaml.contains(key), "{yaml}");
    }
}

#[test]
fn limits() {
    let report = report("limits --seconds 0.3 --in-flight 8");
    let rows = report["tables"][0]["rows"].as_array().unwrap();
    // HAProxy is there where it is installed.
    assert!((7..=8).contains(&rows.len()), "{rows:?}");
    for row in rows {
        assert_ne!(row[3], "0", "{row}");
    }
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
}

/// Plays the halves of a gateway that `limits` starts: they are this program, called again with
/// `bare` and a half, which the test harness takes for the names of tests. Nothing otherwise.
#[test]
fn bare() {
    if std::env::args().nth(1).as_deref() == Some("bare") {
        bare::run(bare::Half::parse_from(std::env::args().skip(1))).unwrap();
    }
}
