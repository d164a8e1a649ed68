//! Provider tokens and client certificates.

use std::fs;
use std::time::{Duration, SystemTime};

use loadtest::peers::apns::{Apns, Options};
use loadtest::peers::pki::ClientCertificate;

use crate::helpers::bodies::device;
use crate::helpers::{Setup, TOPIC, apns, event};

#[tokio::test]
async fn apps_threads_and_reloads_share_one_provider_token_of_a_key() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .apns("app.one", &apple, &key, "pool: {actors: 2}")
        .apns("app.two", &apple, &key, "")
        .start();
    let yaml = gateway.setup().yaml();
    for reload in 0..2 {
        for app_id in ["app.one", "app.two"] {
            let first = 100 * reload;
            for answer in gateway.burst(app_id, first..first + 20).await {
                answer.assert_rejects(&[]);
            }
        }
        let changed = yaml.replace("pool: {actors: 2}", "push_type: alert");
        gateway.reload(&changed).await.unwrap();
    }
    assert_eq!((apple.accepted(), apple.refused()), (80, 0));
    assert_eq!(apple.provider_tokens().len(), 1);
}

#[tokio::test]
async fn a_certificate_takes_the_tokens_place() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let apple = Apns::start(Options::default());
    let certificate = ClientCertificate::new(&[TOPIC], SystemTime::now() + 9 * DAY);
    let setup = Setup::new();
    let file = certificate.write(setup.folder());
    let keys = format!("type: apns\ncertfile: {}\nendpoint: {}", file.display(), apple.url());
    let gateway = setup.app("app.ios", &keys).start();
    gateway.notify(&event("app.ios", &device(0).0, "$e")).await.assert_rejects(&[]);

    let push = apple.next().await;
    assert_eq!((push.header("apns-topic"), push.header("authorization")), (TOPIC, ""));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let left = gateway.credential_ends("app.ios", "certificate").await - now.as_secs();
    assert!((8 * DAY.as_secs()..=9 * DAY.as_secs()).contains(&left), "{left}");
    assert_eq!(apple.refused(), 0);
}

#[tokio::test]
async fn a_reload_reads_key_files_anew_and_keeps_the_old_where_the_new_is_broken() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let apple = Apns::start(Options::default());
    let setup = Setup::new().section("runtime: {workers: 1}");
    let certificate = |days| ClientCertificate::new(&[TOPIC], SystemTime::now() + days * DAY);
    let file = certificate(9).write(setup.folder());
    let keys = format!("type: apns\ncertfile: {}\nendpoint: {}", file.display(), apple.url());
    let gateway = setup.app("app.ios", &keys).start();
    let yaml = gateway.setup().yaml();
    let push = async |number: usize| {
        let body = event("app.ios", &device(number).0, "$e");
        gateway.notify(&body).await.assert_rejects(&[]);
        apple.next().await.connection
    };
    let ends = async || gateway.credential_ends("app.ios", "certificate").await;
    let (first, before) = (push(0).await, ends().await);
    gateway.reload(&yaml).await.unwrap();
    assert_eq!(push(1).await, first, "the file is the same");

    fs::write(&file, "no certificate").unwrap();
    let refused = gateway.reload(&yaml).await.unwrap_err();
    assert!(refused.contains("certfile"), "{refused}");
    assert_eq!((push(2).await, ends().await), (first, before));

    assert_eq!(certificate(19).write(gateway.setup().folder()), file);
    gateway.reload(&yaml).await.unwrap();
    assert_ne!(push(3).await, first);
    assert!(ends().await > before + 9 * DAY.as_secs());
}

#[tokio::test]
async fn a_certificate_without_this_topic_is_the_operators_mistake() {
    let apple = Apns::start(Options::default());
    let certificate = ClientCertificate::new(
        &["org.example.other"],
        SystemTime::now() + Duration::from_secs(3600),
    );
    let setup = Setup::new();
    let file = certificate.write(setup.folder());
    let keys = format!(
        "type: apns\ncertfile: {}\ntopic: org.example.other\ntopic_suffix: .unknown\nendpoint: {}",
        file.display(),
        apple.url(),
    );
    let gateway = setup.app("app.ios", &keys).start();
    let answer = gateway.notify(&event("app.ios", &device(0).0, "$e")).await;
    answer.assert_error(502, "M_UNKNOWN");
    let alarms = gateway.alarms("app.ios", "TopicDisallowed").await;
    assert_eq!((apple.count(), alarms), (1, 1));
}
