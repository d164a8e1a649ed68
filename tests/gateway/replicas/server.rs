//! A real Redis, where `redis-server` is installed: it answers as the simulated one does.

use std::env;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{events, pushkeys};
use crate::helpers::until;

struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts it; `None` where it is not installed, which CI does not let pass.
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg::<&Path>(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                let is_required = env::var_os("PEREGRINE_REQUIRE_REDIS").is_some();
                assert!(!is_required, "cannot start redis-server: {error}");
                eprintln!("skipped: cannot start redis-server: {error}");
                return None;
            }
        };
        until("redis-server listens", async || TcpStream::connect(("127.0.0.1", port)).await.ok())
            .await;
        Some(Self { process, port, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_real_redis_answers_as_the_simulated_one_does() {
    let Some(server) = Server::start().await else {
        return;
    };
    // A database for each scene.
    let mut databases = 0..;
    let mut url = || format!("redis://127.0.0.1:{}/{}", server.port, databases.next().unwrap());
    events::a_delivered_event(&url()).await;
    events::copies_at_once(&url()).await;
    events::a_copy_whose_first_fails(&url()).await;
    pushkeys::a_dead_pushkey(&url()).await;
    pushkeys::the_rate_limit(&url()).await;
    pushkeys::a_badge_over_the_rate(&url()).await;
}
