//! `check --online`: every provider reached with its credentials, and nothing delivered.

use std::net::TcpListener;
use std::process::Output;

use loadtest::peers::Answer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Folder;
use crate::providers::{Providers, json, run, text};
use crate::proxy::Proxy;

const CHECK: &[&str] = &["check", "--online"];

/// Returns what failed for an app: what was tried, how it went, and what to do.
fn failures<'a>(checked: &'a Value, app_id: &str) -> Vec<[&'a str; 3]> {
    let apps = checked["apps"].as_array().unwrap();
    let app = apps.iter().find(|app| app["app_id"] == app_id).unwrap();
    let tried = app["online"].as_array().unwrap();
    let failed = tried.iter().filter(|finding| finding["ok"] == false);
    failed.map(|it| ["tried", "detail", "instead"].map(|key| it[key].as_str().unwrap())).collect()
}

#[test]
fn good_credentials_are_zero_and_deliver_nothing() {
    let Providers { apple, google, folder } = Providers::strict("  log: {type: log}\n");
    let output = run(&folder, CHECK);
    let checked = json(&output);
    assert_eq!(output.status.code(), Some(0), "{checked}");
    assert_eq!(checked["ok"], true);
    for app in ["ios.*", "android", "log"] {
        assert_eq!(failures(&checked, app), [[""; 3]; 0], "{checked}");
    }
    assert_eq!((apple.accepted(), google.accepted()), (0, 0));
    assert_eq!((apple.count(), google.count()), (1, 1));
    assert_eq!(google.received()[0].json["validate_only"], true);

    let shown = text(&run(&folder, &["check", "--online", "--format", "text"]));
    for line in [
        "push to a device that does not exist  BadDeviceToken, as it should be\n",
        "  ok      access token by key ",
        "  ok      TLS with localhost:",
        "its certificate ends on 20",
        "log (log)\n  ok      nothing to reach\n",
        "config.yaml is good: 3 apps, 0 warnings, 0 failures online\n",
    ] {
        assert!(shown.contains(line), "{line:?} in:\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colours are for terminals");
}

#[test]
fn what_a_provider_refuses_is_one_and_says_what_to_do() {
    for (apple_says, google_says, ios, android) in [
        (
            Answer::new(403, "BadEnvironmentKeyIdInToken"),
            Answer::new(403, "PERMISSION_DENIED"),
            ["BadEnvironmentKeyIdInToken", "check `platform`"],
            ["PERMISSION_DENIED", "Firebase Cloud Messaging API Admin"],
        ),
        (
            Answer::new(400, "TopicDisallowed"),
            Answer::new(404, "NOT_FOUND"),
            ["TopicDisallowed", "check `topic`"],
            ["NOT_FOUND", "check `project_id`"],
        ),
    ] {
        let Providers { apple, google, folder } = Providers::start("");
        apple.always(apple_says);
        google.always(google_says);
        let output = run(&folder, CHECK);
        let checked = json(&output);
        assert_eq!(output.status.code(), Some(1), "{checked}");
        assert_eq!(checked["ok"], false);
        let shown = text(&run(&folder, &["check", "--online", "--format", "text"]));
        let last =
            "\nconfig.yaml can be read but does not work: 2 apps, 0 warnings, 2 failures online\n";
        assert!(shown.ends_with(last) && !shown.contains("is good"), "{shown}");
        for (app, [reason, instead]) in [("ios.*", ios), ("android", android)] {
            let [failed] = failures(&checked, app)[..] else {
                panic!("{checked}");
            };
            assert_eq!(failed[1], reason);
            assert!(failed[2].contains(instead), "{failed:?}");
        }
    }
}

#[test]
fn a_refused_account_is_told_and_fcm_is_not_bothered() {
    let Providers { google, folder, .. } = Providers::strict("");
    google.oauth().always(Answer::new(400, "invalid_grant"));
    let checked = json(&run(&folder, CHECK));
    let [failed] = failures(&checked, "android")[..] else {
        panic!("{checked}");
    };
    assert!(failed[0].starts_with("access token by key "), "{failed:?}");
    assert_eq!(failed[1], "invalid_grant");
    assert_eq!(google.count(), 0);
}

#[test]
fn hosts_that_cannot_be_reached_are_told_with_the_reason() {
    let Providers { apple, google: _google, folder } = Providers::strict("");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = std::fs::read_to_string(folder.path().join("config.yaml")).unwrap();
    // A port where nobody listens, and a peer whose root is not trusted.
    folder.write(&config.replace(&apple.url(), &format!("https://{closed}")));
    let checked = json(&run(&folder, CHECK));
    let [failed] = failures(&checked, "ios.*")[..] else {
        panic!("{checked}");
    };
    assert!(failed[2].contains(&format!("port {}", closed.port())), "{failed:?}");
    folder.write(&config.replace("tls: {ca_file: ca.pem}", ""));
    let checked = json(&run(&folder, CHECK));
    let [failed] = failures(&checked, "ios.*")[..] else {
        panic!("{checked}");
    };
    assert!(failed[1].contains("UnknownIssuer"), "{failed:?}");
    assert!(failed[2].contains("tls.ca_file"), "{failed:?}");
}

/// Runs the program while the proxy runs on this thread.
async fn check_beside(providers: &Providers) -> Output {
    let mut program = providers.folder.peregrine(CHECK);
    let ended = tokio::task::spawn_blocking(move || program.output().unwrap());
    ended.await.unwrap()
}

#[tokio::test]
async fn the_proxy_is_on_the_way() {
    let proxy = Proxy::start().await;
    let providers = Providers::strict(&format!("proxy: {}\n", proxy.url()));
    let output = check_beside(&providers).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains(" through the proxy 127.0.0.1:"));
    let apple = format!("localhost:{}", providers.apple.address().port());
    assert!(proxy.asked().contains(&apple), "{:?}", proxy.asked());

    let providers = Providers::strict(&format!("proxy: {}\n", proxy.wrong_url()));
    let output = check_beside(&providers).await;
    assert_eq!(output.status.code(), Some(1));
    let checked = json(&output);
    let [failed] = failures(&checked, "ios.*")[..] else {
        panic!("{checked}");
    };
    assert!(failed[1].contains("407"), "{failed:?}");
    assert!(failed[2].contains("check `proxy`"), "{failed:?}");
    assert!(!text(&output).contains("boden"), "the proxy's password is shown");
}

/// Apps whose hosts come with the pushers, and a section of the caller's.
fn strangers(section: &str) -> Folder {
    let folder = Folder::with(&format!(
        "{section}apps:\n  phones: {{type: unifiedpush}}\n  web:\n    type: webpush\n    \
         vapid_private_key: vapid.pem\n    vapid_contact_email: push@example.com\n"
    ));
    let keys = run(&folder, &["keys", "vapid"]);
    std::fs::write(folder.path().join("vapid.pem"), &keys.stdout).unwrap();
    folder
}

/// Runs the program beside what runs on this thread; returns its exit code and what it found of the
/// proxy: whether that is fine, how it went, what to do.
async fn proxy_of(folder: Folder) -> (Option<i32>, bool, [String; 2]) {
    let mut program = folder.peregrine(CHECK);
    let output = tokio::task::spawn_blocking(move || program.output().unwrap());
    let output = output.await.unwrap();
    let checked = json(&output);
    let found = &checked["proxy"];
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let finding = &found[0];
    assert!(!text(&output).contains("falke"), "{}", text(&output));
    let words = ["detail", "instead"].map(|key| finding[key].as_str().unwrap().to_owned());
    (output.status.code(), finding["ok"] == true, words)
}

#[tokio::test]
async fn the_proxy_is_tried_where_no_app_has_a_host_of_its_own() {
    let proxy = Proxy::start().await;
    let (code, ok, [detail, instead]) =
        proxy_of(strangers(&format!("proxy: {}\n", proxy.url()))).await;
    assert_eq!((code, ok), (Some(0), true), "{detail}");
    assert_eq!(detail, "it answers (502 for a host that does not exist)");
    assert_eq!(instead, "");
    assert_eq!(proxy.asked(), ["peregrine-check.invalid:443"]);

    let nameless = proxy.url().replace("falke:am%20zug@", "");
    for (url, detail, instead) in [
        (proxy.wrong_url(), "407: it does not take", "check user and password"),
        (nameless, "407: it wants user and password", "write `proxy: http://user:"),
    ] {
        let found = proxy_of(strangers(&format!("proxy: {url}\n"))).await;
        assert_eq!((found.0, found.1), (Some(1), false));
        assert!(found.2[0].starts_with(detail), "{found:?}");
        assert!(found.2[1].starts_with(instead), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_no_proxy_is_told() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let web = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web_address = web.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = web.accept().await {
            let mut head = [0; 4096];
            let _ = client.read(&mut head).await;
            let _ = client.write_all(b"HTTP/1.1 405 Not Allowed\r\n\r\n").await;
        }
    });
    for (address, detail, instead) in [
        (closed, "cannot connect to 127.0.0.1 port ", "check host and port of `proxy`"),
        (web_address, "it answers 405", "check that a proxy that knows CONNECT"),
    ] {
        let found = proxy_of(strangers(&format!("proxy: 'http://{address}'\n"))).await;
        assert_eq!((found.0, found.1), (Some(1), false));
        assert!(found.2[0].starts_with(detail), "{found:?}");
        assert!(found.2[1].starts_with(instead), "{found:?}");
    }
}

#[test]
fn a_wrong_configuration_is_78_and_reaches_nobody() {
    let output = run(&Folder::with("apps: {a: {type: lgo}}\n"), CHECK);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(json(&output)["ok"], json!(false));
}

#[test]
fn keys_that_meet_nobody_are_tried_by_signing() {
    let checked = json(&run(&strangers(""), CHECK));
    let tried = &checked["apps"][1]["online"][0]["tried"];
    assert_eq!(tried, "signing with the VAPID key", "{checked}");
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["proxy"], Value::Null, "there is none to try");
}

#[cfg(feature = "redis")]
#[test]
fn redis_is_tried_where_replicas_share_their_tables() {
    use loadtest::peers::redis::{Options, Redis};

    let redis = Redis::start(Options { password: Some("hunter2".to_owned()), tls: false });
    let checked = |url: &str| {
        let folder = Folder::with(&format!(
            "apps: {{a: {{type: log}}}}\nstate:\n  backend: redis\n  redis_url: {url}\n  \
             redis_timeout_ms: 5000\n",
        ));
        let output = run(&folder, CHECK);
        let shown = text(&run(&folder, &["check", "--online", "--format", "text"]));
        assert!(!shown.contains("hunter"), "{shown}");
        let finding = &json(&output)["state"][0];
        let words = ["detail", "instead"].map(|key| finding[key].as_str().unwrap().to_owned());
        (output.status.code(), finding["ok"] == true, words)
    };
    let fine = (Some(0), true, [String::new(), String::new()]);
    assert_eq!(checked(&redis.url()), fine);
    let (code, ok, [detail, instead]) = checked(&redis.url().replace("hunter2", "hunter3"));
    assert_eq!((code, ok), (Some(1), false));
    assert!(detail.contains("WRONGPASS") || detail.contains("authentication"), "{detail}");
    assert!(instead.starts_with("check user and password"), "{instead}");
    redis.vanish();
    let (code, ok, [detail, instead]) = checked(&redis.url());
    assert_eq!((code, ok), (Some(1), false));
    assert!(detail.starts_with("cannot connect to "), "{detail}");
    assert!(instead.starts_with("check host and port"), "{instead}");
}
