//! The gateway's configuration: what is under test, and nothing else but the defaults.

use std::fmt::Write as _;
use std::time::Duration;

use super::{App, Setup};

/// `pool` and `inflight_request_limit` of every app; what is not set is left to the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    /// `pool.actors`.
    pub(crate) actors: Option<usize>,
    /// `pool.connections`.
    pub(crate) connections: Option<usize>,
    /// `inflight_request_limit`.
    pub(crate) inflight_limit: Option<usize>,
}

impl Pool {
    /// Writes the keys of an app, each on a line.
    pub(crate) fn yaml(&self) -> String {
        let mut keys = String::new();
        // Writing to a String cannot fail.
        if let Some(limit) = self.inflight_limit {
            let _ = writeln!(keys, "inflight_request_limit: {limit}");
        }
        if self.actors.is_some() || self.connections.is_some() {
            let word = |count: Option<usize>| count.map_or("auto".to_owned(), |it| it.to_string());
            let (actors, connections) = (word(self.actors), word(self.connections));
            let _ = writeln!(keys, "pool: {{actors: {actors}, connections: {connections}}}");
        }
        keys
    }
}

/// What goes into `delivery`; what is not set is left to the gateway.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protection {
    /// `deadline_seconds`.
    pub(crate) deadline: Option<Duration>,
    /// `circuit_breaker.open_seconds`.
    pub(crate) circuit_open: Option<Duration>,
    /// Whether rejections are believed however many there are.
    pub(crate) no_guard: bool,
}

/// Writes a configuration.
pub(super) fn yaml(setup: &Setup, apps: &[App]) -> String {
    let mut yaml = format!(
        "http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\nruntime: {{workers: {}}}\n\
         tls: {{ca_file: ca.pem}}\nlog: {{format: json, access: {{enabled: false}}}}\n",
        setup.workers,
    );
    let mut delivery = Vec::new();
    if let Some(deadline) = setup.protection.deadline {
        delivery.push(format!("deadline_seconds: {}", deadline.as_secs().max(1)));
    }
    if let Some(open) = setup.protection.circuit_open {
        let seconds = open.as_secs().max(1);
        delivery.push(format!("circuit_breaker: {{open_seconds: {seconds}}}"));
    }
    if setup.protection.no_guard || setup.entries > 0 {
        delivery.push("mass_rejection_guard: {percent: 100}".to_owned());
    }
    // Writing to a String cannot fail.
    if !delivery.is_empty() {
        let _ = writeln!(yaml, "delivery: {{{}}}", delivery.join(", "));
    }
    yaml.push_str("apps:\n");
    let pool = setup.pool.yaml();
    for app in apps {
        let _ = writeln!(yaml, "  {}:", app.addressee.app_id);
        for line in app.keys.lines().chain(pool.lines()) {
            let _ = writeln!(yaml, "    {line}");
        }
    }
    yaml
}
