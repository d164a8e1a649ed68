//! A homeserver as one device's events see it: one after the other, each repeated until it is
//! settled, with a wait that doubles (Synapse's, a hundred times as fast).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::weather;
use crate::helpers::{Answer, Line, event};

const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Device {
    pub(super) app_id: &'static str,
    pub(super) number: usize,
    pub(super) pushkey: String,
    /// What the provider calls it.
    pub(super) token: String,
}

/// What a device's homeserver saw.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rejected: bool,
    pub(super) repeats: usize,
    /// Events that were answered with 504.
    pub(super) timed_out: HashSet<String>,
}

impl Device {
    pub(super) fn new(app_id: &'static str, number: usize, pushkey: String, token: String) -> Self {
        Self { app_id, number, pushkey, token }
    }

    /// Whether the provider will call it dead. The provider that panics calls nobody dead.
    pub(super) fn dies(&self) -> bool {
        self.app_id != "app.shaky" && weather::dies(self.number)
    }

    pub(super) fn event_id(&self, event: usize) -> String {
        format!("${}-{event}", self.number)
    }

    /// Sends all events, until the device is rejected.
    pub(super) async fn send_all(
        self,
        events: usize,
        address: watch::Receiver<SocketAddr>,
        settled: watch::Sender<usize>,
    ) -> (Self, Report) {
        let mut report = Report::default();
        let mut line = None;
        for number in 0..events {
            if !report.rejected {
                self.settle(number, &mut line, &address, &mut report).await;
            }
            settled.send_modify(|settled| *settled += 1);
        }
        (self, report)
    }

    async fn settle(
        &self,
        number: usize,
        line: &mut Option<Line>,
        address: &watch::Receiver<SocketAddr>,
        report: &mut Report,
    ) {
        let event_id = self.event_id(number);
        let body = event(self.app_id, &self.pushkey, &event_id);
        let mut wait = FIRST_WAIT;
        loop {
            if line.is_none() {
                let to = *address.borrow();
                *line = Line::open(to).await;
            }
            let answer: Option<Answer> = match line {
                Some(line) => line.notify(&body).await,
                None => None,
            };
            match answer.as_ref().map(|answer| answer.status) {
                Some(200) => {
                    let rejected = answer.unwrap().json()["rejected"].clone();
                    report.rejected = rejected != json!([]);
                    assert!(!report.rejected || rejected == json!([self.pushkey]));
                    return;
                }
                Some(504) => {
                    report.timed_out.insert(event_id.clone());
                }
                Some(502 | 503) => {}
                Some(_) => panic!("{answer:?}"),
                None => *line = None,
            }
            report.repeats += 1;
            sleep(wait).await;
            wait = LONGEST_WAIT.min(2 * wait);
        }
    }
}

/// Returns device and number of an event.
pub(super) fn event_number(event_id: &str) -> (usize, usize) {
    let (device, event) = event_id[1..].split_once('-').unwrap();
    (device.parse().unwrap(), event.parse().unwrap())
}
