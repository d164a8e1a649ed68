//! Access tokens for FCM: from a service account's key by OAuth 2, or from Google Cloud's metadata
//! server. One cache for each account in the whole process: apps that share an account, and the
//! apps of a reload, share its token.
//!
//! A failure is an outcome already: what refuses the credential is the operator's to mend, the rest
//! passes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;

use self::metadata::MetadataServer;
use self::service_account::ServiceAccount;
use crate::fault::Fault;
use crate::providers::in_use::InUse;
use crate::providers::outcome::{Cause, Outcome};
use crate::secret::SecretSlice;
use crate::transport::client::Client;
use crate::transport::token_cache::{Fresh, TokenCache};
use crate::transport::{Response, TransportError};

mod metadata;
mod service_account;

/// What an access token must allow: <https://developers.google.com/identity/protocols/oauth2/scopes#fcm>.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long before its end a token is renewed: Google's own libraries take 3 min 45 s
/// (google-auth's `REFRESH_THRESHOLD`).
const EARLY: Duration = Duration::from_secs(225);

/// The life of a token whose answer does not say; Google's tokens live an hour.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

type Cache = TokenCache<Outcome>;

/// Caches in use, by the account's identity.
static IN_USE: InUse<String, Cache> = InUse::new();

/// Who gets the tokens.
#[derive(Debug)]
pub(super) enum Account {
    /// The owner of a key file.
    Service(Box<ServiceAccount>),
    /// The service account that the machine runs as.
    Machine(MetadataServer),
}

impl Account {
    /// Reads a service account's key file.
    pub(super) fn from_key_file(file: &SecretSlice<u8>) -> Result<Self, Fault> {
        ServiceAccount::parse(file).map(|account| Self::Service(Box::new(account)))
    }

    /// Uses the metadata server at `host`, else where Google Cloud has it.
    pub(super) fn metadata_server(host: Option<&str>) -> Result<Self, Fault> {
        MetadataServer::at(host).map(Self::Machine)
    }

    /// Returns the project that the key file names.
    pub(super) fn project_id(&self) -> Option<&str> {
        match self {
            Self::Service(account) => account.project_id(),
            Self::Machine(_) => None,
        }
    }

    fn identity(&self) -> String {
        match self {
            Self::Service(account) => account.identity(),
            Self::Machine(server) => server.identity(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Service(account) => account.describe(),
            Self::Machine(server) => server.describe(),
        }
    }

    async fn renew(&self, clients: &TokenClients) -> Result<Fresh, Outcome> {
        match self {
            Self::Service(account) => account.renew(&clients.proxied).await,
            Self::Machine(server) => server.renew(&clients.direct).await,
        }
    }
}

/// The clients of one thread: the metadata server is never behind a proxy.
#[derive(Clone)]
pub(super) struct TokenClients {
    /// For Google's token endpoint.
    pub proxied: Client,
    /// For the metadata server.
    pub direct: Client,
}

/// An account and the cache of its token. Cheap to clone, shared between threads.
#[derive(Debug, Clone)]
pub(super) struct AccessTokens {
    account: Arc<Account>,
    cache: Arc<Cache>,
}

impl AccessTokens {
    /// Takes the account's cache, which others may be using already.
    pub(super) fn shared(account: Account) -> Self {
        let make = || Ok::<_, Infallible>(TokenCache::new(EARLY));
        let Ok(cache) = IN_USE.shared(account.identity(), make);
        Self { account: Arc::new(account), cache }
    }

    /// Returns the value of `authorization`.
    pub(super) async fn get(&self, clients: &TokenClients) -> Result<HeaderValue, Outcome> {
        let renew = || {
            let (account, clients) = (self.account.clone(), clients.clone());
            async move {
                let fresh = account.renew(&clients).await?;
                let (account, valid_seconds) = (account.describe(), fresh.valid_for.as_secs());
                tracing::info!(account, valid_seconds, "access token fetched");
                Ok(fresh)
            }
        };
        self.cache.get(renew).await
    }

    /// Forgets a token that FCM refused.
    pub(super) fn refused(&self, token: &HeaderValue) {
        self.cache.refused(token);
    }

    /// Returns when the token ends, if there is one.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.cache.expires()
    }

    /// Names the account, never its key.
    pub(super) fn describe(&self) -> String {
        self.account.describe()
    }
}

/// Google's answer with a token: <https://datatracker.ietf.org/doc/html/rfc6749#section-5.1>.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    /// A number, or a number in a string.
    #[serde(default)]
    expires_in: Value,
}

/// Reads an answer of status 200.
fn granted(body: &[u8]) -> Result<Fresh, Outcome> {
    let broken = || unavailable("the answer holds no access token");
    let grant: Grant = serde_json::from_slice(body).map_err(|_| broken())?;
    let bearer = format!("Bearer {}", grant.access_token);
    let mut header = HeaderValue::try_from(bearer).map_err(|_| broken())?;
    header.set_sensitive(true);
    let seconds = match &grant.expires_in {
        Value::String(seconds) => seconds.parse().ok(),
        seconds => seconds.as_u64(),
    };
    let valid_for = seconds.map_or(USUAL_LIFE, Duration::from_secs);
    Ok(Fresh { header, valid_for })
}

/// A failure that passes.
fn unavailable(detail: impl Into<Box<str>>) -> Outcome {
    Outcome::backoff(Cause::new("access_token_unavailable").with_detail(detail))
}

/// A failure that the operator has to mend.
fn refused(reason: &'static str, detail: String) -> Outcome {
    Outcome::operator(reason).with_detail(detail)
}

/// No answer came.
fn unreachable(error: &TransportError) -> Outcome {
    unavailable(format!("cannot get an access token: {error}"))
}

/// Whether a status says that another attempt may do.
fn passes(response: &Response) -> bool {
    let status = response.status;
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}
