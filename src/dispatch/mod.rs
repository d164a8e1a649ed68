//! The sorting room: a notification in, a verdict out.
//!
//! On each worker thread one `supervisor` takes [`Notify`] from the front desk. Its `dispatcher`
//! walks the devices at once: `routes` finds the lane of an app_id, `memory` answers what is known
//! here, `state` what other replicas know. What is left is a `delivery`: the `lane` gives a place
//! in flight and an actor, `retry` repeats each `attempt` that may still succeed, `verdict` folds
//! the devices into one answer, an `ending` tells more of each to those who watch, and `status`
//! takes note. Nothing here knows an HTTP status of ours or which providers exist; from here a push
//! goes to `providers`.

pub mod alarms;
pub mod attempt;
pub mod badges;
pub mod budget;
pub mod circuit;
pub mod config;
pub mod delivery;
pub mod dispatcher;
pub mod duplicates;
pub mod ending;
pub mod guard;
pub mod keys;
pub mod lane;
pub mod limits;
pub mod memory;
pub mod pace;
pub mod plan;
pub mod rejections;
pub mod retry;
pub mod routes;
pub mod seats;
pub mod shards;
pub mod state;
pub mod status;
pub mod supervisor;
pub mod table;
#[cfg(test)]
mod testing;
pub mod verdict;

pub use config::{Config, StateConfig};
pub use ending::{Ending, Fate, Notified, Report};
pub use memory::Memory;
pub use plan::{CurrentPlan, Plan};
pub use state::Home;
pub use supervisor::{Adopt, Beat, Notify, Supervisor};
pub use verdict::Verdict;
