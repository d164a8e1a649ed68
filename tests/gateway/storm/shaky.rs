//! A provider whose actor panics at some pushes, before it takes them.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use peregrine::providers::{App, Blueprint, Common, Credential, Outcome, Provider, Push};
use serde_json::json;
use tokio::time::Instant;

use super::homeserver::event_number;
use crate::helpers::OwnApp;

#[derive(Clone, Default)]
pub(super) struct Shaky(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    panicked: HashMap<String, usize>,
    accepted: HashMap<(String, String), usize>,
}

impl Shaky {
    pub(super) fn app(&self, app_id: &'static str) -> OwnApp {
        let shaky = self.clone();
        Arc::new(move |metrics| {
            let common: Common = serde_json::from_value(json!({})).unwrap();
            App::new(app_id, "shaky", common, shaky.clone(), metrics.app(app_id, "shaky"), 0)
        })
    }

    pub(super) fn accepted(&self, pushkey: &str, event_id: &str) -> usize {
        let key = (pushkey.to_owned(), event_id.to_owned());
        let taken = self.0.lock().unwrap();
        taken.accepted.get(&key).copied().unwrap_or_default()
    }

    /// Returns how often an event was taken again.
    pub(super) fn twice(&self) -> usize {
        let taken = self.0.lock().unwrap();
        taken.accepted.values().map(|times| times - 1).sum()
    }
}

impl Blueprint for Shaky {
    type Provider = Self;

    fn build(&self) -> Self {
        self.clone()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

impl Provider for Shaky {
    fn send(&self, push: Push, _: Instant) -> impl Future<Output = Outcome> + 'static {
        let shaky = self.0.clone();
        async move {
            let event_id = push.notification().event_id.as_deref().unwrap().to_owned();
            let (device, event) = event_number(&event_id);
            let fatal = device % 5 == 0 && event == 3;
            let panics = {
                let mut taken = shaky.lock().unwrap();
                let panicked = taken.panicked.entry(event_id.clone()).or_default();
                let panics = fatal && *panicked == 0;
                *panicked += usize::from(panics);
                panics
            };
            if panics {
                resume_unwind(Box::new("a test's panic"));
            }
            tokio::task::yield_now().await;
            let key = (push.device().pushkey.to_string(), event_id);
            *shaky.lock().unwrap().accepted.entry(key).or_default() += 1;
            Outcome::Accepted
        }
    }
}
