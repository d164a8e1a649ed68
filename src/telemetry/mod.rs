//! What operators see: logs and metrics. May be imported by every room, imports none.

pub mod config;
pub mod logs;
pub mod metrics;

pub use metrics::{AppMetrics, Metrics};
