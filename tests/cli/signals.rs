//! What a running gateway does when it is told to stop or to read its configuration anew.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use loadtest::peers::Answer;
use loadtest::peers::apns::{Apns, Options, ProviderKey};

use crate::Folder;
use crate::process::{Process, ask, begin_notify, notify};

const LOG: &str = "http: {port: 0}\nadmin: {bind: '127.0.0.1:0'}\napps:\n  a: {type: log}\n";

pub(crate) const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A configuration with the app `ios` at a simulated APNs, and sections of the caller's.
pub(crate) fn apns_app(sections: &str) -> (Apns, Folder) {
    let key = ProviderKey::new("KEY0000001", "TEAM000001", &["org.example"]);
    let apple = Apns::start(Options::default().key(&key));
    let folder = Folder::with(&format!(
        "{sections}{LOG}  ios:\n    type: apns\n    keyfile: AuthKey_KEY0000001.p8\n    \
         key_id: KEY0000001\n    team_id: TEAM000001\n    topic: org.example\n    \
         convert_device_token_to_hex: false\n    endpoint: {}\ntls: {{ca_file: ca.pem}}\n",
        apple.url(),
    ));
    let _ = key.write(folder.path());
    let _ = apple.write_ca(folder.path());
    (apple, folder)
}

fn start_with_apns() -> (Apns, Folder, Process) {
    let (apple, folder) = apns_app("");
    let gateway = Process::start(&folder, &[]);
    (apple, folder, gateway)
}

#[tokio::test]
async fn it_stops_when_what_is_in_flight_is_settled() {
    for signal in ["TERM", "INT"] {
        let (apple, _folder, mut gateway) = start_with_apns();
        let public = gateway.listens_for("notifications");
        apple.answer_next(Answer::stall());
        let answer = begin_notify(public, "ios", TOKEN);
        apple.next().await;

        gateway.signal(signal);
        let stopping = gateway.says("stopping");
        assert!(stopping.contains(&format!("SIG{signal}")), "{stopping}");
        // The provider hangs up, and accepts the next attempt.
        apple.close_all();
        let settled = Some((200, r#"{"rejected":[]}"#.to_owned()));
        assert_eq!(answer.join().unwrap(), settled);
        let (code, said) = gateway.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.trim_end().ends_with("stopped"), "{said}");
        assert_eq!(apple.accepted(), 1);
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (apple, _folder, mut gateway) = start_with_apns();
    let public = gateway.listens_for("notifications");
    apple.always(Answer::stall());
    let answer = begin_notify(public, "ios", TOKEN);
    apple.next().await;

    gateway.signal("TERM");
    gateway.says("stopping");
    gateway.signal("INT");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped at once"), "{said}");
    assert_eq!(answer.join().unwrap(), None, "the push was not waited for");
}

#[test]
fn signals_are_obeyed_from_the_first_line_on() {
    let folder = Folder::with(LOG);
    let mut gateway = Process::start(&folder, &[]);
    gateway.listens_for("notifications");
    gateway.signal("HUP");
    gateway.signal("TERM");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_hang_up_reads_the_configuration_anew() {
    let folder = Folder::with(LOG);
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    let admin = gateway.listens_for("health checks and metrics");
    let rejects_b = || notify(public, "b", "key").unwrap().1.contains("key");
    assert!(rejects_b());

    folder.write(&format!("{LOG}  b: {{type: log}}\ndb: {{}}\n"));
    gateway.signal("HUP");
    gateway.says("db");
    gateway.says("read anew");
    assert!(!rejects_b());

    folder.write(&format!("{LOG}  b: {{type: lgo}}\n"));
    gateway.signal("HUP");
    gateway.says("stays as it was");
    gateway.says("config.yaml:5:13");
    assert!(!rejects_b());
    assert_eq!(reloads(admin, "ok"), 1);
    assert_eq!(reloads(admin, "refused"), 1);

    // What is bound stays: ports change with a restart.
    folder.write(LOG);
    gateway.signal("HUP");
    gateway.says("read anew");
    assert!(rejects_b());
    assert_eq!(reloads(admin, "ok"), 2);
}

#[test]
fn a_hang_up_changes_the_level_of_the_log() {
    let level = |level: &str| format!("{LOG}log: {{level: {level}}}\n");
    let folder = Folder::with(&level("info"));
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    let admin = gateway.listens_for("health checks and metrics");
    for (count, name) in ["debug", "warn", "info"].into_iter().enumerate() {
        let pushkey = format!("before-{name}");
        assert_eq!(notify(public, "a", &pushkey).unwrap().0, 200);
        folder.write(&level(name));
        gateway.signal("HUP");
        // It is counted when it is in force.
        while reloads(admin, "ok") <= count.try_into().unwrap() {
            thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(notify(public, "a", "last").unwrap().0, 200);
    gateway.signal("TERM");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
    let count = |words: &str| said.matches(words).count();
    // One of four was sent at `debug`, and one at `warn`.
    assert_eq!(count("push settled"), 1, "{said}");
    assert_eq!(count(" peregrine::access: "), 3, "{said}");
}

#[test]
fn a_hang_up_leaves_the_level_to_the_environment() {
    let folder = Folder::with(LOG);
    let mut gateway = Process::start_with(&folder, &[], &[("RUST_LOG", "info")]);
    let public = gateway.listens_for("notifications");
    folder.write(&format!("{LOG}log: {{level: debug}}\n"));
    gateway.signal("HUP");
    gateway.says("read anew");
    assert_eq!(notify(public, "a", "key").unwrap().0, 200);
    gateway.signal("TERM");
    let (_, said) = gateway.ended();
    assert!(said.contains(" peregrine::access: ") && !said.contains("DEBUG"), "{said}");
}

#[test]
fn a_hang_up_says_what_takes_a_restart() {
    let folder = Folder::with(LOG);
    let mut gateway = Process::start(&folder, &[]);
    gateway.listens_for("notifications");
    let another = LOG.replace("http: {port: 0}", "http: {port: 0, max_body_bytes: 2048}");
    folder.write(&format!("{another}log: {{format: json, level: info}}\n"));
    gateway.signal("HUP");
    gateway.says("read anew");
    gateway.signal("TERM");
    let (_, said) = gateway.ended();
    let lines = said.lines().filter(|it| it.contains("a change here takes a restart"));
    let keys: Vec<&str> = lines.filter_map(|it| it.split("key=").nth(1)).collect();
    assert_eq!(keys, ["\"http\"", "\"log.format\""], "{said}");
}

/// Returns how many reloads were counted with this result.
fn reloads(admin: SocketAddr, result: &str) -> u64 {
    let (_, page) = ask(admin, "GET", "/metrics", "").unwrap();
    let counter = format!("peregrine_config_reloads_total{{result=\"{result}\"}} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&counter));
    value.map_or(0, |value| value.parse().unwrap())
}
