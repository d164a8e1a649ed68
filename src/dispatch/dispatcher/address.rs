//! Where a push goes: the lane of its app, or what to say where there is none.

use std::sync::Arc;

use crate::dispatch::config::UnknownAppId;
use crate::dispatch::ending::{Ending, Fate};
use crate::dispatch::lane::Lane;
use crate::dispatch::plan::Plan;
use crate::dispatch::routes::Routed;
use crate::dispatch::verdict::Settlement;
use crate::matrix::Device;
use crate::providers::Cause;
use crate::telemetry::logs;

/// Finds the lane of a device's app, or what to say where there is none.
pub(super) fn lane_of<'a>(plan: &'a Plan, device: &Device) -> Result<&'a Arc<Lane>, Ending> {
    let rejected = Settlement::Rejected;
    if device.has_oversized_app_id() {
        return Err(Ending::at_once(rejected, Fate::UnknownApp, "app_id_too_long"));
    }
    let app_id = &*device.app_id;
    match plan.routes.find(app_id) {
        Routed::To(lane) => Ok(&plan.lanes[lane]),
        Routed::Ambiguous(lane) => {
            let Lane { app, alarms, .. } = &*plan.lanes[lane];
            let cause = Cause::alarm("ambiguous_app_id")
                .with_detail("another app matches this app_id as well: name it exactly in `apps`");
            alarms.raise(&app.metrics, app.provider, &cause);
            let settlement = Settlement::ProviderFailed;
            Err(Ending::at_once(settlement, Fate::AmbiguousApp, ""))
        }
        Routed::Unknown => Err(Ending::at_once(unknown(plan, app_id), Fate::UnknownApp, "")),
    }
}

/// Says what an app_id means that no app has. Anyone can make them up, so the log is spared.
fn unknown(plan: &Plan, app_id: &str) -> Settlement {
    let due = plan.unknown_app_ids.is_due();
    match plan.config.unknown_app_id {
        UnknownAppId::Reject => {
            if let Some(left_out) = due {
                tracing::warn!(
                    app_id = logs::cut(app_id),
                    left_out,
                    "no app has this app_id: it is rejected"
                );
            }
            Settlement::Rejected
        }
        UnknownAppId::Error => {
            if let Some(left_out) = due {
                tracing::error!(app_id, left_out, "no app has this app_id: the request fails");
            }
            Settlement::ProviderFailed
        }
    }
}
