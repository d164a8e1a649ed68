//! One configured app, from the operator's keys to something that can start provider actors.

use std::collections::hash_map::DefaultHasher;
use std::future::ready;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::SystemTime;

use actix::{Actor as _, Recipient};
use futures_util::future::LocalBoxFuture;
use rustls::RootCertStore;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::actor::{Deliver, Down, Provider, ProviderActor, Pulse, Seat};
use super::common::Common;
use super::observer::{Observe, Observer};
use super::outcome::Outcome;
use super::preview::Preview;
use super::probe::Finding;
use super::push::Push;
use crate::fault::Fault;
use crate::secret::KeyFiles;
use crate::telemetry::AppMetrics;
use crate::transport::Proxy;

/// What is around an app when it is prepared.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Finds and reads key files.
    pub files: Arc<KeyFiles>,
    /// Roots trusted for providers.
    pub roots: Arc<RootCertStore>,
    /// The proxy for every provider.
    pub proxy: Option<Arc<Proxy>>,
    /// Overrides the metadata server's host, as Google's libraries have it.
    pub metadata_host: Option<String>,
    /// The app's own metrics.
    pub metrics: AppMetrics,
    /// A hash of what is around every app (roots, proxy): it changes when they do.
    pub digest: u64,
}

/// What an operator can configure for one `type`.
pub trait ProviderConfig: DeserializeOwned + JsonSchema + 'static {
    /// The value of `type`, and the provider's metric label.
    const NAME: &'static str;
    /// Other values of `type` that mean the same.
    const ALIASES: &'static [&'static str] = &[];
    /// What the checked configuration becomes.
    type Blueprint: Blueprint;

    /// Returns the keys that apps of every type share.
    fn common(&self) -> &Common;

    /// Reads and checks the keys, without a connection.
    ///
    /// # Errors
    ///
    /// Returns every mistake that can be found, each with its key relative to the app.
    fn prepare(self, around: &Surroundings) -> Result<Self::Blueprint, Vec<Fault>>;
}

/// A checked app: builds its provider on every worker thread that needs one.
pub trait Blueprint: Send + Sync + 'static {
    /// The provider it builds.
    type Provider: Provider;

    /// Whether pushes go to hosts that the pushers name: then one that fails says nothing of the
    /// others, and the provider leaves it alone by itself.
    const MANY_HOSTS: bool = false;

    /// Builds the provider on the current thread.
    fn build(&self) -> Self::Provider;

    /// Returns the credentials and when they end.
    fn credentials(&self) -> Vec<Credential>;

    /// Returns the request that a push would become; `None` where it becomes none.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push for which no request would be made.
    fn preview(&self, _push: &Push) -> Result<Option<Preview>, Outcome> {
        Ok(None)
    }

    /// Tries whether the provider can be reached and takes the credentials, and delivers nothing.
    /// Runs where actors do; each thing tried ends by itself.
    fn probe(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        ready(Vec::new())
    }
}

/// One credential as `check` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is, never the secret itself: `key ABC123DEFG of team DEF123GHIJ`.
    pub description: String,
    /// When it ends, if it does.
    pub expires: Option<SystemTime>,
}

/// One provider as the configuration sees it.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The value of `type`.
    pub name: &'static str,
    /// Other values of `type` that mean the same.
    pub aliases: &'static [&'static str],
    /// Returns the JSON Schema of its keys, without `type`.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Makes an app of its keys, which fit the schema.
    pub prepare: fn(&str, serde_json::Value, &Surroundings) -> Result<App, Vec<Fault>>,
}

impl Kind {
    /// Lists a provider.
    pub const fn of<C: ProviderConfig>() -> Self {
        Self {
            name: C::NAME,
            aliases: C::ALIASES,
            schema: C::json_schema,
            prepare: |pattern, keys, around| {
                let around =
                    &Surroundings { files: Arc::new(around.files.apart()), ..around.clone() };
                let mut made_of = DefaultHasher::new();
                (keys.to_string(), around.digest).hash(&mut made_of);
                let config: C = serde_path_to_error::deserialize(keys).map_err(|error| {
                    vec![Fault::new(error.path().to_string(), error.inner().to_string(), "")]
                })?;
                let common = config.common().clone();
                let blueprint = config.prepare(around)?;
                around.files.digest().hash(&mut made_of);
                let made_of = made_of.finish();
                Ok(App::new(pattern, C::NAME, common, blueprint, around.metrics.clone(), made_of))
            },
        }
    }
}

/// One app, ready to start provider actors.
pub struct App {
    /// The app_id, or a glob over app_ids.
    pub pattern: String,
    /// The provider's name.
    pub provider: &'static str,
    /// The keys that apps of every type share.
    pub common: Common,
    /// Its credentials.
    pub credentials: Vec<Credential>,
    /// Its metrics.
    pub metrics: AppMetrics,
    /// Whether pushes go to hosts that the pushers name.
    pub many_hosts: bool,
    /// What it was made of: its keys, and the contents of the files they name.
    made_of: u64,
    start: Box<Start>,
    rehearse: Arc<dyn Rehearse>,
}

type Start = dyn Fn(Recipient<Down>, Seat, Arc<Pulse>) -> Recipient<Deliver> + Send + Sync;

/// What a [`Blueprint`] tells without delivering anything.
trait Rehearse: Send + Sync {
    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome>;
    fn probe(&self) -> LocalBoxFuture<'static, Vec<Finding>>;
}

impl<B: Blueprint> Rehearse for B {
    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        Blueprint::preview(self, push)
    }

    fn probe(&self) -> LocalBoxFuture<'static, Vec<Finding>> {
        Box::pin(Blueprint::probe(self))
    }
}

impl App {
    /// Makes an app whose provider actors are built from `blueprint`.
    pub fn new<B: Blueprint>(
        pattern: &str,
        provider: &'static str,
        common: Common,
        blueprint: B,
        metrics: AppMetrics,
        made_of: u64,
    ) -> Self {
        let blueprint = Arc::new(blueprint);
        Self {
            made_of,
            pattern: pattern.to_owned(),
            provider,
            common,
            credentials: blueprint.credentials(),
            metrics,
            many_hosts: B::MANY_HOSTS,
            rehearse: blueprint.clone(),
            start: Box::new(move |supervisor, seat, pulse| {
                ProviderActor::new(blueprint.build(), supervisor, seat, pulse).start().recipient()
            }),
        }
    }

    /// Whether both were made of the same keys and files: a reload keeps such an app's connections.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.pattern == other.pattern
            && self.provider == other.provider
            && self.made_of == other.made_of
    }

    /// Starts a provider actor on the current thread; it tells `supervisor` of its end and shows
    /// its `pulse`.
    pub fn start(
        &self,
        supervisor: Recipient<Down>,
        seat: Seat,
        pulse: Arc<Pulse>,
    ) -> Recipient<Deliver> {
        (self.start)(supervisor, seat, pulse)
    }

    /// Returns the request that a push would become; `None` where it becomes none.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push for which no request would be made.
    pub fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.rehearse.preview(push)
    }

    /// Tries whether the provider can be reached and takes the credentials, and delivers nothing.
    /// Must run where actors do.
    pub fn probe(&self) -> impl Future<Output = Vec<Finding>> + use<> {
        self.rehearse.probe()
    }

    /// Lets `observe` see each attempt that its provider actors make.
    #[must_use]
    pub fn observed(self, observe: Arc<Observe>) -> Self {
        let start = self.start;
        Self {
            start: Box::new(move |supervisor, seat, pulse| {
                let actor = start(supervisor, seat, pulse);
                Observer::new(actor, observe.clone()).start().recipient()
            }),
            ..self
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("pattern", &self.pattern)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
