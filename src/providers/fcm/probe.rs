//! Whether Google can be reached and takes our credential: an access token, and a dry run
//! (`validate_only`) of a message to a registration token that FCM never gave out. FCM looks at the
//! credential and the project first, so a refusal of the token proves both good.

use std::time::SystemTime;

use futures_util::future::join;

use super::{Fcm, Plan, payload};
use crate::providers::app::Blueprint as _;
use crate::providers::outcome::Outcome;
use crate::providers::probe::{Finding, bogus_push, day, deadline, reach};

/// The reason where no access token could be had for now.
const UNAVAILABLE: &str = "access_token_unavailable";

/// What may help then.
const PERHAPS: &str = "allow outgoing connections to where tokens come from (`token_uri` of the key \
                       file, or the metadata server), or set `proxy`";

/// In the form of a registration token, which is longer.
const NO_DEVICE: &str = "peregrine-check:not-a-registration-token";

impl Plan {
    /// Gets an access token, goes to FCM and lets it check a message to nobody.
    pub(super) fn try_out(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        let (dialer, origin) = (self.dialer.clone(), self.origin.clone());
        let account = self.tokens.describe();
        let project = self.project.clone();
        let fcm = self.build();
        async move {
            let token = fcm.get_token(&account);
            let (token, reached) = join(token, reach(&dialer, &origin)).await;
            let both = token.ok && reached.ok;
            let mut findings = vec![token, reached];
            if both {
                findings.push(fcm.send_to_nobody(&project).await);
            }
            findings
        }
    }
}

impl Fcm {
    async fn get_token(&self, account: &str) -> Finding {
        let token = self.token(deadline()).await.map(|_| match self.tokens.expires() {
            Some(ends) => format!("good until {}", day(ends)),
            None => String::new(),
        });
        let mut finding = Finding::of_step(format!("access token by {account}"), token);
        if finding.detail == UNAVAILABLE {
            finding.detail = format!("{UNAVAILABLE}: {}", finding.instead);
            finding.instead = PERHAPS.into();
        }
        finding
    }

    async fn send_to_nobody(&self, project: &str) -> Finding {
        let tried = format!("message to nobody in the project {project}, not to be delivered");
        let now = SystemTime::now();
        let push = bogus_push(NO_DEVICE);
        let (Ok(outcome) | Err(outcome)): Result<Outcome, Outcome> = async {
            let body = payload::build(&self.template, &push.view(self.view), now)?;
            self.post(payload::dry_run(&body), now, deadline()).await
        }
        .await;
        Finding::of_bogus_push(tried, &outcome)
    }
}
