//! The log, for development: a push becomes one line with what it is about, never its content.
//!
//! For those who set a homeserver up and have no vendor's credentials yet. Everything is accepted.

mod config;

use std::future::ready;
use std::sync::Arc;

use tokio::time::Instant;

use super::actor::Provider;
use super::app::{Blueprint, Credential};
use super::outcome::Outcome;
use super::push::{Push, ViewOptions};
use crate::telemetry::logs::ShortHash;

pub use config::Config;

/// A checked app, and the provider itself: there is no connection to keep.
#[derive(Debug, Clone)]
pub struct Plan {
    app: Arc<str>,
    view: ViewOptions,
}

impl Provider for Plan {
    fn send(&self, push: Push, _deadline: Instant) -> impl Future<Output = Outcome> + 'static {
        let view = push.view(self.view);
        tracing::info!(
            app = &*self.app,
            pushkey = %ShortHash(&view.device.pushkey),
            event_id = view.event_id,
            room_id = view.room_id,
            r#type = view.event_type,
            unread = view.counts.and_then(|counts| counts.unread),
            missed_calls = view.counts.and_then(|counts| counts.missed_calls),
            "push",
        );
        ready(Outcome::Accepted)
    }
}

impl Blueprint for Plan {
    type Provider = Self;

    fn build(&self) -> Self {
        self.clone()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::matrix;
    use crate::providers::testing::WHOLE;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_without_pushkey_or_content() {
        let body = json!({"notification": {
            "event_id": "$event", "room_id": "!room", "type": "m.room.message",
            "content": {"body": "secret"}, "sender_display_name": "secret",
            "counts": {"unread": 2},
            "devices": [{"app_id": "im.example", "pushkey": "secret"}],
        }});
        let request = matrix::decode(body.to_string().into()).unwrap();
        let push = Push::new(request.into(), 0).unwrap();
        let plan = Plan { app: "im.example".into(), view: WHOLE };
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let sent = tracing::subscriber::with_default(subscriber, || {
            futures_util::FutureExt::now_or_never(
                plan.build().send(push, Instant::now() + Duration::from_secs(1)),
            )
        });
        assert_eq!(sent, Some(Outcome::Accepted));
        let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let hash = ShortHash("secret").to_string();
        for part in ["INFO", "$event", "!room", "m.room.message", "unread=2", &hash] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }
}
