//! Google Cloud's metadata server, which hands out tokens of the service account that the machine
//! runs as: <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};

use super::{SCOPE, granted, passes, refused, unavailable, unreachable};
use crate::fault::Fault;
use crate::providers::outcome::Outcome;
use crate::transport::Response;
use crate::transport::client::Client;
use crate::transport::token_cache::Fresh;

/// Where it is on Google Cloud.
const HOST: &str = "metadata.google.internal";

/// The header that shows that both sides mean it.
const FLAVOR: (&str, HeaderValue) = ("metadata-flavor", HeaderValue::from_static("Google"));

/// How long an answer may take; it is on the same machine (google-auth's default).
const TIMEOUT: Duration = Duration::from_secs(3);

/// The metadata server.
#[derive(Debug)]
pub(in super::super) struct MetadataServer {
    host: String,
    uri: Uri,
}

impl MetadataServer {
    /// Finds the server at `host`, else where Google Cloud has it.
    pub(super) fn at(host: Option<&str>) -> Result<Self, Fault> {
        let host = host.unwrap_or(HOST).to_owned();
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let uri = format!("http://{host}/{path}?scopes={SCOPE}");
        let uri = uri.parse().map_err(|error| {
            let what = format!("the metadata server's host {host:?} is wrong: {error}");
            Fault::new("credentials", what, "write a host, or host:port, into GCE_METADATA_HOST")
        })?;
        Ok(Self { host, uri })
    }

    /// Returns what two servers with the same tokens have in common.
    pub(super) fn identity(&self) -> String {
        format!("metadata server {}", self.host)
    }

    /// Names the account.
    pub(super) fn describe(&self) -> String {
        format!("the machine's service account, by the metadata server {}", self.host)
    }

    /// Asks for a token.
    pub(super) async fn renew(&self, client: &Client) -> Result<Fresh, Outcome> {
        let request = Request::builder()
            .uri(&self.uri)
            .header(FLAVOR.0, FLAVOR.1)
            .body(Bytes::new())
            .map_err(|error| unavailable(error.to_string()))?;
        let answer = client.send(request, TIMEOUT).await;
        self.answered(&answer.map_err(|error| unreachable(&error))?)
    }

    fn answered(&self, response: &Response) -> Result<Fresh, Outcome> {
        let status = response.status;
        if passes(response) {
            return Err(unavailable(format!("the metadata server answers {status}")));
        }
        let is_google = response.headers.get(FLAVOR.0) == Some(&FLAVOR.1);
        if !status.is_success() || !is_google {
            let who = if is_google { "the metadata server" } else { "no metadata server, but" };
            let advice = "give the machine a service account with the scope cloud-platform, or use \
                          `service_account_file`";
            let detail = format!("{who} {} answers {status}; {advice}", self.host);
            return Err(refused("access_token_refused", detail));
        }
        granted(&response.body)
    }
}
