//! The request to FCM that a push would become.

use std::time::SystemTime;

use http::HeaderValue;

use super::payload::{self, Measured};
use super::{Plan, request};
use crate::providers::outcome::Outcome;
use crate::providers::preview::{Preview, values};
use crate::providers::push::Push;

/// Stands for the access token.
const PLACEHOLDER: HeaderValue = HeaderValue::from_static("Bearer <access token>");

impl Plan {
    /// Makes the request of a push; an `Err` is the outcome of one that is not sent.
    pub(super) fn request_for(&self, push: &Push) -> Result<Preview, Outcome> {
        let view = push.view(self.view);
        let measured = payload::measure(&self.template, &view, SystemTime::now())?;
        let Measured { body, whole, limit } = measured;
        let request = request(&self.uri, body, PLACEHOLDER);
        let url = self.uri.to_string();
        Ok(Preview::of(&request, url).limited(limit).made_from(&values(&whole)))
    }
}
