//! From a push to the JSON that a phone's client reads: the notification with its one device, as
//! long as the push server takes it. Pure.
//!
//! <https://unifiedpush.org/developers/gateway/>

use super::subscription::{KEYS, Subscription};
use crate::providers::aes128gcm::{MAX_BODY, OVERHEAD};
use crate::providers::draft::UNLIMITED;
use crate::providers::forward;
use crate::providers::outcome::Outcome;
use crate::providers::push::View;

/// Builds the plaintext of a message whose body is at most `max_body_bytes` long on its way.
///
/// # Errors
///
/// Returns the outcome of a push that has nothing to tell, or whose ids alone do not fit.
pub(super) fn build(
    view: &View<'_>,
    to: &Subscription,
    max_body_bytes: usize,
) -> Result<Vec<u8>, Outcome> {
    let overhead = if to.keys.is_some() { OVERHEAD } else { 0 };
    let limit = most(to, max_body_bytes).saturating_sub(overhead);
    forward::build(view, limit, KEYS)
}

/// Returns the most bytes of a body on its way.
pub(super) fn most(to: &Subscription, max_body_bytes: usize) -> usize {
    match to.keys {
        Some(_) => max_body_bytes.min(MAX_BODY),
        None => max_body_bytes,
    }
}

/// Builds what is made to fit, as it would be without a limit.
///
/// # Errors
///
/// Returns the outcome of a push that has nothing to tell.
pub(super) fn whole(view: &View<'_>) -> Result<Vec<u8>, Outcome> {
    forward::build(view, UNLIMITED, KEYS)
}
