//! A service account's key file, and the token it buys: a JWT signed with the key is exchanged at
//! the account's token endpoint (RFC 7523), as
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest> describes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::{SCOPE, granted, passes, refused, unavailable, unreachable};
use crate::fault::Fault;
use crate::providers::outcome::Outcome;
use crate::secret::{ExposeSecret as _, SecretSlice};
use crate::transport::Response;
use crate::transport::client::Client;
use crate::transport::token_cache::Fresh;

/// The key in the configuration that names the file.
const KEY: &str = "service_account_file";

/// Where Google's own key files point.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The longest life of an assertion that Google accepts.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

const ANOTHER_FILE: &str = "make a key for a service account in the Firebase console under Project \
                            settings, Service accounts, Generate new private key";

/// A service account and its key.
pub(in super::super) struct ServiceAccount {
    client_email: String,
    key_id: Option<String>,
    project_id: Option<String>,
    token_uri: Url,
    key: EncodingKey,
}

/// The claims of the assertion.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    /// Reads and checks a key file: a wrong one is told at start, not at the first push.
    pub(super) fn parse(file: &SecretSlice<u8>) -> Result<Self, Fault> {
        let fault = |what: String| Fault::new(KEY, what, ANOTHER_FILE);
        let file: Map<String, Value> = serde_json::from_slice(file.expose_secret())
            .map_err(|error| fault(format!("is not a JSON object: {}", category(&error))))?;
        let text = |key: &str| file.get(key).and_then(Value::as_str).filter(|it| !it.is_empty());
        match text("type") {
            Some("service_account") => {}
            Some(other) => return Err(fault(format!("is a file of type {other:?}"))),
            None if file.contains_key("project_info") => {
                return Err(fault("is an app's google-services.json".to_owned()));
            }
            None => return Err(fault("has no `type`".to_owned())),
        }
        let required = |key| text(key).ok_or_else(|| fault(format!("has no `{key}`")));
        let token_uri = token_uri(text("token_uri").unwrap_or(TOKEN_URI))?;
        let account = Self {
            client_email: required("client_email")?.to_owned(),
            key_id: text("private_key_id").map(str::to_owned),
            project_id: text("project_id").map(str::to_owned),
            key: EncodingKey::from_rsa_pem(required("private_key")?.as_bytes())
                .map_err(|_| fault("its `private_key` is not an RSA key in PEM".to_owned()))?,
            token_uri,
        };
        // Only signing shows that it is a private key, whole and large enough.
        account
            .assertion(SystemTime::now())
            .map_err(|error| fault(format!("its `private_key` cannot sign: {error}")))?;
        Ok(account)
    }

    /// Returns the project that the file names.
    pub(super) fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// Returns what two accounts with the same tokens have in common.
    pub(super) fn identity(&self) -> String {
        let key_id = self.key_id.as_deref().unwrap_or_default();
        format!("{} {key_id} {}", self.client_email, self.token_uri)
    }

    /// Names the account, never its key.
    pub(super) fn describe(&self) -> String {
        let key_id = self.key_id.as_deref().unwrap_or("without an id");
        format!("key {key_id} of service account {}", self.client_email)
    }

    /// Buys a token.
    pub(super) async fn renew(&self, client: &Client) -> Result<Fresh, Outcome> {
        let assertion = self
            .assertion(SystemTime::now())
            .map_err(|error| unavailable(format!("cannot sign: {error}")))?;
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.token_uri.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|error| unavailable(error.to_string()))?;
        let answer = client.send(request, TIMEOUT).await;
        exchanged(&answer.map_err(|error| unreachable(&error))?)
    }

    fn assertion(&self, now: SystemTime) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        let claims = Claims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: self.token_uri.as_str(),
            iat: iat.as_secs(),
            exp: (iat + ASSERTION_LIFE).as_secs(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccount({})", self.describe())
    }
}

/// Says what is wrong with a JSON file without quoting it: it may hold a key.
fn category(error: &serde_json::Error) -> String {
    format!("{:?} error in line {}", error.classify(), error.line()).to_lowercase()
}

fn token_uri(text: &str) -> Result<Url, Fault> {
    let fault = || {
        Fault::new(
            KEY,
            format!("its `token_uri` {text:?} is not an https URL"),
            format!("Google's is {TOKEN_URI}"),
        )
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(fault()),
    }
}

/// Says what the token endpoint's answer means: <https://datatracker.ietf.org/doc/html/rfc6749#section-5.2>.
fn exchanged(response: &Response) -> Result<Fresh, Outcome> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        error: String,
        error_description: String,
    }
    if response.status.is_success() {
        return granted(&response.body);
    }
    let status = response.status;
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    // Google answers these two with 400 as well.
    let internal = matches!(&*refusal.error, "internal_failure" | "temporarily_unavailable");
    if passes(response) || internal {
        return Err(unavailable(format!("the token endpoint answers {status} {}", refusal.error)));
    }
    let said = format!("{status} {} {}", refusal.error, refusal.error_description);
    let advice = "check the machine's clock, and that the key and its account still exist";
    let reason = match &*refusal.error {
        "invalid_grant" => "invalid_grant",
        _ => "access_token_refused",
    };
    Err(refused(reason, format!("the token endpoint answers {}; {advice}", said.trim_end())))
}
