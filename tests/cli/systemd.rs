//! What systemd hears of a gateway, on a socket of its own.

use std::os::unix::net::UnixDatagram;

use crate::Folder;
use crate::process::{PATIENCE, Process};

const LOG: &str = "http: {port: 0}\nadmin: {bind: '127.0.0.1:0'}\napps: {a: {type: log}}\n";

/// systemd's end of the socket.
struct Systemd(UnixDatagram);

impl Systemd {
    /// Waits for the next word, lines joined by spaces.
    fn hears(&self) -> String {
        let mut word = [0; 4096];
        let length = self.0.recv(&mut word).expect("a word comes");
        let word = str::from_utf8(&word[..length]).unwrap();
        word.trim_end().replace('\n', " ")
    }
}

fn start(config: &str, env: &[(&str, &str)]) -> (Systemd, Folder, Process) {
    let folder = Folder::with(config);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let env = [&[("NOTIFY_SOCKET", path.to_str().unwrap())], env].concat();
    let gateway = Process::start_with(&folder, &[], &env);
    (Systemd(socket), folder, gateway)
}

#[test]
fn it_hears_of_every_stage() {
    let (systemd, folder, mut gateway) = start(LOG, &[]);
    let public = gateway.listens_for("notifications");
    let serving = format!("READY=1 STATUS=serving 1 app on {public}");
    assert_eq!(systemd.hears(), serving);

    gateway.signal("HUP");
    let reloading = systemd.hears();
    let at = reloading.strip_prefix("RELOADING=1 MONOTONIC_USEC=").expect(&reloading);
    assert!(at.parse::<u64>().unwrap() > 0, "{reloading}");
    assert_eq!(systemd.hears(), serving);

    folder.write("apps: {");
    gateway.signal("HUP");
    assert!(systemd.hears().starts_with("RELOADING=1"));
    assert_eq!(systemd.hears(), format!("{serving}; the last reload was refused"));

    gateway.signal("TERM");
    assert_eq!(systemd.hears(), "STOPPING=1 STATUS=settling the pushes in flight");
    assert_eq!(gateway.ended().0, Some(0));
}

#[test]
fn the_watchdog_is_patted_as_long_as_threads_move() {
    let (systemd, _folder, _gateway) = start(LOG, &[("WATCHDOG_USEC", "2000000")]);
    assert!(systemd.hears().starts_with("READY=1"));
    for _ in 0..3 {
        assert_eq!(systemd.hears(), "WATCHDOG=1");
    }
}

#[test]
fn a_socket_that_is_gone_stops_nobody() {
    let folder = Folder::with(LOG);
    let path = folder.path().join("nobody");
    let env = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let mut gateway = Process::start_with(&folder, &[], &env);
    gateway.says("cannot tell systemd");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
}
