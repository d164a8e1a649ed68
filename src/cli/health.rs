//! `health`: asks the running gateway whether it is ready. The container's probe: it reads one key
//! of the configuration and no key file, and ends within seconds, with 0 or 1 and nothing else:
//! runtimes of containers give other codes meanings of their own.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::environment;
use super::print::{self, FormatOption};
use crate::config::{self, Bind, Finding};

/// The longest time for everything: a container's probe is given up after 30 s, often sooner.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most of an answer that is read.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// What it needs and says.
pub(super) const AFTER_HELP: &str = "\
Of the configuration it reads `admin.bind` alone, which says where to ask.

Exit codes: 0 ready, 1 not ready, or nobody can tell.";

/// How to ask.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    format: FormatOption,
}

/// Asks the gateway of this configuration.
pub(super) fn run(options: &super::Options, health: &Options) -> ExitCode {
    let health_of = match config::admin_bind(&options.config(), &environment).map(near) {
        Ok(bind) => match ask(&bind) {
            Ok(answer) => Health::read(&answer),
            Err(error) => Health::unknown(&format!("no answer from {bind}: {error}")),
        },
        Err(report) => {
            print::err(&report);
            let why = report.findings.first().map(Finding::fault);
            let (file, why) = (&report.file, why.unwrap_or_default());
            Health::unknown(&format!("cannot tell where to ask: {file}: {why}"))
        }
    };
    health.format.result(&health_of);
    if health_of.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns where a listener on every address is reached from here.
fn near(bind: Bind) -> Bind {
    let Bind::Tcp { host, port } = bind else {
        return bind;
    };
    let host = match host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "::1".to_owned(),
        _ => host,
    };
    Bind::Tcp { host, port }
}

/// Asks for readiness and returns the answer whole.
fn ask(bind: &Bind) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    match bind {
        Bind::Tcp { port: 0, .. } => Err(io::Error::other(
            "`admin.bind` has port 0, which is another one at each start: write a port",
        )),
        Bind::Tcp { host, port } => {
            let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, left(deadline)?) {
                    Ok(stream) => {
                        return exchange(stream, deadline, |stream, left| {
                            stream.set_read_timeout(left)?;
                            stream.set_write_timeout(left)
                        });
                    }
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        }
        Bind::Unix(path) => exchange(UnixStream::connect(path)?, deadline, |stream, left| {
            stream.set_read_timeout(left)?;
            stream.set_write_timeout(left)
        }),
    }
}

fn exchange<S: Read + Write>(
    mut stream: S,
    deadline: Instant,
    limit: impl Fn(&S, Option<Duration>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    limit(&stream, Some(left(deadline)?))?;
    stream.write_all(
        b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
          Connection: close\r\n\r\n",
    )?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while answer.len() as u64 <= MAX_ANSWER_BYTES {
        limit(&stream, Some(left(deadline)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("it does not end"))
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(too_late()) } else { Ok(left) }
}

fn too_late() -> io::Error {
    io::Error::other(format!("nothing within {} s", PATIENCE.as_secs()))
}

/// What the gateway says of itself.
#[derive(Debug, Serialize)]
struct Health {
    ready: bool,
    reasons: Vec<Value>,
}

impl Health {
    /// Reads an answer of HTTP/1.1.
    fn read(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).unwrap_or_default();
        let mut body: Value = serde_json::from_str(body).unwrap_or_default();
        match (status, body["ready"].as_bool(), body["reasons"].take()) {
            ("200", Some(true), _) => Self { ready: true, reasons: Vec::new() },
            ("503", Some(false), Value::Array(reasons)) => Self { ready: false, reasons },
            _ => Self::unknown(&format!(
                "what listens there is no admin listener of peregrine: check `admin.bind` \
                 (it answers {status:?})"
            )),
        }
    }

    fn unknown(reason: &str) -> Self {
        Self { ready: false, reasons: vec![serde_json::json!({ "reason": reason })] }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ready {
            return writeln!(f, "ready");
        }
        writeln!(f, "not ready")?;
        for reason in &self.reasons {
            let why = reason["reason"].as_str().unwrap_or_default();
            match reason["app"].as_str() {
                Some(app) => writeln!(f, "  {app}: {why}")?,
                None => writeln!(f, "  {why}")?,
            }
        }
        Ok(())
    }
}
