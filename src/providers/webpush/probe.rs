//! Whether our credential is good. There is nobody to ask: pushers name the push services.

use super::{Plan, signed};
use crate::providers::probe::Finding;

impl Plan {
    /// Signs a VAPID token, which goes nowhere.
    pub(super) fn try_out(&self) -> Finding {
        let signer = &self.rules.signer;
        let token = signed(signer.authorization("https://push.example"));
        let detail = "good; the push services to reach come with the pushers";
        Finding::of_step("signing with the VAPID key", token.map(|_| detail.to_owned()))
    }
}
