//! Two gateways that share one Redis: simulated in every test, real in one.

mod faults;
mod server;
mod shared;

use loadtest::peers::redis::{Options, Redis};

use crate::helpers::Setup;

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
