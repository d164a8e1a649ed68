//! A running gateway: what it says on standard error, the signals it gets, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Folder;

/// Far longer than anything here takes: a hanging test ends with a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Process {
    /// Starts the program in a folder.
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        Self::start_with(folder, args, &[])
    }

    /// Starts the program in a folder, with variables of an environment.
    pub(crate) fn start_with(folder: &Folder, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = folder
            .peregrine(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self { child, lines, said: String::new() }
    }

    /// Waits for a line that contains `words`, and returns it.
    pub(crate) fn says(&mut self, words: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("never said {words:?}, only:\n{}", self.said);
            };
            self.said += &line;
            self.said.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits until it says that it listens for `what`, and returns where.
    pub(crate) fn listens_for(&mut self, what: &str) -> SocketAddr {
        let line = self.says(&format!("listening for {what} "));
        let address = line.split("address=").nth(1);
        let address = address.and_then(|address| address.trim_matches('"').parse().ok());
        address.unwrap_or_else(|| panic!("no address: {line}"))
    }

    /// Sends a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and returns its exit code and everything it said on standard error.
    /// On standard output it says nothing.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        // Standard error is closed by the end of the process.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said += &line;
            self.said.push('\n');
        }
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        assert_eq!(stdout, "");
        let status = self.child.wait().unwrap();
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request; returns status and body, or `None` if the connection ends without an answer.
pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    ask_with(to, method, path, "", body)
}

/// Sends a request with further header lines, each ended by CR LF.
pub(crate) fn ask_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // As curl sends it.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         {headers}Connection: close\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Sends a notification of one event to one device.
pub(crate) fn notify(to: SocketAddr, app_id: &str, pushkey: &str) -> Option<(u16, String)> {
    let body = format!(
        r#"{{"notification":{{"event_id":"$e","devices":[{{"app_id":"{app_id}","pushkey":"{pushkey}"}}]}}}}"#
    );
    ask(to, "POST", "/_matrix/push/v1/notify", &body)
}

/// Sends a notification from a thread of its own.
pub(crate) fn begin_notify(
    to: SocketAddr,
    app_id: &'static str,
    pushkey: &'static str,
) -> JoinHandle<Option<(u16, String)>> {
    thread::spawn(move || notify(to, app_id, pushkey))
}
