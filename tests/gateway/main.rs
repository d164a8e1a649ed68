//! The front door: the real app on free ports against simulated providers over real TLS and HTTP/2.
//!
//! One binary, a module for each subject. `helpers` starts gateways and speaks HTTP to them;
//! `puppet` is a provider for what no simulated vendor can bring about.

#![cfg(test)]

mod apns;
mod book;
mod fcm;
mod helpers;
mod logs;
mod notify;
mod ops;
mod page;
mod proxy;
mod puppet;
#[cfg(feature = "redis")]
mod replicas;
mod rotation;
mod runtime;
mod status;
mod storm;
mod supervision;
mod unifiedpush;
mod watchdog;
mod webhook;
mod webpush;
