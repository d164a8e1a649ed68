//! The configuration's faults, and whole attempts against a simulated APNs over real TLS.

mod config;
mod send;
