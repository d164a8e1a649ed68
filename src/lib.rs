//! peregrine, a Matrix push gateway: the map of the house.
//!
//! A room imports only from the floors below it, on the highest and the lowest also from its
//! neighbours; `tests/floors.rs` holds us to that.
//!
//! | floor | rooms | what happens there |
//! |---|---|---|
//! | 5 entrance | [`app`], [`cli`], [`config`], [`lifecycle`] | a configuration becomes a running gateway |
//! | 4 front desk | [`http`] | a request becomes a notification, a verdict becomes an answer |
//! | 3 sorting room | [`dispatch`] | every device gets its push: routes, retries, the supervisor |
//! | 2 couriers | [`providers`] | how one push reaches one vendor, and what the vendor's answer means |
//! | 1 roads | [`transport`] | connections, TLS, tokens |
//! | 0 words | [`matrix`], [`glob`], [`fault`], [`schema`], [`secret`], [`telemetry`] | the vocabulary, what is wrong with a value, secrets, logs and metrics |
//!
//! `ARCHITECTURE.md` walks a notification through them.

pub mod app;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod fault;
pub mod glob;
pub mod http;
pub mod lifecycle;
pub mod matrix;
pub mod providers;
pub mod schema;
pub mod secret;
pub mod telemetry;
pub mod transport;
