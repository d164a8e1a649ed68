//! The request to the webhook that a push would become.

use super::Plan;
use crate::providers::outcome::Outcome;
use crate::providers::preview::Preview;
use crate::providers::push::Push;

impl Plan {
    /// Makes the request of a push; an `Err` is the outcome of one that is not sent.
    pub(super) fn request_for(&self, push: &Push) -> Result<Preview, Outcome> {
        let url = &self.rules.url;
        // What is behind the host may be a secret.
        let behind =
            if url.path() == "/" && url.query().is_none() { "/" } else { "/<rest of `url`>" };
        let shown = url.origin().ascii_serialization() + behind;
        Ok(Preview::of(&self.rules.request(push)?, shown))
    }
}
