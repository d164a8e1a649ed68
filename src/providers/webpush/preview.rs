//! The request to a push service that a push would become.

use http::HeaderValue;

use super::subscription::Subscription;
use super::{Plan, payload};
use crate::matrix::Json;
use crate::providers::aes128gcm::{MAX_BODY, MAX_PLAINTEXT, seal};
use crate::providers::draft::UNLIMITED;
use crate::providers::outcome::{Cause, Outcome};
use crate::providers::preview::{Limit, Preview, values};
use crate::providers::push::Push;
use crate::transport::hosts;

impl Plan {
    /// Makes the request of a push; an `Err` is the outcome of one that is not sent.
    pub(super) fn request_for(&self, push: &Push) -> Result<Preview, Outcome> {
        let rules = &self.rules;
        let view = push.view(rules.view);
        let (wishes, Subscription { endpoint, keys }) = rules.admit(&view)?;
        hosts::check(&endpoint, self.dialer.addresses)?;
        let plaintext = payload::build(&view, MAX_PLAINTEXT)?;
        let body = seal(&plaintext, &keys)?;
        let limit = Limit { of: "encrypted message", bytes: body.len(), most: MAX_BODY };
        let head = rules.head(&view, wishes, self.placeholder()?);
        let request = head.request(&endpoint, body);
        let mut whole = values(&payload::build(&view, UNLIMITED)?);
        // What a notification would not show is trimmed whatever the room.
        if let Some(content) = view.content.map(Json::as_str).filter(|it| *it != "{}") {
            whole["content"] = values(content.as_bytes());
        }
        let preview = Preview::of(&request, endpoint).limited(limit);
        Ok(preview.with_plaintext(&plaintext).made_from(&whole))
    }

    /// Returns what stands for the VAPID token.
    fn placeholder(&self) -> Result<HeaderValue, Outcome> {
        let key = self.rules.signer.public_key();
        let value = HeaderValue::try_from(format!("vapid t=<VAPID token>, k={key}"));
        value.map_err(|error| {
            Outcome::backoff(Cause::local("cannot_sign").with_detail(error.to_string()))
        })
    }
}
