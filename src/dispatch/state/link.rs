//! One worker thread's connection to Redis: opened, doubted, opened anew.
//!
//! A push never waits for a connection, except while the very first one is being opened, and then
//! no longer than for an answer. One answer that is late or wrong is enough to doubt: from then on
//! nobody asks, until a question of the link's own was answered in time. So a Redis that is gone
//! costs a push nothing, and one that is stuck costs those under way a timeout.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::health::Trouble;
use super::scripts::Scripts;
use super::server::{Driver, Redis};

/// Upper bounds of the waits before a connection is opened anew: the first, doubling, and the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(5);

/// One worker thread's connection. Dropped, it is closed.
#[derive(Debug)]
pub struct Link {
    redis: Arc<Redis>,
    line: Rc<watch::Sender<Line>>,
    /// Until when pushes wait for the first connection.
    patience: Instant,
    keeper: JoinHandle<()>,
}

#[derive(Debug, Clone)]
enum Line {
    /// The first connection is being opened.
    Opening,
    /// Nobody asks.
    Down,
    /// As far as is known, questions are answered.
    Up(Open),
}

#[derive(Debug, Clone)]
struct Open {
    connection: MultiplexedConnection,
    scripts: Arc<Scripts>,
    /// Tells this time from earlier ones.
    turn: u64,
}

impl Link {
    /// Begins to open the connection.
    pub fn open(redis: Arc<Redis>) -> Self {
        let line = Rc::new(watch::Sender::new(Line::Opening));
        let keeper = Keeper { redis: redis.clone(), line: line.clone(), turn: 0, is_down: false };
        Self {
            patience: Instant::now() + redis.settings.timeout,
            redis,
            line,
            keeper: actix_rt::spawn(keeper.keep()),
        }
    }

    /// Asks a question. `None` where Redis does not answer, or not in time, or wrongly.
    pub async fn ask<T: FromRedisValue>(
        &self,
        question: impl FnOnce(&Scripts) -> Cmd,
    ) -> Option<T> {
        let Open { mut connection, scripts, turn } = self.up().await?;
        let limit = self.redis.settings.timeout;
        let question = question(&scripts);
        let trouble = match timeout(limit, question.query_async(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.into(),
            Err(_) => Trouble::timeout(limit),
        };
        self.redis.health.trouble(&trouble);
        self.line.send_if_modified(|line| {
            let is_ours = matches!(line, Line::Up(open) if open.turn == turn);
            if is_ours {
                *line = Line::Down;
            }
            is_ours
        });
        None
    }

    async fn up(&self) -> Option<Open> {
        let is_opening = match &*self.line.borrow() {
            Line::Up(open) => return Some(open.clone()),
            Line::Down => return None,
            Line::Opening => self.patience > Instant::now(),
        };
        if !is_opening {
            return None;
        }
        let mut line = self.line.subscribe();
        let opened = line.wait_for(|line| !matches!(line, Line::Opening));
        match &*timeout_at(self.patience, opened).await.ok()?.ok()? {
            Line::Up(open) => Some(open.clone()),
            _ => None,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Opens the connection, and opens it anew for as long as the link lives.
struct Keeper {
    redis: Arc<Redis>,
    line: Rc<watch::Sender<Line>>,
    turn: u64,
    is_down: bool,
}

impl Keeper {
    async fn keep(mut self) {
        let mut bound = FIRST_WAIT;
        loop {
            let trouble = match self.redis.connect().await {
                Ok((connection, driver)) => {
                    let before = self.turn;
                    let trouble = self.serve(connection, driver).await;
                    if self.turn > before {
                        bound = FIRST_WAIT;
                    }
                    trouble
                }
                Err(trouble) => trouble,
            };
            self.redis.health.trouble(&trouble);
            self.down();
            sleep(bound.mul_f64(fastrand::f64())).await;
            bound = (2 * bound).min(LAST_WAIT);
        }
    }

    /// Keeps one connection in use while it answers; returns why it does not any more.
    async fn serve(
        &mut self,
        mut connection: MultiplexedConnection,
        mut driver: Driver,
    ) -> Trouble {
        loop {
            match self.redis.prepare(&mut connection).await {
                Ok(scripts) => self.up(connection.clone(), scripts),
                Err(trouble) => return trouble,
            }
            let mut line = self.line.subscribe();
            let doubted = async {
                // What it returns holds a lock, which must not meet what comes next.
                drop(line.wait_for(|line| !matches!(line, Line::Up(_))).await);
            };
            tokio::select! {
                _ = &mut driver.0 => return Trouble::closed(),
                () = doubted => self.down(),
            }
        }
    }

    fn up(&mut self, connection: MultiplexedConnection, scripts: Scripts) {
        self.turn += 1;
        let turn = self.turn;
        self.line.send_replace(Line::Up(Open { connection, scripts: Arc::new(scripts), turn }));
        if std::mem::take(&mut self.is_down) {
            self.redis.health.up();
        }
    }

    fn down(&mut self) {
        self.line.send_replace(Line::Down);
        if !std::mem::replace(&mut self.is_down, true) {
            self.redis.health.down();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.is_down {
            self.redis.health.left();
        }
    }
}
