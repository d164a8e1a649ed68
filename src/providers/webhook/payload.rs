//! From a push to the JSON that a webhook gets: the notification with its one device. Pure.

use crate::providers::draft::UNLIMITED;
use crate::providers::forward;
use crate::providers::outcome::Outcome;
use crate::providers::push::View;

/// Builds the body, however large: the operator's own server is not protected from what its
/// homeservers send.
///
/// # Errors
///
/// Returns the outcome of a push that has nothing to tell.
pub(super) fn build(view: &View<'_>) -> Result<Vec<u8>, Outcome> {
    forward::build(view, UNLIMITED, &[])
}
