//! A lane over a provider that a test writes as a function.

use std::pin::Pin;
use std::sync::Arc;

use actix::{Actor, Context, Handler, MessageResult, Recipient};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::config::Config;
use super::lane::Lane;
use crate::matrix::{Device, NotifyRequest};
use crate::providers::actor::Down;
use crate::providers::{App, Blueprint, Credential, Outcome, Provider, Push};
use crate::telemetry::Metrics;

/// What is to come of a push.
pub(super) type Fate = Pin<Box<dyn Future<Output = Outcome>>>;

type Script = Arc<dyn Fn(&Push, Instant) -> Fate + Send + Sync>;

#[derive(Clone)]
struct Scripted(Script);

impl Provider for Scripted {
    fn send(&self, push: Push, deadline: Instant) -> impl Future<Output = Outcome> + 'static {
        (self.0)(&push, deadline)
    }
}

impl Blueprint for Scripted {
    type Provider = Self;

    fn build(&self) -> Self {
        self.clone()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

/// A lane with one actor and somebody who hears of its end. The actor moves while `thread` runs.
pub(super) struct Stage {
    pub(super) lane: Arc<Lane>,
    pub(super) thread: LocalSet,
    pub(super) downs: mpsc::UnboundedReceiver<Down>,
}

struct Listening(mpsc::UnboundedSender<Down>);

impl Actor for Listening {
    type Context = Context<Self>;
}

impl Handler<Down> for Listening {
    type Result = MessageResult<Down>;

    fn handle(&mut self, down: Down, _: &mut Self::Context) -> Self::Result {
        let _ = self.0.send(down);
        MessageResult(())
    }
}

impl Stage {
    pub(super) fn new(
        config: &Config,
        send: impl Fn(&Push, Instant) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let send: Script = Arc::new(send);
        let common = serde_json::from_value(json!({})).unwrap();
        let metrics = Metrics::new().app("app", "scripted");
        let app = App::new("app", "scripted", common, Scripted(send), metrics, 0);
        let lane = Arc::new(Lane::new(app, config, 1, 0));
        let thread = LocalSet::new();
        let (tell, downs) = mpsc::unbounded_channel();
        {
            let _entered = thread.enter();
            let supervisor: Recipient<Down> = Listening(tell).start().recipient();
            lane.seats.seat(&lane.app, 0, supervisor);
        }
        Self { lane, thread, downs }
    }
}

/// Makes a push to a device with this pushkey.
pub(super) fn push(pushkey: &str) -> Push {
    let device = Device { pushkey: pushkey.into(), ..Device::default() };
    let request = NotifyRequest { devices: vec![device], ..NotifyRequest::default() };
    Push::new(Arc::new(request), 0).unwrap()
}

/// Settles at once.
pub(super) fn at_once(outcome: Outcome) -> Fate {
    Box::pin(std::future::ready(outcome))
}
