//! One thread of homeservers: its connections, and the clock that tells it what is due.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};

use super::desk::Desk;
use super::line::Line;
use super::{Shared, TICK};

/// The wait before a lost connection is opened anew.
const RECONNECT: Duration = Duration::from_millis(20);

/// Plays the homeservers of one thread.
pub(super) fn play(
    shared: &Arc<Shared>,
    thread: usize,
    gateway: SocketAddr,
    numbers: &[usize],
    ready: mpsc::Sender<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let desk = Rc::new(Desk::new(Arc::clone(shared), thread));
        let mut lines = Vec::with_capacity(numbers.len());
        for &number in numbers {
            lines.push((number, Line::open(gateway, number).await?));
        }
        // Whoever waits for all threads waits for the last of these to go.
        drop(ready);
        let clock = Clock::start(shared)?;
        let mut tasks = JoinSet::new();
        for (number, line) in lines {
            tasks.spawn_local(connection(Rc::clone(&desk), line, number, gateway));
        }
        loop {
            tokio::select! {
                ended = tasks.join_next() => match ended {
                    Some(ended) => ended.map_err(io::Error::other)?,
                    None => return Ok(()),
                },
                () = clock.ticked.notified() => desk.tick(),
            }
        }
    })
}

/// One connection: opened again if it breaks, or was closed while it lay idle, as long as there is
/// something to send.
async fn connection(desk: Rc<Desk>, line: Line, number: usize, gateway: SocketAddr) {
    let mut line = Some(line);
    let mut request = Vec::with_capacity(2048);
    while let Some(job) = desk.next().await {
        desk.write(job.number, &mut request);
        if line.as_ref().is_some_and(Line::is_closed) {
            line = Line::open(gateway, number).await.ok();
        }
        let sent = Instant::now();
        desk.note_lateness(job.due, sent);
        let answer = match &mut line {
            Some(line) => line.ask(&request).await.ok(),
            None => None,
        };
        desk.settle(job, sent, answer);
        if answer.is_none() {
            line = Line::open(gateway, number).await.ok();
            if line.is_none() {
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }
}

/// Wakes a thread's runtime every tick: a thread that sleeps is on time within some 60 µs.
struct Clock {
    ticked: Arc<Notify>,
    stop: Arc<AtomicBool>,
}

impl Clock {
    fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let clock = Self { ticked: Arc::default(), stop: Arc::default() };
        if shared.plan.is_closed() {
            return Ok(clock);
        }
        let (ticked, stop) = (Arc::clone(&clock.ticked), Arc::clone(&clock.stop));
        let started = shared.started;
        let run = move || {
            let mut next = started;
            while !stop.load(Ordering::Relaxed) {
                let now = Instant::now();
                // Ticks that were missed are one.
                while next <= now {
                    next += TICK;
                }
                thread::sleep(next - now);
                ticked.notify_one();
            }
        };
        thread::Builder::new().name("client clock".to_owned()).spawn(run)?;
        Ok(clock)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
