//! What an operator writes for `type: apns`, and what can be wrong with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::Credential;
use super::device_token::TokenForm;
use super::payload::Shape;
use super::push_type::PushType;
use super::request::Template;
use super::{Plan, Rules};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;
use crate::transport::pool::PoolSettings;
use crate::transport::tls::client_config;
use crate::transport::{Dialer, Origin};

/// Apple Push Notification service. Either `keyfile` with `key_id`, `team_id` and `topic` (a
/// provider token: one key for all apps of a team, never expires), or `certfile`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    #[serde(flatten)]
    common: Common,
    /// Which of Apple's environments the app's builds are for; absent is production.
    platform: Option<Platform>,
    /// A PEM file with a push certificate (its chain may follow) and its private key.
    pub(super) certfile: Option<PathBuf>,
    /// The .p8 file of a key for Apple Push Notifications service.
    pub(super) keyfile: Option<PathBuf>,
    /// The id of the key in `keyfile`, 10 characters, as Apple's developer pages show it.
    pub(super) key_id: Option<String>,
    /// The team's id, 10 characters, as Apple's developer pages show it under Membership.
    pub(super) team_id: Option<String>,
    /// The app's bundle id. With `certfile` it may be left out if the certificate names one topic.
    pub(super) topic: Option<String>,
    /// The kind of push, the same for every push of this app; absent leaves the header out.
    pub(super) push_type: Option<PushType>,
    /// Whether pushkeys are base64 (standard or url-safe, padded or not); false: they are
    /// hexadecimal text.
    #[serde(default = "yes")]
    convert_device_token_to_hex: bool,
    /// Appended to the topic where it is not its end already, such as `.voip`.
    topic_suffix: Option<String>,
    /// Whether a room's later push replaces the notification of an earlier one. Badge-only pushes
    /// replace nothing.
    #[serde(default)]
    collapse_per_room: bool,
    /// How long Apple keeps trying to reach a device; 0 tries once, absent leaves it to Apple.
    expiration_seconds: Option<u32>,
    /// Whether the sound the user's push rules ask for is played; it takes the place of one in
    /// `default_payload`.
    #[serde(default)]
    sound_from_tweaks: bool,
    /// Only events of these types are sent, such as `m.call.invite`; empty sends all. Pushes about
    /// no event (badges) are not affected; events that come without their type are not sent.
    #[serde(default)]
    only_event_types: Vec<String>,
}

/// Apple's environments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Platform {
    /// For builds from the App Store, `TestFlight` and ad-hoc distribution.
    #[default]
    Production,
    /// The same as `production`.
    Prod,
    /// For builds from Xcode.
    Sandbox,
}

fn yes() -> bool {
    true
}

impl ProviderConfig for Config {
    const NAME: &'static str = "apns";
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        let mut faults = Vec::new();
        let place = self.place().map_err(|fault| faults.push(fault)).ok();
        let suffix = self.suffix().map_err(|fault| faults.push(fault)).ok();
        let credential = Credential::read(&self, around).map_err(|found| faults.extend(found)).ok();
        let (Some((origin, path)), Some(suffix), Some(credential)) = (place, suffix, credential)
        else {
            return Err(faults);
        };
        let topic = topic(credential.topic, suffix).map_err(|fault| vec![fault])?;
        let tls =
            client_config(&around.roots, credential.certificate, &[b"h2"]).map_err(|error| {
                let what = format!("certificate and private key cannot be used: {error}");
                let instead = "put the certificate first, then its chain, then its own private key";
                vec![Fault::new("certfile", what, instead)]
            })?;
        let push_type = self.push_type;
        Ok(Plan {
            origin,
            dialer: Dialer::new(tls, around.proxy.clone()),
            pool: PoolSettings {
                max_connections: self.common.pool.connections.or(2),
                max_waiting: self.common.inflight_request_limit,
                ..PoolSettings::default()
            },
            rules: Arc::new(Rules {
                identity: credential.identity,
                view: self.common.view_options(),
                shape: Shape {
                    limit: PushType::payload_limit(push_type),
                    sound_from_tweaks: self.sound_from_tweaks,
                },
                only_event_types: self.only_event_types,
                template: Template {
                    path,
                    token_form: if self.convert_device_token_to_hex {
                        TokenForm::Base64
                    } else {
                        TokenForm::Hex
                    },
                    topic,
                    push_type,
                    expiration: self.expiration_seconds.map(|it| Duration::from_secs(it.into())),
                    collapse_per_room: self.collapse_per_room,
                },
                metrics: around.metrics.clone(),
            }),
        })
    }
}

impl Config {
    /// Returns where requests go, and their path up to the device token.
    fn place(&self) -> Result<(Origin, String), Fault> {
        let Some(endpoint) = &self.common.endpoint else {
            let host = match self.platform.unwrap_or_default() {
                Platform::Production | Platform::Prod => "api.push.apple.com",
                Platform::Sandbox => "api.sandbox.push.apple.com",
            };
            let origin = Origin { tls: true, host: host.to_owned(), port: 443 };
            return Ok((origin, "/3/device/".to_owned()));
        };
        let path = format!("{}/3/device/", endpoint.path().trim_end_matches('/'));
        Origin::of(endpoint)
            .filter(|_| PathAndQuery::try_from(path.as_str()).is_ok())
            .map(|origin| (origin, path))
            .ok_or_else(|| {
                let what = format!("{endpoint} is not an http or https URL");
                Fault::new("endpoint", what, "write https://HOST:PORT")
            })
    }

    fn suffix(&self) -> Result<&str, Fault> {
        let suffix = self.topic_suffix.as_deref().unwrap_or_default();
        if suffix.is_empty() || suffix.starts_with('.') {
            return Ok(suffix);
        }
        let what = format!("`{suffix}` does not start with a dot");
        Err(Fault::new("topic_suffix", what, format!("write .{suffix}")))
    }
}

/// Returns the header's value.
fn topic(mut topic: String, suffix: &str) -> Result<HeaderValue, Fault> {
    if !topic.ends_with(suffix) {
        topic.push_str(suffix);
    }
    HeaderValue::try_from(topic).map_err(|_| {
        let what = "a bundle id has only letters, digits, hyphens and dots";
        Fault::new("topic", what, "write the app's bundle id, such as com.example.app")
    })
}
