//! Starts gateways on free ports, each on a thread and in a folder of its own, and speaks HTTP to
//! them as a homeserver does.
//!
//! `setup` is what a gateway is started with, `gateway` the running one, `counts` what it has
//! counted; `peers` are whom it pushes to, `bodies` what it is sent, `http` how.

pub(crate) mod bodies;
mod counts;
mod gateway;
mod http;
mod peers;
pub(crate) mod proxy;
mod setup;

use std::time::Duration;

use tokio::time::timeout;

pub(crate) use bodies::{badge, event, event_to};
pub(crate) use gateway::TestGateway;
pub(crate) use http::{Answer, Hears, Line, request};
pub(crate) use peers::{TOKEN, TOKEN_HEX, TOPIC, apns, apns_with, fcm};
pub(crate) use setup::{OwnApp, PRIVATE, Setup};

/// Far longer than anything here takes: a hanging test ends with a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again for what tells nobody when it is there.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let found = timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}
