//! The handle on a running peer: its script, the faults of its connections, its record.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::orders::Order;
use super::record::Received;
use super::server::Shared;
use super::thread::Thread;
use super::{Answer, Ledger, Recording, pki};

/// How long the waiting methods wait before they panic.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running peer; clones are handles on the same one. Usable from any thread and any runtime.
#[derive(Clone)]
pub struct Peer {
    pub(super) shared: Arc<Shared>,
    pub(super) thread: Arc<Thread>,
}

impl Peer {
    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns `https://localhost:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.shared.address.port())
    }

    /// Returns the certificate authority to trust; the same for every peer of the process.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        pki::ca_pem()
    }

    /// Writes the certificate authority into a directory and returns the file.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn write_ca(&self, directory: impl AsRef<Path>) -> PathBuf {
        pki::write_ca(directory)
    }

    /// Answers the next valid request with an error of the provider.
    ///
    /// # Panics
    ///
    /// If `status` is not an HTTP status.
    pub fn answer(&self, status: u16, reason: &str) {
        self.answer_next(Answer::new(status, reason));
    }

    /// Answers the next valid request; several calls queue up.
    pub fn answer_next(&self, answer: Answer) {
        self.shared.script.next([answer]);
    }

    /// Answers the next `times` valid requests.
    pub fn answer_times(&self, times: usize, answer: &Answer) {
        self.shared.script.next(std::iter::repeat_n(answer.clone(), times));
    }

    /// Answers every valid request for which nothing else is scripted; replaces the former rule.
    pub fn always(&self, answer: Answer) {
        self.answer_with(move |_| answer.clone());
    }

    /// Asks `rule` for each valid request for which nothing else is scripted; it returns an
    /// [`Answer`] or `Option<Answer>`, `None` being acceptance. Replaces the former rule.
    ///
    /// The rule must not hold a handle on this peer, or it would never stop.
    pub fn answer_with<A: Into<Option<Answer>>>(
        &self,
        rule: impl Fn(&Received) -> A + Send + Sync + 'static,
    ) {
        self.shared.script.rule(Arc::new(move |request| rule(request).into()));
    }

    /// Scripts the answers to one device token, registration token or installation id.
    #[must_use]
    pub fn for_token(&self, token: &str) -> TokenScript<'_> {
        TokenScript { peer: self, token: token.to_owned() }
    }

    /// Forgets the whole script.
    pub fn clear_script(&self) {
        self.shared.script.clear();
    }

    /// Delays every answer from now on.
    pub fn latency(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.shared.latency.store(nanoseconds, Ordering::Relaxed);
    }

    /// Refuses new TCP connections, or takes them again; open ones stay.
    pub fn refuse_connections(&self, refuse: bool) {
        self.thread.refuse(refuse);
    }

    /// Sends a GOAWAY on every open connection: requests seen so far are answered, later ones are
    /// not, and the connection ends with the last answer.
    pub fn goaway(&self) {
        self.shared.lines.order(&Order::GoAway);
    }

    /// Cuts every open connection.
    pub fn close_all(&self) {
        self.shared.lines.order(&Order::Close);
    }

    /// Freezes every open connection: nothing is read, written or answered, not even a PING, and
    /// nothing is closed. New connections work.
    pub fn freeze(&self) {
        self.shared.lines.order(&Order::Freeze);
    }

    /// Thaws frozen connections.
    pub fn thaw(&self) {
        self.shared.lines.order(&Order::Thaw);
    }

    /// Allows this many concurrent streams on new connections and, by a SETTINGS frame, on those
    /// open; more are refused. On APNs, those that have proven themselves.
    pub fn max_streams(&self, streams: u32) {
        self.shared.max_streams.store(streams, Ordering::Relaxed);
        self.shared.lines.order(&Order::Streams(streams));
    }

    /// Sets how much is remembered from now on.
    pub fn recording(&self, recording: Recording) {
        self.shared.record.set_level(recording);
    }

    /// Marks every event accepted from now on in a ledger, which several peers can share. A peer
    /// keeps the first it is given.
    pub fn ledger(&self, ledger: &Arc<Ledger>) {
        self.shared.record.set_ledger(Arc::clone(ledger));
    }

    /// Forgets all requests and counts.
    pub fn clear_record(&self) {
        self.shared.record.clear();
    }

    /// Returns every request so far, refused ones too.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.record.received()
    }

    /// Returns how many requests came, refused ones too.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.record.count()
    }

    /// Returns how many requests were answered with success.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.record.accepted()
    }

    /// Returns how many requests the provider's rules refused; zero for a correct gateway.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.shared.record.refused()
    }

    /// Returns how many pushes to this token were accepted.
    #[must_use]
    pub fn accepted_for(&self, token: &str) -> usize {
        self.shared.record.accepted_for(token)
    }

    /// Returns how often this event was accepted for this token.
    #[must_use]
    pub fn accepted_event(&self, token: &str, event_id: &str) -> usize {
        self.shared.record.accepted_event(token, event_id)
    }

    /// Returns how many accepted pushes repeated an event for the same token.
    #[must_use]
    pub fn doubled(&self) -> usize {
        self.shared.record.doubled()
    }

    /// Returns how many connections were opened so far.
    #[must_use]
    pub fn connections_opened(&self) -> usize {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Returns how many streams were refused because too many were open.
    #[must_use]
    pub fn streams_refused(&self) -> usize {
        self.shared.streams_refused.load(Ordering::Relaxed)
    }

    /// Waits for the next request no `next` has returned yet.
    ///
    /// # Panics
    ///
    /// If none comes in 30 seconds, or everything is not being recorded.
    pub async fn next(&self) -> Received {
        assert!(
            self.shared.record.level() == Recording::Everything,
            "{} does not record its requests",
            self.shared.name
        );
        self.patiently("another request", self.shared.record.next()).await
    }

    /// Waits until `count` requests came in all.
    ///
    /// # Panics
    ///
    /// If they do not come in 30 seconds.
    pub async fn wait_for(&self, count: usize) {
        let what = format!("{count} requests in all");
        self.patiently(&what, self.shared.record.wait_for(count)).await;
    }

    /// Waits until `count` connections are open.
    ///
    /// # Panics
    ///
    /// If that does not happen in 30 seconds.
    pub async fn wait_for_connections(&self, count: usize) {
        let what = format!("{count} open connections");
        let mut open = self.shared.open_changed.subscribe();
        self.patiently(&what, async {
            while self.connections_open() != count && open.changed().await.is_ok() {}
        })
        .await;
    }

    /// Waits on any runtime: the clock is the peer's own.
    async fn patiently<T>(&self, what: &str, event: impl Future<Output = T>) -> T {
        let mut alarm = AbortOnDrop(self.shared.runtime.spawn(tokio::time::sleep(PATIENCE)));
        tokio::select! {
            event = event => event,
            _ = &mut alarm.0 => panic!(
                "{} waited {} s in vain for {what}; it received {} requests, refused {} of them, \
                 and has {} connections open",
                self.shared.name,
                PATIENCE.as_secs(),
                self.count(),
                self.refused(),
                self.connections_open(),
            ),
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The script of one token.
pub struct TokenScript<'a> {
    peer: &'a Peer,
    token: String,
}

impl TokenScript<'_> {
    /// Answers the token's next valid request with an error of the provider.
    ///
    /// # Panics
    ///
    /// If `status` is not an HTTP status.
    pub fn answer(&self, status: u16, reason: &str) {
        self.answer_next(Answer::new(status, reason));
    }

    /// Answers the token's next valid request; several calls queue up.
    pub fn answer_next(&self, answer: Answer) {
        self.peer.shared.script.token_next(&self.token, answer);
    }

    /// Answers every valid request to the token for which no next answer waits.
    pub fn always(&self, answer: Answer) {
        self.peer.shared.script.token_always(&self.token, answer);
    }

    /// Forgets what is scripted for the token.
    pub fn clear(&self) {
        self.peer.shared.script.token_clear(&self.token);
    }
}
