//! Simulated push providers on loopback, one thread and one runtime each.
//!
//! A peer judges every request by the rules of the provider it stands for and refuses what that
//! provider would refuse, with its status and body. What passes is answered by the script, or
//! accepted. What is common to all peers (scripts, faults of the connection, records) is on
//! [`Peer`], to which each of them dereferences. A peer stops when its last handle is dropped.
//!
//! ```
//! use loadtest::peers::apns::{Apns, Options, ProviderKey};
//! use loadtest::peers::fcm::{self, Fcm};
//! use loadtest::peers::Answer;
//!
//! let key = ProviderKey::new("KEY0000001", "TEAM000001", &["org.example.app"]);
//! let apns = Apns::start(Options::default().key(&key));
//! // give the gateway apns.url(), apns.ca_pem(), key.p8(), key.key_id(), key.team_id()
//!
//! apns.answer(503, "ServiceUnavailable");                     // the next valid request
//! apns.answer_next(Answer::goaway());                         // the one after it
//! apns.for_token("c0ffee").always(Answer::new(410, "Unregistered").timestamp(1_700_000_000_000));
//! apns.answer_with(|request| request.headers.contains_key("apns-collapse-id").then(Answer::stall));
//! assert_eq!(apns.count(), 0);
//!
//! let fcm = Fcm::start(fcm::Options::new("example"));
//! let key_file = fcm.oauth().service_account("example").json();
//! fcm.oauth().answer(400, "invalid_grant");
//! fcm.answer_next(fcm::violation("message.token", "Invalid registration token"));
//! # assert!(key_file.contains("private_key"));
//! ```
//!
//! [`webpush`] and [`unifiedpush`] also play the client: they make what a pusher holds, and decrypt
//! what is sent to it. [`webhook`] plays the operator's own server, and checks the signature.
//!
//! ```
//! use loadtest::peers::{unifiedpush, webhook, webpush};
//!
//! let browsers = webpush::WebPush::start(&webpush::Options::default());
//! let browser = browsers.subscribe();          // pushkey: browser.p256dh, data: browser.data()
//! let phones = unifiedpush::UnifiedPush::start();
//! let (plain, sealed) = (phones.endpoint(), phones.endpoint_with_keys());
//! assert_ne!(plain.url, sealed.url);           // pushkey: sealed.url, data: sealed.data()
//! phones.for_token(plain.token()).always(loadtest::peers::Answer::status(410));
//! let hook = webhook::Webhook::start(&webhook::Options::default().secret("s3cret"));
//! assert!(hook.hook().starts_with(&hook.url()));
//! # assert!(browser.data()["auth"].is_string());
//! ```
//!
//! Then, on any runtime: `let push = apns.next().await; assert_eq!(push.json["event_id"], "$e");`.

mod answer;
pub mod apns;
pub mod fcm;
mod http1;
mod http2;
mod ledger;
pub mod oauth;
mod orders;
mod peer;
pub mod pki;
mod record;
pub mod redis;
mod script;
mod server;
mod service;
mod thread;
pub mod unifiedpush;
pub mod webhook;
pub mod webpush;
mod wire;

pub use answer::Answer;
pub use ledger::{Ledger, Truth};
pub use peer::{Peer, TokenScript};
pub use record::{Received, Recording};

#[cfg(test)]
mod tests;
