//! What an operator writes for `type: unifiedpush`, and how it is checked at start.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Plan, Rules};
use crate::fault::Fault;
use crate::providers::aes128gcm::MAX_BODY;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;
use crate::providers::endpoints;

/// `UnifiedPush`: the pushkey is the endpoint that a phone's distributor handed out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// Largest message for a push server; longer ones lose their content first. Every push server
    /// takes 4096 bytes.
    #[serde(default = "default_max_body_bytes")]
    #[schemars(range(min = 1))]
    max_body_bytes: usize,
    #[serde(flatten)]
    endpoints: endpoints::Config,
    #[serde(flatten)]
    common: Common,
}

fn default_max_body_bytes() -> usize {
    MAX_BODY
}

impl ProviderConfig for Config {
    const NAME: &'static str = "unifiedpush";
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        let mut faults: Vec<Fault> = endpoints::no_base_url(&self.common).into_iter().collect();
        let dialer = self.endpoints.dialer(around);
        let dialer = dialer.map_err(|fault| faults.push(fault)).ok();
        let (Some(dialer), []) = (dialer, faults.as_slice()) else {
            return Err(faults);
        };
        Ok(Plan {
            rules: Arc::new(Rules {
                allowed: self.endpoints.allowed(),
                view: self.common.view_options(),
                max_body_bytes: self.max_body_bytes,
            }),
            dialer,
            hosts: endpoints::hosts(&self.common),
            open: around.metrics.connections.clone(),
        })
    }
}
