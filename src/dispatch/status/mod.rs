//! What operators see of the sorting room: what came of pushes, how fast, and what went wrong.
//!
//! Where a push is settled, [`Recents::note`] takes note of it, once: the app's `record` counts it
//! (`tally`, `latency`) and keeps its `errors`, and the process-wide `recents` keep it by the hash
//! of its pushkey. The `lookout` samples every record once a second into its `history`, and writes
//! a `report` when somebody asks: the `data` behind the status page. Nothing here decides anything.

pub mod data;
pub mod errors;
pub mod history;
pub mod latency;
pub mod lookout;
pub mod recents;
pub mod record;
mod report;
pub mod tally;

pub use data::Status;
pub use lookout::{Lookout, Query, STEP};
pub use recents::{Recents, Settled};
pub use record::Record;
