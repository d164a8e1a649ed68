//! The request to a push server that a push would become.

use super::subscription::Subscription;
use super::{Plan, payload, request};
use crate::providers::aes128gcm::seal;
use crate::providers::outcome::Outcome;
use crate::providers::preview::{Limit, Preview, values};
use crate::providers::push::Push;
use crate::transport::hosts;

impl Plan {
    /// Makes the request of a push; an `Err` is the outcome of one that is not sent.
    pub(super) fn request_for(&self, push: &Push) -> Result<Preview, Outcome> {
        let rules = &self.rules;
        let view = push.view(rules.view);
        let to = Subscription::of(view.device, &rules.allowed)?;
        hosts::check(&to.endpoint, self.dialer.addresses)?;
        let plaintext = payload::build(&view, &to, rules.max_body_bytes)?;
        let message = match &to.keys {
            Some(keys) => seal(&plaintext, keys)?,
            None => plaintext.clone().into(),
        };
        let limit = Limit {
            of: "body",
            bytes: message.len(),
            most: payload::most(&to, rules.max_body_bytes),
        };
        let request = request::build(message, view.prio, to.keys.is_some());
        let mut preview = Preview::of(&request, to.endpoint).limited(limit);
        if to.keys.is_some() {
            preview = preview.with_plaintext(&plaintext);
        }
        Ok(preview.made_from(&values(&payload::whole(&view)?)))
    }
}
