//! What an operator writes for `type: fcm`, and how it is checked at start.
//!
//! The descriptions become the operator's reference. Everything that can be wrong without a
//! connection is found here, all at once.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::auth::{AccessTokens, Account};
use super::payload::{Storage, Template};
use super::{Plan, options};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;
use crate::transport::pool::PoolSettings;
use crate::transport::{Dialer, Origin, tls};

/// Where FCM is: <https://firebase.google.com/docs/reference/fcm/rest>.
const ENDPOINT: &str = "https://fcm.googleapis.com";

/// Four weeks, the longest that FCM keeps a message:
/// <https://firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan>.
const MAX_TTL_SECONDS: u32 = 2_419_200;

/// The most of a visible notification's title or text.
const MAX_TEXT_BYTES: usize = 256;

/// Firebase Cloud Messaging: Android, and whatever else uses Firebase. `gcm` is the same.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The Firebase project's ID (Firebase console, Project settings). If it is missing, the one in
    /// `service_account_file` counts.
    project_id: Option<String>,
    /// A service account's key file, JSON (Firebase console, Project settings, Service accounts).
    service_account_file: Option<PathBuf>,
    /// Where to get access tokens without a key file: `metadata_server` on Google Cloud.
    credentials: Option<Credentials>,
    /// Members of every FCM message, as in Google's reference of `Message` for HTTP v1. What a push
    /// has of its own (`data`, `token`, `android.priority`) is overwritten.
    #[serde(default)]
    fcm_options: Map<String, Value>,
    /// How the message looks: `sygnal` for Element and its kin, `hedwig` for FluffyChat.
    #[serde(default)]
    layout: Layout,
    /// Accepted for Sygnal's sake, without effect: `pool.connections` says how many connections
    /// may be opened, and each carries many pushes at once.
    #[schemars(range(min = 1))]
    max_connections: Option<u32>,
    /// How long FCM keeps a message for a device that is off, in seconds; 0 is now or never. FCM's
    /// own default is four weeks.
    #[schemars(range(max = 2_419_200))]
    ttl_seconds: Option<u32>,
    /// Whether a newer message of a room replaces an older one that was not delivered yet. FCM
    /// keeps at most four rooms apart for each device; with more, it drops messages of any of them.
    #[serde(default)]
    collapse_per_room: bool,
    /// The title of visible notifications in the `hedwig` layout; `<count>` is the unread count.
    notification_title: Option<String>,
    /// The text of visible notifications in the `hedwig` layout; `<count>` is the unread count.
    notification_body: Option<String>,
    #[serde(flatten)]
    common: Common,
}

/// Where access tokens come from without a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Credentials {
    /// Google Cloud's metadata server, for the service account the machine runs as.
    MetadataServer,
}

/// How the message looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Layout {
    /// Flat strings, no visible notification.
    #[default]
    Sygnal,
    /// JSON in strings; the pusher chooses whether a notification is visible.
    Hedwig,
}

impl ProviderConfig for Config {
    const NAME: &'static str = "fcm";
    const ALIASES: &'static [&'static str] = &["gcm"];
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        let mut faults = self.limits();
        faults.extend(options::check(&self.fcm_options));
        let mut keep = |fault| faults.push(fault);
        let account = self.account(around).map_err(&mut keep).ok();
        let project = account.as_ref().map(|account| self.project(account));
        let project = project.and_then(|project| project.map_err(&mut keep).ok());
        let endpoint = self.endpoint().map_err(&mut keep).ok();
        let dialer = dialer(around).map_err(&mut keep).ok();
        let (Some(account), Some(project), Some((origin, base)), Some(dialer), []) =
            (account, project, endpoint, dialer, faults.as_slice())
        else {
            return Err(faults);
        };
        let uri = format!("{base}/v1/projects/{project}/messages:send").parse();
        let uri = uri.map_err(|error| vec![Fault::new("endpoint", format!("{error}"), "")])?;
        Ok(Plan {
            template: Arc::new(self.template()),
            view: self.common.view_options(),
            tokens: AccessTokens::shared(account),
            project,
            origin,
            uri,
            dialer,
            pool: PoolSettings {
                max_connections: self.common.pool.connections.or(2),
                max_waiting: self.common.inflight_request_limit,
                ..PoolSettings::default()
            },
            metrics: around.metrics.clone(),
        })
    }
}

/// Returns the way to FCM and to the token endpoint.
fn dialer(around: &Surroundings) -> Result<Dialer, Fault> {
    let tls = tls::client_config(&around.roots, None, &[b"h2"])
        .map_err(|error| Fault::new("", format!("cannot prepare TLS: {error}"), ""))?;
    let proxy = around.proxy.clone();
    Ok(Dialer::new(tls, proxy))
}

impl Config {
    fn limits(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.max_connections == Some(0) {
            let instead = "remove it, or write a number from 1";
            faults.push(Fault::new("max_connections", "is 0", instead));
        }
        if let Some(seconds) = self.ttl_seconds.filter(|&seconds| seconds > MAX_TTL_SECONDS) {
            faults.push(Fault::new(
                "ttl_seconds",
                format!("{seconds} is more than the four weeks that FCM keeps messages"),
                format!("write 0 to {MAX_TTL_SECONDS}"),
            ));
        }
        let texts = [
            ("notification_title", &self.notification_title),
            ("notification_body", &self.notification_body),
        ];
        for (key, text) in texts {
            if text.is_some() && self.layout == Layout::Sygnal {
                let what = "has no effect in the layout `sygnal`, which shows no notification";
                faults.push(Fault::new(key, what, "write `layout: hedwig`, or remove it"));
            }
            // No screen shows more, and the ids need the room.
            if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
                let instead = format!("write at most {MAX_TEXT_BYTES} bytes");
                faults.push(Fault::new(key, "is too long", instead));
            }
        }
        faults
    }

    fn account(&self, around: &Surroundings) -> Result<Account, Fault> {
        match (&self.service_account_file, self.credentials) {
            (Some(_), Some(_)) => Err(Fault::new(
                "credentials",
                "stands beside `service_account_file`",
                "remove one of them",
            )),
            (None, None) => Err(Fault::new(
                "service_account_file",
                "is missing",
                "name the JSON key file of a service account, made in the Firebase console under \
                 Project settings, Service accounts; on Google Cloud, `credentials: \
                 metadata_server` works as well",
            )),
            (Some(file), None) => {
                let file = around.files.read("service_account_file", file)?;
                Account::from_key_file(&file)
            }
            (None, Some(Credentials::MetadataServer)) => {
                Account::metadata_server(around.metadata_host.as_deref())
            }
        }
    }

    fn project(&self, account: &Account) -> Result<String, Fault> {
        let instead = "write the project's ID as the Firebase console shows it under Project \
                       settings, like `my-app-1a2b3`";
        let project = self.project_id.as_deref().or(account.project_id());
        let project = project.ok_or_else(|| Fault::new("project_id", "is missing", instead))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if project.is_empty() || !project.bytes().all(allowed) {
            let what = format!("{project:?} is not a project's ID");
            return Err(Fault::new("project_id", what, instead));
        }
        Ok(project.to_owned())
    }

    /// Returns where FCM is, and how its URLs begin.
    fn endpoint(&self) -> Result<(Origin, String), Fault> {
        let fault = |what: String| {
            Fault::new("endpoint", what, format!("write an https URL, like {ENDPOINT}"))
        };
        let base = match &self.common.endpoint {
            Some(url) => url.clone(),
            None => Url::parse(ENDPOINT).map_err(|error| fault(error.to_string()))?,
        };
        let origin =
            Origin::of(&base).ok_or_else(|| fault(format!("{base} is not a web address")))?;
        let base = format!("{}://{}{}", base.scheme(), origin.authority(), base.path());
        Ok((origin, base.trim_end_matches('/').to_owned()))
    }

    fn template(&self) -> Template {
        let storage =
            Storage { ttl_seconds: self.ttl_seconds, collapse_per_room: self.collapse_per_room };
        let text =
            |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
        match self.layout {
            Layout::Sygnal => Template::sygnal(&self.fcm_options, storage),
            Layout::Hedwig => Template::hedwig(
                &self.fcm_options,
                storage,
                text(&self.notification_title, "New message"),
                text(&self.notification_body, "<count> unread"),
            ),
        }
    }
}
