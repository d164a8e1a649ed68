//! What can be done to the open connections of a peer, and waiting until it is done.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc as std_mpsc};
use std::thread;

use bytes::Bytes;
use h2::Reason;
use tokio::sync::mpsc;

/// What can be done to an open connection.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Close,
    Freeze,
    Thaw,
    Streams(u32),
    /// The connection may have all its streams now.
    Proven,
    /// GOAWAY after the newest stream.
    GoAway,
    /// GOAWAY in answer to a request.
    Leave {
        last_stream: u32,
        code: Reason,
        debug: Bytes,
        abrupt: bool,
    },
}

/// An order; whoever gave it waits until this is dropped.
pub(super) struct Command {
    pub(super) order: Order,
    _done: Option<std_mpsc::Sender<()>>,
}

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        Self { order, _done: None }
    }
}

/// An order to the listener; whoever gave it waits until this is dropped.
pub(super) struct Refuse {
    /// Whether new connections are refused.
    pub(super) refuse: bool,
    pub(super) _done: std_mpsc::Sender<()>,
}

/// The open connections, by number.
pub(super) struct Lines {
    thread: thread::ThreadId,
    open: Mutex<HashMap<u64, mpsc::UnboundedSender<Command>>>,
}

impl Lines {
    /// Makes the list of the peer that runs on this thread.
    pub(super) fn new() -> Self {
        Self { thread: thread::current().id(), open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<Command>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, id: u64, orders: mpsc::UnboundedSender<Command>) {
        self.open().insert(id, orders);
    }

    pub(super) fn remove(&self, id: u64) {
        self.open().remove(&id);
    }

    /// Gives an order to every open connection and waits until it is carried out.
    pub(super) fn order(&self, order: &Order) {
        let (done, wait) = std_mpsc::channel();
        for line in self.open().values() {
            // A closed line has nothing left to carry out.
            let _ = line.send(Command { order: order.clone(), _done: Some(done.clone()) });
        }
        drop(done);
        // The peer's own thread would wait for itself.
        if thread::current().id() != self.thread {
            // Ends with an error when the last command is dropped.
            let _ = wait.recv();
        }
    }
}

/// Does `work` while obeying orders that need no knowledge of the protocol; `None` if cut.
pub(super) async fn obeying<T>(
    orders: &mut mpsc::UnboundedReceiver<Command>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut frozen = false;
    loop {
        tokio::select! {
            biased;
            command = orders.recv() => match command?.order {
                Order::Close | Order::GoAway | Order::Leave { .. } => return None,
                Order::Freeze => frozen = true,
                Order::Thaw => frozen = false,
                Order::Streams(_) | Order::Proven => {}
            },
            done = &mut work, if !frozen => return Some(done),
        }
    }
}
