//! What an operator writes for `type: webpush`, and how it is checked at start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::Signer;
use super::vapid_key::VapidKey;
use super::{Plan, Rules};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;
use crate::providers::endpoints;

/// Web Push, to whichever push service a browser subscribed at (RFC 8030, 8291, 8292).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// A file with the VAPID private key (EC on P-256, PEM or DER); `peregrine keys vapid` makes
    /// one. Clients subscribe with its public key: with another key they all have to subscribe
    /// anew.
    vapid_private_key: PathBuf,
    /// Where push services reach the operator: an e-mail address, with or without `mailto:`, or an
    /// https URL.
    vapid_contact_email: String,
    /// How long push services keep a message for a browser that is off, in seconds; 0 is now or
    /// never.
    #[serde(default = "default_ttl")]
    ttl: u32,
    /// Accepted for Sygnal's sake, without effect: connections are shared and many pushes at once
    /// use each.
    #[schemars(range(min = 1))]
    max_connections: Option<u32>,
    #[serde(flatten)]
    endpoints: endpoints::Config,
    #[serde(flatten)]
    common: Common,
}

fn default_ttl() -> u32 {
    900
}

impl ProviderConfig for Config {
    const NAME: &'static str = "webpush";
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        let mut faults = Vec::new();
        faults.extend(endpoints::no_base_url(&self.common));
        if self.max_connections == Some(0) {
            let instead = "remove it: `pool.connections` says how many may be opened";
            faults.push(Fault::new("max_connections", "is 0", instead));
        }
        let mut keep = |fault| faults.push(fault);
        let subject = subject(&self.vapid_contact_email).map_err(&mut keep).ok();
        let key = VapidKey::read(&self.vapid_private_key, &around.files);
        let key = key.map_err(&mut keep).ok();
        let dialer = self.endpoints.dialer(around).map_err(&mut keep).ok();
        let (Some(subject), Some(key), Some(dialer), []) =
            (subject, key, dialer, faults.as_slice())
        else {
            return Err(faults);
        };
        let signer = Signer::shared(key, subject).map_err(|error| {
            let what = format!("the key cannot sign: {error}");
            vec![Fault::new("vapid_private_key", what, "name another one")]
        })?;
        Ok(Plan {
            rules: Arc::new(Rules {
                signer,
                allowed: self.endpoints.allowed(),
                view: self.common.view_options(),
                ttl: Duration::from_secs(self.ttl.into()),
                metrics: around.metrics.clone(),
            }),
            dialer,
            hosts: endpoints::hosts(&self.common),
        })
    }
}

/// Returns the contact as tokens name it. Apple refuses what is no URL, spaces and `<>` included.
fn subject(contact: &str) -> Result<String, Fault> {
    let contact = contact.trim();
    let address = contact.strip_prefix("mailto:").unwrap_or(contact);
    let is_clean =
        address.chars().all(|char| char.is_ascii_graphic() && !matches!(char, '<' | '>' | '"'));
    let is_address = address
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    match () {
        () if is_clean && contact.starts_with("https://") => Ok(contact.to_owned()),
        () if is_clean && is_address => Ok(format!("mailto:{address}")),
        () => Err(Fault::new(
            "vapid_contact_email",
            format!("`{contact}` is not an e-mail address"),
            "write one such as push@example.com, without a name or brackets",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_become_urls() {
        for (contact, expected) in [
            ("push@example.com", Some("mailto:push@example.com")),
            ("mailto:push@example.com", Some("mailto:push@example.com")),
            (" push@example.com\n", Some("mailto:push@example.com")),
            ("https://example.com/contact", Some("https://example.com/contact")),
            ("", None),
            ("mailto:", None),
            ("push", None),
            ("@example.com", None),
            ("push@", None),
            ("Push <push@example.com>", None),
            ("push @example.com", None),
        ] {
            assert_eq!(subject(contact).ok().as_deref(), expected, "{contact}");
        }
    }
}
