//! Filling the gateway's tables before anything is measured: through the front door, as pushes that
//! are delivered and pushes whose device is gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Rig;
use crate::driver::bodies::{Addressee, Bodies, Devices};
use crate::driver::clients::{Load, Plan};
use crate::driver::options::{Kind, Payload};
use crate::peers::Answer;

/// Connections that fill: enough to keep a gateway busy.
const CONNECTIONS: usize = 128;

/// The first device of those that are gone: far from those that get pushes.
const FIRST_GONE: u64 = 1 << 40;

impl Rig {
    /// Puts so many entries into the table of duplicates, and as many into that of rejections.
    pub(super) fn fill(&self, entries: u64, busy: &[Addressee]) -> io::Result<()> {
        let rejected = self.send(entries, &self.bodies)?;
        let Some(gone) = gone(entries, busy) else {
            return Err(io::Error::other(
                "cannot fill the table of rejections: browsers need keys; use apns or fcm",
            ));
        };
        for provider in &self.providers {
            let answer = match provider.kind {
                // So late that no pusher can be newer.
                Kind::Apns => Answer::new(410, "Unregistered").timestamp(4_000_000_000_000),
                _ => Answer::new(404, "UNREGISTERED"),
            };
            provider.peer.always(answer);
        }
        let rejected = self.send(entries, &Arc::new(gone))? - rejected;
        self.peers().for_each(crate::peers::Peer::clear_script);
        if rejected == entries {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "filled the table of rejections with {rejected} entries instead of {entries}"
        )))
    }

    /// Sends so many notifications; returns how many of the pushkeys were rejected.
    pub(super) fn send(&self, count: u64, bodies: &Arc<Bodies>) -> io::Result<u64> {
        let mut order = self.order(Plan::Closed, CONNECTIONS);
        order.limit = Some(count);
        order.bodies = Arc::clone(bodies);
        let load = Load::start(&order)?;
        while !load.is_over() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let rejected = load.take().total().rejected;
        self.next_number.store(load.next_number(), Ordering::Relaxed);
        load.finish()?;
        Ok(rejected)
    }
}

/// Makes notifications to devices that are gone; none if devices need keys.
fn gone(count: u64, busy: &[Addressee]) -> Option<Bodies> {
    let each = count.div_ceil(busy.len() as u64);
    let addressees: Option<Vec<Addressee>> = busy
        .iter()
        .map(|to| {
            let Devices::Numbered { around, digits, .. } = to.devices else {
                return None;
            };
            let devices = Devices::Numbered { around, digits, first: FIRST_GONE, count: each };
            Some(Addressee { devices, ..to.clone() })
        })
        .collect();
    Some(Bodies::new(Payload::Ids, &addressees?))
}
