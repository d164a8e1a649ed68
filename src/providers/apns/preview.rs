//! The request to Apple that a push would become.

use std::time::UNIX_EPOCH;

use http::HeaderValue;

use super::auth::Bearer;
use super::payload::{self, Shape};
use super::{Identity, Plan};
use crate::providers::draft::UNLIMITED;
use crate::providers::outcome::Outcome;
use crate::providers::preview::{Limit, Preview, values};
use crate::providers::push::Push;

/// Stands for the provider token.
const PLACEHOLDER: HeaderValue = HeaderValue::from_static("bearer <provider token>");

impl Plan {
    /// Makes the request of a push; an `Err` is the outcome of one that is not sent.
    pub(super) fn request_for(&self, push: &Push) -> Result<Preview, Outcome> {
        let rules = &self.rules;
        let path = rules.admit(push)?;
        let view = push.view(rules.view);
        let payload = payload::build(&view, rules.shape)?;
        let unlimited = Shape { limit: UNLIMITED, ..rules.shape };
        let whole = payload::build(&view, unlimited)?;
        let limit = Limit { of: "payload", bytes: payload.len(), most: rules.shape.limit };
        let bearer = match rules.identity {
            Identity::ProviderToken { .. } => {
                Some(Bearer { header: PLACEHOLDER, expires: UNIX_EPOCH })
            }
            Identity::Certificate { .. } => None,
        };
        let template = &rules.template;
        let request = template.build(path, push.id(), &view, bearer.as_ref(), payload);
        let url = format!("{}{}", self.origin, request.uri());
        Ok(Preview::of(&request, url).limited(limit).made_from(&values(&whole)))
    }
}
