//! The keys that apps of every type share.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::push::ViewOptions;

/// The keys that apps of every type share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Common {
    /// Most pushes of this app in flight at once, retries included; one more is answered 503.
    #[serde(default = "default_inflight_request_limit")]
    #[schemars(range(min = 1))]
    pub inflight_request_limit: usize,
    /// How many actors and connections serve this app.
    #[serde(default)]
    pub pool: PoolConfig,
    /// The provider's base URL, if not the usual one: for tests, regional hosts and relays.
    #[serde(default)]
    pub endpoint: Option<Url>,
    /// Whether unread counts leave for this app.
    #[serde(default = "yes")]
    pub send_badge_counts: bool,
    /// Whether everything but ids, counts and priority stays here.
    #[serde(default)]
    pub event_id_only: bool,
}

fn default_inflight_request_limit() -> usize {
    10_000
}

fn yes() -> bool {
    true
}

impl Common {
    /// Returns what this app lets out.
    pub fn view_options(&self) -> ViewOptions {
        ViewOptions { send_badge_counts: self.send_badge_counts, event_id_only: self.event_id_only }
    }
}

/// How many actors and connections serve an app.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PoolConfig {
    /// Provider actors over all worker threads; auto = one on each.
    pub actors: Auto,
    /// HTTP/2 connections each actor may open; auto = 2. A second one is opened only when the
    /// first is out of streams.
    pub connections: Auto,
}

/// `auto`, or a number from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Auto {
    /// peregrine chooses.
    #[default]
    Auto,
    /// The operator chose.
    Count(NonZeroUsize),
}

impl Auto {
    /// Returns the operator's choice, else `otherwise`.
    pub fn or(self, otherwise: usize) -> usize {
        self.or_else(|| otherwise)
    }

    /// Returns the operator's choice, else what `otherwise` returns.
    pub fn or_else(self, otherwise: impl FnOnce() -> usize) -> usize {
        match self {
            Self::Auto => otherwise(),
            Self::Count(count) => count.get(),
        }
    }
}

impl<'de> Deserialize<'de> for Auto {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(de)?;
        if value == "auto" {
            return Ok(Self::Auto);
        }
        NonZeroUsize::deserialize(value)
            .map(Self::Count)
            .map_err(|_| D::Error::custom("expected `auto` or a number from 1"))
    }
}

impl JsonSchema for Auto {
    fn schema_name() -> Cow<'static, str> {
        "Auto".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1 }] })
    }
}
