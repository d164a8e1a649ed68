//! Two gateways that share one Redis: simulated in every test, real in one.

mod events;
mod faults;
mod pushkeys;
mod server;
mod store;

use loadtest::peers::apns::Apns;
use loadtest::peers::redis::{Options, Redis};

use crate::helpers::{Setup, TestGateway, apns};
use crate::puppet::Puppet;

/// A gateway with its tables in Redis, whose answers it waits for as long as a busy machine takes.
fn replica(url: &str) -> Setup {
    replica_within(url, 5000)
}

/// A gateway that waits for an answer of Redis no longer than this.
fn replica_within(url: &str, timeout_ms: u64) -> Setup {
    Setup::new().section(&format!(
        "state: {{backend: redis, redis_url: '{url}', redis_timeout_ms: {timeout_ms}}}"
    ))
}

fn redis() -> Redis {
    Redis::start(Options::default())
}

/// Two replicas with one app at a simulated Apple; `section` holds for both.
fn pair(url: &str, section: &str) -> (TestGateway, TestGateway, Apns) {
    pair_of(|| replica(url).section(section))
}

/// Two replicas, each made so, with one app at a simulated Apple.
fn pair_of(make: impl Fn() -> Setup) -> (TestGateway, TestGateway, Apns) {
    let (apple, key) = apns();
    let start = || make().apns("app", &apple, &key, "").start();
    (start(), start(), apple)
}

/// Two replicas with one puppet, each with a deadline of its own in seconds.
fn puppets(url: &str, deadlines: [u64; 2]) -> (TestGateway, TestGateway, Puppet) {
    let puppet = Puppet::new();
    let [a, b] = deadlines.map(|seconds| {
        replica(url)
            .section(&format!("delivery: {{deadline_seconds: {seconds}}}"))
            .puppet(&puppet)
            .start()
    });
    (a, b, puppet)
}

/// Returns the key under which the only event is claimed or known.
fn key_of_event(redis: &Redis) -> String {
    let key = redis.keys().into_iter().find(|key| !key.ends_with(":rate"));
    key.expect("the event has a key")
}
