//! A headless Chromium, driven over `ChromeDriver`'s HTTP (<https://www.w3.org/TR/webdriver2/>).

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::helpers::{PATIENCE, until};

/// Set where a machine without Chromium is a mistake.
const REQUIRED: &str = "PEREGRINE_REQUIRE_CHROMIUM";

/// Quiet towards the network, and nothing kept.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser with one tab. Dropped, it ends.
pub(super) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser; `None`, said aloud, on a machine that has none.
    pub(super) async fn start() -> Option<Self> {
        let chromium = ["chromium", "chromium-browser", "google-chrome"];
        let found = (find(&["chromedriver"]), chromium.iter().find_map(|&it| find(&[it])));
        let (Some(driver), Some(chromium)) = found else {
            assert!(
                env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set, but chromium or chromedriver is not on the PATH"
            );
            // Past the test harness, which hides what passing tests print.
            let note = "SKIPPED: the status page's test needs chromium and chromedriver\n";
            let _ = io::stderr().write_all(note.as_bytes());
            return None;
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let port = port(&mut driver);
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": flags },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let session = browser.ask("POST", "/session", &wanted).await;
        let id = session["sessionId"].as_str();
        browser.session = format!("/session/{}", id.expect("a session has an id"));
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub(super) async fn open(&self, url: &str) {
        self.tell("/url", &json!({ "url": url })).await;
    }

    /// Runs a function's body in the page. Returns what it returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.tell("/execute/sync", &body).await
    }

    /// Waits until an expression is true in the page.
    pub(super) async fn until(&self, expression: &str) {
        until(expression, async || {
            let is_true = self.run(&format!("return Boolean({expression})")).await;
            (is_true == true).then_some(())
        })
        .await;
    }

    /// Returns what was logged since it was last asked: to the console, or by the network.
    pub(super) async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.tell("/se/log", &json!({ "type": kind })).await;
        log.as_array().expect("a log is a list").clone()
    }

    /// Sends a command of Chrome's own protocol.
    pub(super) async fn command(&self, name: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": name, "params": parameters });
        self.tell("/goog/cdp/execute", &body).await
    }

    /// Makes the window this wide and high, in CSS pixels of so many device pixels.
    pub(super) async fn resize(&self, width: u32, height: u32, ratio: f64) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": ratio, "mobile": width < 600,
        });
        self.command("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// Prefers `dark` or `light`.
    pub(super) async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", &features).await;
    }

    /// Returns a picture of the window, as PNG.
    pub(super) async fn picture(&self) -> Vec<u8> {
        let picture = self.command("Page.captureScreenshot", &json!({ "format": "png" })).await;
        let data = picture["data"].as_str().expect("a picture has data");
        STANDARD.decode(data).unwrap()
    }

    async fn tell(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let exchange = timeout(PATIENCE, exchange(self.address, method, path, body));
        let (status, mut answer) = exchange.await.expect("chromedriver answers").unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session; without it the browser would stay.
        if let Ok(mut stream) = std::net::TcpStream::connect(self.address) {
            let bye = head(self.address, "DELETE", &self.session, 0);
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(bye.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn head(to: SocketAddr, method: &str, path: &str, length: usize) -> String {
    // The driver wants to be called by its own name.
    format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nContent-Length: {length}\r\n\r\n")
}

/// Asks the driver, which keeps connections open whatever it is told. Returns status and answer.
async fn exchange(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> io::Result<(u16, Value)> {
    let body = body.to_string();
    let mut stream = tokio::io::BufReader::new(TcpStream::connect(to).await?);
    let head = head(to, method, path, body.len());
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some((_, rest)) = line.split_once("http/1.1 ") {
            status = rest.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok((status, serde_json::from_slice(&answer)?))
}

/// Finds the first of these programs on the PATH.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// Returns the port that the driver says it listens on.
fn port(driver: &mut Child) -> u16 {
    let said = BufReader::new(driver.stdout.take().expect("its output is ours"));
    let mut lines = said.lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    port.expect("chromedriver says where it listens")
}
