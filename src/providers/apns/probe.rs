//! Whether Apple can be reached and takes our credential: a push to a device token that no device
//! has. Apple looks at the credential first, so `BadDeviceToken` proves it good.

use super::device_token::TokenForm;
use super::{Apns, Plan};
use crate::providers::app::Blueprint as _;
use crate::providers::outcome::{Cause, Outcome};
use crate::providers::probe::{Finding, bogus_push, deadline, reach};

/// A device token of Apple's length that says what it is, in hexadecimal and in base64:
/// `peregrine check: not a device ..`.
const NO_DEVICE_HEX: &str = "706572656772696e6520636865636b3a206e6f74206120646576696365202e2e";
const NO_DEVICE_BASE64: &str = "cGVyZWdyaW5lIGNoZWNrOiBub3QgYSBkZXZpY2UgLi4=";

impl Plan {
    /// Goes to Apple and pushes to nobody.
    pub(super) fn try_out(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        let (dialer, origin) = (self.dialer.clone(), self.origin.clone());
        let apns = self.build();
        async move {
            let mut findings = vec![reach(&dialer, &origin).await];
            if findings[0].ok {
                findings.push(apns.push_to_nobody().await);
            }
            findings
        }
    }
}

impl Apns {
    async fn push_to_nobody(&self) -> Finding {
        let template = &self.rules.template;
        let push = bogus_push(match template.token_form {
            TokenForm::Base64 => NO_DEVICE_BASE64,
            TokenForm::Hex => NO_DEVICE_HEX,
        });
        let outcome = match template.path(&push.device().pushkey) {
            Some(path) => self.send_to(path, &push, deadline()).await,
            None => Err(Outcome::Permanent(Cause::local("undecodable_pushkey"))),
        };
        let (Ok(outcome) | Err(outcome)) = outcome;
        Finding::of_bogus_push("push to a device that does not exist", &outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::apns::device_token::write_hex;

    #[test]
    fn both_forms_are_one_token() {
        for (token, form) in
            [(NO_DEVICE_HEX, TokenForm::Hex), (NO_DEVICE_BASE64, TokenForm::Base64)]
        {
            let mut path = Vec::new();
            write_hex(token, form, &mut path).unwrap();
            assert_eq!(path, NO_DEVICE_HEX.as_bytes());
        }
    }
}
