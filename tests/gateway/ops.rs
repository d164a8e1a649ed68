//! What an operator's tools see: metrics by their names and labels, credentials and their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadtest::peers::pki::ClientCertificate;
use serde_json::json;

use crate::helpers::{Setup, TOKEN, TOPIC, apns, badge, event, fcm};
use crate::puppet::Puppet;

/// Every metric that has samples after some traffic: its type and its labels. Dashboards and
/// alerts know them, so a change here is a change for every operator. `config_reloads` belongs to
/// the program (`tests/cli`).
const METRICS: [(&str, &str, &str); 17] = [
    ("actor_restarts", "counter", "app cause"),
    ("alarms", "counter", "app reason"),
    ("build", "info", "version"),
    ("circuit_open", "gauge", "app"),
    ("connections", "gauge", "app"),
    ("credential_expiry_timestamp_seconds", "gauge", "app kind"),
    ("duplicates", "counter", "app"),
    ("ignored_fields", "counter", "field"),
    ("in_flight", "gauge", "app"),
    ("notifications", "counter", "outcome"),
    ("notify_duration_seconds", "histogram", "status"),
    ("push_attempts", "counter", "app result"),
    ("push_duration_seconds", "histogram", "app"),
    ("pushes", "counter", "app outcome provider reason"),
    ("rate_limited", "counter", "app"),
    ("rejections_answered_from_memory", "counter", "app"),
    ("shed", "counter", "app cause"),
];

#[tokio::test]
async fn metrics_have_the_promised_names_and_labels() {
    let (apple, key) = apns();
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("runtime: {workers: 1}\ndelivery:")
        .section("  retry: {max_attempts: 10}")
        .section("  circuit_breaker: {failures: 10, open_seconds: 60}")
        .section("  rate_limit: {per_minute: 1, burst: 2}")
        .apns("ios", &apple, &key, "")
        .puppet(&puppet)
        .start();
    apple.answer(500, "InternalServerError");
    let mut odd = badge("app", "ok", 3);
    odd["notification"]["counts"]["unread"] = json!("three");
    for (body, status) in [
        (event("ios", TOKEN, "$1"), 200),
        (event("app", "ok", "$1"), 200),
        (event("app", "ok", "$1"), 200),
        (odd, 200),
        (event("app", "ok", "$2"), 429),
        (event("app", "rejected", "$1"), 200),
        (event("app", "rejected", "$2"), 200),
        (event("app", "dropped", "$1"), 200),
        (event("app", "panics", "$1"), 200),
    ] {
        let answer = gateway.notify(&body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
    }
    apple.answer(400, "TopicDisallowed");
    let alarming = gateway.notify(&event("ios", TOKEN, "$2")).await;
    assert_eq!(alarming.status, 502);
    for i in 0..10 {
        let body = event("app", &format!("failed-{i}"), "$1");
        assert_eq!(gateway.notify(&body).await.status, 502);
    }
    let shed = gateway.notify(&event("app", "other", "$1")).await;
    assert_eq!(shed.status, 503);

    let page = gateway.admin("/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(page.header("content-type"), Some(kind));
    assert!(page.text.ends_with("# EOF\n"), "{}", page.text);
    let expected = METRICS.map(|(name, kind, labels)| {
        let labels = labels.split(' ').map(str::to_owned).collect();
        (format!("peregrine_{name}"), (kind.to_owned(), labels))
    });
    assert_eq!(families(&page.text), BTreeMap::from(expected));

    // What each label says, and that it is counted once.
    for (sample, value) in [
        ("notifications_total{outcome=\"accepted\"}", 8),
        ("notifications_total{outcome=\"failed\"}", 13),
        ("notify_duration_seconds_count{status=\"429\"}", 1),
        (
            "pushes_total{app=\"app\",provider=\"puppet\",outcome=\"rejected\",reason=\"unregistered\"}",
            1,
        ),
        (
            "pushes_total{app=\"app\",provider=\"puppet\",outcome=\"permanent\",reason=\"too_large\"}",
            1,
        ),
        ("pushes_total{app=\"ios\",provider=\"apns\",outcome=\"accepted\"", 1),
        ("pushes_total{app=\"ios\",provider=\"apns\",outcome=\"transient\"", 1),
        ("push_duration_seconds_count{app=\"ios\"}", 2),
        ("push_attempts_total{app=\"ios\",result=\"ok\"}", 1),
        ("push_attempts_total{app=\"ios\",result=\"retry\"}", 1),
        ("push_attempts_total{app=\"ios\",result=\"error\"}", 1),
        ("in_flight", 0),
        ("shed_total{app=\"app\",cause=\"circuit\"}", 1),
        ("rate_limited_total{app=\"app\"}", 1),
        ("duplicates_total{app=\"app\"}", 1),
        ("rejections_answered_from_memory_total{app=\"app\"}", 1),
        ("circuit_open{app=\"app\"}", 1),
        ("circuit_open{app=\"ios\"}", 0),
        ("actor_restarts_total{app=\"app\",cause=\"panic\"}", 1),
        ("connections{app=\"ios\"}", 1),
        ("ignored_fields_total{field=\"counts.unread\"}", 1),
        ("alarms_total{app=\"ios\"", 1),
        ("build_info", 1),
    ] {
        let found = gateway.count(&format!("peregrine_{sample}")).await;
        assert_eq!(found, value, "{sample}\n{}", page.text);
    }
    for private in [TOKEN, "failed-1", "\"other", "$1", "!room"] {
        assert!(!page.text.contains(private), "{private}");
    }
}

#[tokio::test]
async fn credentials_tell_when_they_end() {
    let ((apple, key), google) = (apns(), fcm());
    let ends = SystemTime::now() + Duration::from_secs(20 * 24 * 3600);
    let setup = Setup::new();
    let certificate = ClientCertificate::new(&[TOPIC], ends).write(setup.folder());
    let certified =
        format!("type: apns\ncertfile: {}\nendpoint: {}", certificate.display(), apple.url());
    let gateway = setup
        .apns("token", &apple, &key, "")
        .app("certificate", &certified)
        .fcm("account", &google, "")
        .start();
    for (app_id, pushkey) in [("token", TOKEN), ("account", "registration")] {
        let answer = gateway.notify(&event(app_id, pushkey, "$1")).await;
        answer.assert_rejects(&[]);
    }

    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expiry = async |app: &str, kind: &str| {
        let labels = format!("{{app=\"{app}\",kind=\"{kind}\"}}");
        let name = "peregrine_credential_expiry_timestamp_seconds";
        gateway.count(&format!("{name}{labels}")).await
    };
    assert_eq!(expiry("certificate", "certificate").await, since_epoch(ends));
    let now = since_epoch(SystemTime::now());
    for (app, kind) in [("token", "provider_token"), ("account", "access_token")] {
        let end = expiry(app, kind).await;
        assert!((now + 60..=now + 3600).contains(&end), "{kind}: {end}");
    }
}

/// By name of a metric: its type and the labels of its samples.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// Reads a page of OpenMetrics text; metrics without samples are left out.
fn families(page: &str) -> Families {
    let mut families = Families::new();
    let (mut name, mut kind) = ("", "");
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some(typed) = comment.strip_prefix("TYPE ") {
                (name, kind) = typed.split_once(' ').unwrap();
            }
            continue;
        }
        let (sample, labels) = line.split_once([' ', '{']).unwrap();
        let suffix = sample.strip_prefix(name).expect("samples follow their type");
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            _ => &[],
        };
        assert!(suffixes.contains(&suffix), "{kind}: {line}");
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        let labels: BTreeSet<String> = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(label, _)| label.to_owned())
            .filter(|label| label != "le")
            .collect();
        let family = families.entry(name.to_owned());
        let (_, known) = family.or_insert_with(|| (kind.to_owned(), labels.clone()));
        assert_eq!(*known, labels, "all samples have the same labels: {line}");
    }
    families
}
