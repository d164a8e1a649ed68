//! systemd's watchdog, and a worker thread that no longer moves.
//!
//! What systemd tells a service is in the environment of its process, so the gateway runs in one of
//! its own: this binary, run again. It is led by lines on its standard input.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use peregrine::app::Gateway;
use peregrine::config;
use peregrine::lifecycle::{self, Signals};
use peregrine::telemetry::config::{LogConfig, MetricsConfig};
use peregrine::telemetry::{self, Metrics};
use serde_json::json;

use crate::helpers::{PATIENCE, Setup, event, request};
use crate::puppet::Puppet;

/// What the log says where the watchdog would be patted.
const WITHHELD: &str = "the watchdog is not patted";

/// What the process says once a thread is wedged.
const WEDGED: &str = "wedged now";

/// systemd's end of the socket.
struct Systemd(UnixDatagram);

impl Systemd {
    /// Waits for the next word; returns whether it pats the watchdog.
    fn hears_a_pat(&self) -> bool {
        let mut word = [0; 4096];
        let length = self.0.recv(&mut word).expect("a word comes");
        &word[..length] == b"WATCHDOG=1\n"
    }

    /// Takes every word that is there, and returns how many there were.
    fn words_so_far(&self) -> usize {
        self.0.set_nonblocking(true).unwrap();
        let words = (0..).take_while(|_| self.0.recv(&mut [0; 4096]).is_ok());
        let count = words.count();
        self.0.set_nonblocking(false).unwrap();
        count
    }
}

/// Ends the process with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_is_not_patted_while_a_worker_thread_is_wedged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let systemd = Systemd(UnixDatagram::bind(&path).unwrap());
    systemd.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut gateway = Killed(
        Command::new(env::current_exe().unwrap())
            .args(["watchdog::serve", "--exact", "--ignored", "--nocapture"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "800000")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut orders = gateway.0.stdin.take().unwrap();
    let lines = BufReader::new(gateway.0.stderr.take().unwrap()).lines();
    let (say, said) = channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
    let says = |words: &str| {
        let never = |_| panic!("never said {words:?}");
        while !said.recv_timeout(PATIENCE).unwrap_or_else(never).contains(words) {}
    };
    while !systemd.hears_a_pat() {}

    writeln!(orders, "wedge").unwrap();
    says(WEDGED);
    // Of the round that was under way then.
    says(WITHHELD);
    systemd.words_so_far();
    says(WITHHELD);
    says(WITHHELD);
    assert_eq!(systemd.words_so_far(), 0);

    writeln!(orders, "move").unwrap();
    while !systemd.hears_a_pat() {}
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn serve() {
    let env = |_: &str| None;
    let _telemetry = telemetry::start(&LogConfig::default(), &MetricsConfig::default(), &env);
    let setup = Setup::new().section("runtime: {workers: 2}").app("log", "type: log");
    let file = setup.folder().join("config.yaml");
    fs::write(&file, setup.yaml()).unwrap();
    let metrics = Metrics::new();
    let mut config = config::load(&file, &env, &metrics).unwrap().config;
    let puppet = Puppet::new();
    config.apps.push(puppet.app("app", json!({}), false)(&metrics));
    actix_rt::System::new().block_on(async {
        let gateway = Gateway::start(config, metrics).unwrap();
        let public = gateway.public_addresses()[0].parse().unwrap();
        thread::spawn(move || obey(&puppet, public));
        lifecycle::run_until_stopped(Signals::receive().unwrap(), gateway, |_| true).await;
    });
}

/// Wedges a worker thread at the first line, and frees it at the second.
fn obey(puppet: &Puppet, public: SocketAddr) {
    let mut orders = stdin().lines();
    orders.next();
    let wedge = puppet.wedge();
    actix_rt::System::new().block_on(async {
        let body = event("app", "wedged", "$1").to_string();
        actix_rt::spawn(async move {
            request(public, "POST", "/_matrix/push/v1/notify", body.as_bytes()).await
        });
        puppet.arrivals(1).await;
    });
    eprintln!("{WEDGED}");
    orders.next();
    drop(wedge);
}
