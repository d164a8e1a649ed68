//! Reports as Sentry gets them.

use std::fs;

use loadtest::peers::Answer;
use serde_json::Value;

use crate::collector::{Collector, Taken};
use crate::process::{Process, notify};
use crate::signals::{TOKEN, apns_app};

/// Returns the event of an envelope: <https://develop.sentry.dev/sdk/data-model/envelopes/>.
fn event(taken: &Taken) -> Value {
    let lines: Vec<&[u8]> = taken.body.split(|&byte| byte == b'\n').collect();
    let header: Value = serde_json::from_slice(lines[1]).unwrap();
    assert_eq!(header["type"], "event");
    serde_json::from_slice(lines[2]).unwrap()
}

#[test]
fn what_the_operator_must_mend_is_reported_without_pushkeys() {
    let sentry = Collector::start(Some("200 OK"));
    let dsn = format!("http://0123456789abcdef@{}/42", sentry.address);
    for secret in [format!("dsn: '{dsn}'"), "dsn_file: dsn".to_owned()] {
        let section = format!("metrics: {{sentry: {{enabled: true, {secret}}}}}\n");
        let (apple, folder) = apns_app(&section);
        fs::write(folder.path().join("dsn"), &dsn).unwrap();
        apple.always(Answer::new(400, "BadTopic"));
        let env = [("SENTRY_ENVIRONMENT", "test")];
        let mut gateway = Process::start_with(&folder, &[], &env);
        let public = gateway.listens_for("notifications");
        assert_eq!(notify(public, "ios", TOKEN).unwrap().0, 502);

        let report = sentry.next();
        let head = report.head.to_lowercase();
        assert!(head.starts_with("post /api/42/envelope/ http/1.1\r\n"), "{head}");
        assert!(head.contains("sentry_key=0123456789abcdef"), "{head}");
        let event = event(&report);
        assert_eq!(event["message"], "the provider refuses what only the operator can mend");
        assert_eq!(event["logger"], "peregrine::dispatch::alarms");
        assert_eq!(event["environment"], "test");
        assert!(event["release"].as_str().unwrap().starts_with("peregrine@"), "{event}");
        let tags = &event["tags"];
        assert_eq!(tags["app"], "ios");
        assert_eq!(tags["provider"], "apns");
        assert_eq!(tags["reason"], "BadTopic");
        assert!(!event.to_string().contains(TOKEN), "{event}");

        // One a minute for each alarm, and nothing that is no error.
        assert_eq!(notify(public, "ios", TOKEN).unwrap().0, 502);
        gateway.signal("TERM");
        let (code, said) = gateway.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("0123456789abcdef"), "{said}");
        assert_eq!(sentry.all().len(), 0);
    }
}

#[test]
fn the_last_error_is_reported_before_the_end() {
    let sentry = Collector::start(Some("200 OK"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!(
        "http: {{port: {port}}}\nadmin: {{bind: '127.0.0.1:0'}}\napps: {{a: {{type: log}}}}\n\
         metrics: {{sentry: {{enabled: true, dsn: 'http://key@{}/1'}}}}\n",
        sentry.address,
    );
    let (code, said) = Process::start(&crate::Folder::with(&config), &[]).ended();
    assert_eq!(code, Some(1), "{said}");
    let report = event(&sentry.next());
    assert_eq!(report["message"], "cannot run");
    let error = report["tags"]["error"].as_str().unwrap();
    assert!(error.starts_with("cannot listen on "), "{report}");
}

#[test]
fn a_dsn_that_is_none_is_told_without_showing_it() {
    let config = "apps: {a: {type: log}}\n\
                  metrics: {sentry: {enabled: true, dsn: 'not-a-dsn-but-secret'}}\n";
    let (code, said) = Process::start(&crate::Folder::with(config), &[]).ended();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("metrics.sentry.dsn"), "{said}");
    assert!(!said.contains("but-secret"), "{said}");
}
