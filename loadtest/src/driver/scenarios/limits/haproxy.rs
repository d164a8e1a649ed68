//! `HAProxy` as a user would call it fast: one thread, HTTP/1.1 in, HTTP/2 over TLS out, nothing
//! logged. It sets the path and the headers that let the simulated APNs take what it forwards.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::bare::Recipe;
use crate::driver::process::Process;

/// Starts it in front of what `recipe` sends to; `None` if it is not installed.
///
/// # Errors
///
/// Returns an error if it does not come up.
pub(super) fn start(recipe: &Recipe, folder: &Path) -> io::Result<Option<(Process, SocketAddr)>> {
    let ca = folder.join("haproxy-ca.pem");
    fs::write(&ca, &recipe.ca_pem)?;
    // Its log says no port of its choice, so one that was free a moment ago is named.
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let mut rules = format!("    http-request set-path {}\n", recipe.path);
    for (name, value) in &recipe.headers {
        if name != "apns-id" {
            // Writing to a String cannot fail.
            let _ = writeln!(rules, "    http-request set-header {name} \"{value}\"");
        }
    }
    let config = folder.join("haproxy.cfg");
    let text = format!(
        "global\n    nbthread 1\n    maxconn 2000\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 2m\n    timeout server 30s\n    \
         http-reuse always\n\
         frontend homeservers\n    bind {address}\n    default_backend provider\n\
         backend provider\n{rules}    server provider {} ssl ca-file {} sni str(localhost) alpn h2\n",
        recipe.address,
        ca.display(),
    );
    fs::write(&config, text)?;
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(&config);
    let process = match Process::start(command, None) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        started => started?,
    };
    for _ in 0..100 {
        if TcpStream::connect(address).is_ok() {
            return Ok(Some((process, address)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(io::Error::other("HAProxy does not listen"))
}
