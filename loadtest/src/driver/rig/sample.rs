//! One request of a gateway's, for those who are to send the same without it.

use std::io;

use super::Rig;
use crate::driver::bodies::{Devices, Registered};
use crate::peers::{Peer, Received, Recording};

/// One request, and whom it went to.
pub(crate) struct Sample {
    /// The request as it arrived.
    pub(crate) received: Received,
    /// The provider that took it.
    pub(crate) peer: Peer,
    /// The device that it was for, if it is registered somewhere.
    pub(crate) device: Option<Registered>,
}

impl Rig {
    /// Has the gateway deliver one push, and ends it. The provider lives on.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing arrives.
    pub(crate) fn sample(self) -> io::Result<Sample> {
        let nothing = || io::Error::other("the gateway's first push does not arrive");
        let provider = self.providers.first().ok_or_else(nothing)?;
        provider.peer.recording(Recording::Everything);
        self.send(1, &self.bodies)?;
        let received = provider.peer.received().pop().ok_or_else(nothing)?;
        provider.peer.clear_record();
        provider.peer.recording(Recording::Totals);
        Ok(Sample {
            received,
            peer: provider.peer.clone(),
            device: match &provider.devices {
                Devices::Registered(all) => all.first().cloned(),
                Devices::Numbered { .. } => None,
            },
        })
    }
}
