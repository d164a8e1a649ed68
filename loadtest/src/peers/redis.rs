//! A simulated Redis: the few commands that a rate limit or a table of keys with ends needs, over
//! RESP2, and Lua scripts that really run (`lua`).
//!
//! It is as strict as a Redis behind a cluster's proxy: a script sees only the keys it declared,
//! and they have to be in one slot. It can freeze, vanish, lose everything, and answer with an
//! error.

mod lua;
mod resp;
mod store;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::pki::{self, ClientCertificates};
use super::thread::listen_on;
use lua::Interpreter;
use resp::{Reply, read_command};
use store::Store;

/// A running simulated Redis; it ends with its last handle.
#[derive(Clone)]
pub struct Redis(Arc<Handle>);

struct Handle {
    server: Arc<Server>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Server {
    address: SocketAddr,
    options: Options,
    store: Mutex<Store>,
    /// What it does; connections ask it before each answer.
    mood: watch::Sender<Mood>,
    scripts_run: AtomicUsize,
    opened: AtomicUsize,
}

/// How clients reach it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The password it asks for.
    pub password: Option<String>,
    /// Whether it speaks TLS.
    pub tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mood {
    Serves,
    /// Connections are taken and stay, and nothing is answered.
    Frozen,
    /// No connection is taken, and none stays.
    Gone,
    /// Every command but those that open a connection is answered with this error.
    Refuses(&'static str),
    Ended,
}

impl Redis {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let (ready, started) = std::sync::mpsc::channel();
        let run = move || -> io::Result<()> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, async {
                // Bound but never listening: keeps the port ours while it is gone.
                let reserved = tokio::net::TcpSocket::new_v4()?;
                reserved.set_reuseaddr(true)?;
                reserved.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                let server = Arc::new(Server {
                    address: reserved.local_addr()?,
                    options,
                    store: Mutex::default(),
                    mood: watch::Sender::new(Mood::Serves),
                    scripts_run: AtomicUsize::new(0),
                    opened: AtomicUsize::new(0),
                });
                let _ = ready.send(server.clone());
                server.listen().await
            })
        };
        let thread = thread::spawn(move || {
            run().unwrap_or_else(|error| panic!("the simulated Redis ended: {error}"));
        });
        let server = started.recv().unwrap_or_else(|_| panic!("cannot start the simulated Redis"));
        let thread = Mutex::new(Some(thread));
        Self(Arc::new(Handle { server, thread }))
    }

    /// Returns its URL: `redis://127.0.0.1:PORT`, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let Options { password, tls } = &self.0.server.options;
        let scheme = if *tls { "rediss" } else { "redis" };
        let login = password.as_ref().map(|it| format!(":{it}@"));
        let login = login.unwrap_or_default();
        format!("{scheme}://{login}{}", self.0.server.address)
    }

    /// Answers nothing from now on; connections stay.
    pub fn freeze(&self) {
        self.turn(Mood::Frozen);
    }

    /// Ends every connection and takes none.
    pub fn vanish(&self) {
        self.turn(Mood::Gone);
    }

    /// Answers everything with this error.
    pub fn refuse(&self, error: &'static str) {
        self.turn(Mood::Refuses(error));
    }

    /// Serves again; what it holds is still there.
    pub fn come_back(&self) {
        self.turn(Mood::Serves);
    }

    /// Loses keys and scripts, as a restart without persistence does.
    pub fn forget_everything(&self) {
        *self.0.server.store() = Store::default();
    }

    fn turn(&self, mood: Mood) {
        self.0.server.mood.send_replace(mood);
    }

    /// Returns the keys it holds, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.0.server.store().keys()
    }

    /// Returns a key's value and how long it is kept.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(String, Option<Duration>)> {
        let store = self.0.server.store();
        let (value, left) = store.look(key.as_bytes())?;
        Some((String::from_utf8_lossy(value).into_owned(), left))
    }

    /// Sets a key for a while.
    pub fn set(&self, key: &str, value: &str, lasts: Duration) {
        let mut store = self.0.server.store();
        store.set(key.as_bytes(), value.as_bytes(), Some(lasts));
    }

    /// Returns how many scripts ran.
    #[must_use]
    pub fn scripts_run(&self) -> usize {
        self.0.server.scripts_run.load(Ordering::SeqCst)
    }

    /// Returns how many connections were opened.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.0.server.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.server.mood.send_replace(Mood::Ended);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the peer's thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Server {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(self: Arc<Self>) -> io::Result<()> {
        let interpreter = Rc::new(Interpreter::default());
        let mut mood = self.mood.subscribe();
        loop {
            let now = mood.borrow_and_update().clone();
            match now {
                Mood::Ended => return Ok(()),
                Mood::Gone => drop(mood.changed().await),
                _ => {
                    let listener = listen_on(self.address)?;
                    while !matches!(*mood.borrow(), Mood::Gone | Mood::Ended) {
                        tokio::select! {
                            _ = mood.changed() => {}
                            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                                self.opened.fetch_add(1, Ordering::SeqCst);
                                let (server, lua) = (self.clone(), interpreter.clone());
                                tokio::task::spawn_local(server.serve(stream, lua));
                            },
                        }
                    }
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, lua: Rc<Interpreter>) {
        let mut mood = self.mood.subscribe();
        let over = async move {
            let _ = mood.wait_for(|mood| matches!(mood, Mood::Gone | Mood::Ended)).await;
        };
        let converse = async {
            // A client may vanish, or dislike our certificate: nothing to do about it here.
            let _ = self.greet(stream, &lua).await;
        };
        tokio::select! {
            () = over => {}
            () = converse => {}
        }
    }

    async fn greet(&self, stream: TcpStream, lua: &Interpreter) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.options.tls {
            let acceptor = pki::acceptor(&[], ClientCertificates::NotAsked);
            self.converse(acceptor.accept(stream).await?, lua).await
        } else {
            self.converse(stream, lua).await
        }
    }

    async fn converse<S>(&self, stream: S, lua: &Interpreter) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite,
    {
        let (read, mut write) = split(stream);
        let mut read = BufReader::new(read);
        let mut mood = self.mood.subscribe();
        let mut is_known = self.options.password.is_none();
        while let Some(command) = read_command(&mut read).await? {
            let thawed = mood.wait_for(|mood| *mood != Mood::Frozen).await;
            let Ok(now) = thawed.map(|mood| mood.clone()) else {
                return Ok(());
            };
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            let reply = self.answer(&words, &now, lua, &mut is_known);
            write.write_all(&reply.encode()).await?;
        }
        Ok(())
    }

    fn answer(
        &self,
        command: &[&[u8]],
        mood: &Mood,
        lua: &Interpreter,
        is_known: &mut bool,
    ) -> Reply {
        match (command, mood) {
            ([b"AUTH", given @ ..], _) => {
                let given = given.last().copied().unwrap_or_default();
                let password = self.options.password.as_deref();
                *is_known = password.map(str::as_bytes) == Some(given);
                if *is_known {
                    Reply::Ok
                } else {
                    Reply::error("WRONGPASS invalid username-password pair or user is disabled.")
                }
            }
            _ if !*is_known => Reply::error("NOAUTH Authentication required."),
            ([b"SELECT", _] | [b"CLIENT", b"SETINFO", _, _], _) => Reply::Ok,
            (_, Mood::Refuses(error)) => Reply::error(*error),
            ([b"SCRIPT", b"LOAD", script], _) => {
                let name = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, script).as_ref());
                let script = String::from_utf8_lossy(script).into_owned();
                self.store().scripts.insert(name.clone(), script);
                Reply::Bulk(name.into_bytes())
            }
            ([b"EVALSHA", name, count, words @ ..], _) => {
                self.scripts_run.fetch_add(1, Ordering::SeqCst);
                let count = std::str::from_utf8(count).ok().and_then(|it| it.parse().ok());
                let (keys, values) = match count {
                    Some(count) if count <= words.len() => words.split_at(count),
                    _ => return Reply::error("ERR Number of keys can't be greater than args"),
                };
                if !store::is_one_slot(keys) {
                    return Reply::error("CROSSSLOT Keys in request don't hash to the same slot");
                }
                let mut store = self.store();
                let Some(script) = store.scripts.get(&*String::from_utf8_lossy(name)).cloned()
                else {
                    return Reply::error("NOSCRIPT No matching script. Please use EVAL.");
                };
                lua.run(&script, keys, values, &mut store)
            }
            (command, _) => self.store().call(command),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
