//! Peregrine's counterparts: simulated push providers, for the gateway's tests and for load.
//!
//! [`peers`] holds providers that are as strict as the real ones, can be told to misbehave, and
//! remember what they were sent. They speak to the gateway over the network only. [`driver`] plays
//! the homeservers against a gateway and such a provider, and measures.

pub mod driver;
pub mod peers;
