//! What an operator writes for `type: log`.
//!
//! Nothing but the keys of every app: there is no vendor to know.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Plan;
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;

/// Writes the notification to the log and delivers nothing: for development.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    #[serde(flatten)]
    common: Common,
}

impl ProviderConfig for Config {
    const NAME: &'static str = "log";
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        Ok(Plan { app: around.metrics.app().clone(), view: self.common.view_options() })
    }
}
