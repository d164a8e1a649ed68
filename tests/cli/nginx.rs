//! The reverse proxy of `deploy/docker/nginx.conf`, really run, with the program behind it.
//!
//! Only addresses and TLS differ from the shipped file. Needs nginx; skipped without it, unless
//! `PEREGRINE_REQUIRE_NGINX` is set.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};

use crate::Folder;
use crate::process::{PATIENCE, Process, ask, ask_with, notify};

/// Fails instead of skipping where set.
const REQUIRED: &str = "PEREGRINE_REQUIRE_NGINX";

const NOTIFY: &str = "/_matrix/push/v1/notify";

const CONFIG: &str = "\
http: {port: 0, trusted_proxies: [127.0.0.2]}
admin: {bind: '127.0.0.1:0'}
log: {access: {x_forwarded_for: true}}
apps:
  a: {type: log}
  b: {type: unifiedpush}
";

/// A running nginx; ended when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns whether nginx can be run; fails where it has to be there.
fn has_nginx() -> bool {
    let found = Command::new("nginx").arg("-v").output().is_ok();
    let is_required = std::env::var_os(REQUIRED).is_some();
    assert!(found || !is_required, "{REQUIRED} is set, but there is no nginx");
    if !found {
        eprintln!("skipped: there is no nginx on this machine");
    }
    found
}

/// Returns the shipped file, which speaks to `gateway` and keeps its certificate in `folder`.
fn shipped(folder: &Path, gateway: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let conf = fs::read_to_string(root.join("deploy/docker/nginx.conf")).unwrap();
    let conf = conf.replace("peregrine:5000", gateway);
    conf.replace("/etc/nginx/tls", folder.to_str().unwrap())
}

/// Writes what nginx needs around a site, and returns the arguments that name it.
fn write(folder: &Path, site: &str) -> Vec<String> {
    let at = folder.to_str().unwrap();
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = places.map(|place| format!("{place}_temp_path {at}/{place};\n"));
    let places = places.concat();
    let around = format!(
        "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/error.log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{places}{site}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), around).unwrap();
    let conf = format!("{at}/nginx.conf");
    ["-e", "stderr", "-p", at, "-c", &conf].map(str::to_owned).to_vec()
}

/// Runs the shipped file in front of a gateway, without TLS, on an address that only this test has.
fn run(folder: &Path, gateway: SocketAddr) -> Nginx {
    let [low, high, ..] = std::process::id().to_le_bytes();
    let address = SocketAddr::from(([127, 7, high, low], 18_443));
    let site = shipped(folder, &gateway.to_string());
    let ours: Vec<_> = site
        .lines()
        .filter(|line| !line.contains("[::]") && !line.trim_start().starts_with("ssl_"))
        .collect();
    let site = ours.join("\n");
    let site = site.replace("listen 443 ssl;", &format!("listen {address};"));
    let site = site.replace("listen 80;", &format!("listen {}:18080;", address.ip()));
    // Its own address, so that its clients are not trusted with it.
    let bound = "proxy_bind 127.0.0.2;\nproxy_pass";
    let site = site.replace("proxy_pass", bound);
    let child =
        Command::new("nginx").args(write(folder, &site)).stdout(Stdio::null()).spawn().unwrap();
    let nginx = Nginx { child, address };
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(since.elapsed() < PATIENCE, "nginx does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    nginx
}

#[test]
fn nginx_takes_the_file() {
    if !has_nginx() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["push.example.com".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    fs::write(folder.path().join("fullchain.pem"), certificate).unwrap();
    fs::write(folder.path().join("privkey.pem"), key.serialize_pem()).unwrap();
    let site = shipped(folder.path(), "127.0.0.1:5000");
    // Ports above 1023 are anybody's.
    let site = site.replace("listen 80;", "listen 18080;").replace("listen 443", "listen 18443");
    let site = site.replace("[::]:80;", "[::]:18080;").replace("[::]:443", "[::]:18443");
    let output =
        Command::new("nginx").arg("-t").args(write(folder.path(), &site)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("[warn]"), "{said}");
}

#[test]
fn homeservers_get_through_it() {
    if !has_nginx() {
        return;
    }
    let folder = Folder::with(CONFIG);
    let mut gateway = Process::start(&folder, &[]);
    let public = gateway.listens_for("notifications");
    let place = tempfile::tempdir().unwrap();
    let nginx = run(place.path(), public);

    let settled = Some((200, r#"{"rejected":[]}"#.to_owned()));
    assert_eq!(notify(nginx.address, "a", "key"), settled);
    let discovery = ask(nginx.address, "GET", NOTIFY, "");
    let answer = r#"{"unifiedpush":{"gateway":"matrix"}}"#.to_owned();
    assert_eq!(discovery, Some((200, answer)));

    let body = r#"{"notification":{"devices":[{"app_id":"a","pushkey":"key"}]}}"#;
    let claims = "X-Forwarded-For: 192.0.2.7\r\nX-Request-Id: mine-1\r\n";
    assert_eq!(ask_with(nginx.address, "POST", NOTIFY, claims, body).unwrap().0, 200);
    let line = gateway.says("mine-1");
    assert!(
        line.contains("127.0.0.1") && !line.contains("192.0.2.7"),
        "nginx's word counts, not its client's: {line}"
    );

    // Nothing else of the gateway can be reached, and what is refused is said in Matrix's words.
    for path in ["/health", "/", "/_matrix/push/v1/notify/", "/status.json"] {
        let (status, body) = ask(nginx.address, "GET", path, "").unwrap();
        assert_eq!(status, 404, "{path}");
        assert!(body.contains(r#""errcode":"M_UNRECOGNIZED""#), "{body}");
    }
    for kilobytes in [600, 1100] {
        let body = "x".repeat(kilobytes * 1024);
        let (status, body) = ask(nginx.address, "POST", NOTIFY, &body).unwrap();
        assert_eq!(status, 413, "{kilobytes} kB");
        assert!(body.contains(r#""errcode":"M_TOO_LARGE""#), "{body}");
    }
}
