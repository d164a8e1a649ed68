//! What `/metrics` can show: each metric once, with its labels, and their values where the list is
//! closed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use peregrine::telemetry::Metrics;

/// Labels of a metric, each with its values; none where the operator names them.
pub(crate) type Labels = BTreeMap<String, Vec<&'static str>>;

/// The values of labels with closed lists, for the metrics that have more than one meaning of a
/// label.
const VALUES: [(&str, &str, &[&str]); 10] = [
    ("peregrine_notifications_total", "outcome", &["accepted", "failed"]),
    ("peregrine_pushes_total", "outcome", &["accepted", "rejected", "transient", "permanent"]),
    (
        "peregrine_pushes_total",
        "provider",
        &["apns", "fcm", "webpush", "unifiedpush", "webhook", "log"],
    ),
    ("peregrine_push_attempts_total", "result", &["ok", "retry", "error"]),
    ("peregrine_config_reloads_total", "result", &["ok", "refused"]),
    ("peregrine_shed_total", "cause", &["in_flight", "circuit", "deadline", "draining"]),
    ("peregrine_actor_restarts_total", "cause", &["panic", "wedged", "reload"]),
    (
        "peregrine_credential_expiry_timestamp_seconds",
        "kind",
        &["certificate", "access_token", "provider_token"],
    ),
    (
        "peregrine_state_errors_total",
        "cause",
        &["unreachable", "closed", "timeout", "refused", "answer"],
    ),
    ("peregrine_build_info", "version", &[]),
];

/// Returns every metric by name, histograms by their three.
pub(crate) fn exposed() -> BTreeMap<String, Labels> {
    let mut exposed = BTreeMap::<String, Labels>::new();
    let page = everything_once();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let name = &line[..end];
        let labels = exposed.entry(name.to_owned()).or_default();
        let within = line[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let pairs = within.map_or("", |(labels, _)| labels);
        for label in pairs.split("\",").filter_map(|pair| pair.split('=').next()) {
            let values = VALUES.iter().find(|row| row.0 == name && row.1 == label);
            let values = values.map_or(Vec::new(), |row| row.2.to_vec());
            labels.insert(label.to_owned(), values);
        }
    }
    // Prometheus adds these to everything.
    for labels in exposed.values_mut() {
        for label in ["job", "instance"] {
            labels.insert(label.to_owned(), Vec::new());
        }
    }
    exposed
}

/// Returns the page on which everything has happened once.
fn everything_once() -> String {
    let metrics = Metrics::new();
    metrics.notified(200, Duration::ZERO);
    metrics.ignored_field("sender");
    metrics.reloaded("ok");
    metrics.state_failed("timeout");
    let app = metrics.app("app", "apns");
    app.settled("rejected", "Unregistered", Duration::ZERO);
    app.attempted("ok");
    app.shed("circuit");
    app.rate_limited();
    app.duplicate();
    app.rejected_from_memory();
    app.actor_restarted("panic");
    app.alarm("BadTopic");
    app.credential_expires("certificate", 0);
    let page = metrics.render();
    // A metric that nothing above counts would be missed here, and everywhere else.
    let announced = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let announced: BTreeSet<&str> = announced.filter_map(|line| line.split(' ').next()).collect();
    for name in announced {
        let is_shown = page.lines().any(|line| line.starts_with(name));
        assert!(is_shown, "nothing counts {name} here: add it");
    }
    page
}
