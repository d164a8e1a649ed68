//! One row for each answer Apple documents, and for those nobody does.

use std::time::Duration;

use super::*;
use crate::providers::testing::answer;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Is {
    Ok,
    Reject,
    Drop,
    DropAlarm,
    Alarm,
    Retry,
}

fn judge(status: u16, body: &str, pushkey_ts: Option<u64>) -> Verdict {
    classify(&answer(status, None, body), pushkey_ts, SystemTime::UNIX_EPOCH)
}

fn is(outcome: &Outcome) -> Is {
    match outcome {
        Outcome::Accepted => Is::Ok,
        Outcome::Rejected(cause) if !cause.alarm => Is::Reject,
        Outcome::Permanent(cause) if cause.alarm => Is::DropAlarm,
        Outcome::Permanent(_) => Is::Drop,
        Outcome::Transient { cause, retry: Retry::Useless } if cause.alarm => Is::Alarm,
        Outcome::Transient { cause, retry: Retry::Backoff } if !cause.alarm => Is::Retry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_documented_reason() {
    use Is::{Alarm, Drop, DropAlarm, Reject, Retry};
    use Remedy::{Reconnect, Renew, RenewOrReconnect, Shrink};
    let rows = [
        (400, "BadCollapseId", DropAlarm, None),
        (400, "BadDeviceToken", Reject, None),
        (400, "BadExpirationDate", DropAlarm, None),
        (400, "BadMessageId", DropAlarm, None),
        (400, "BadPriority", DropAlarm, None),
        (400, "BadTopic", Alarm, None),
        (400, "DeviceTokenNotForTopic", Reject, None),
        (400, "DuplicateHeaders", Alarm, None),
        (400, "IdleTimeout", Retry, Some(Reconnect)),
        (400, "InvalidPushType", Alarm, None),
        (400, "MissingDeviceToken", Reject, None),
        (400, "MissingTopic", Alarm, None),
        (400, "PayloadEmpty", DropAlarm, None),
        (400, "TopicDisallowed", Alarm, None),
        (403, "BadCertificate", Alarm, None),
        (403, "BadCertificateEnvironment", Alarm, None),
        (403, "ExpiredProviderToken", Alarm, Some(RenewOrReconnect)),
        (403, "Forbidden", Alarm, None),
        (403, "InvalidProviderToken", Alarm, Some(Renew)),
        (403, "MissingProviderToken", Alarm, None),
        (403, "UnrelatedKeyIdInToken", Alarm, Some(Reconnect)),
        (403, "BadEnvironmentKeyIdInToken", Alarm, None),
        (404, "BadPath", Alarm, None),
        (405, "MethodNotAllowed", Alarm, None),
        (410, "ExpiredToken", Reject, None),
        (410, "Unregistered", Reject, None),
        (413, "PayloadTooLarge", Drop, Some(Shrink)),
        (429, "TooManyProviderTokenUpdates", Retry, Some(Reconnect)),
        (429, "TooManyRequests", Retry, None),
        (500, "InternalServerError", Retry, None),
        (503, "ServiceUnavailable", Retry, None),
        (503, "Shutdown", Retry, Some(Reconnect)),
    ];
    for (status, reason, expected, remedy) in rows {
        let verdict = judge(status, &format!(r#"{{"reason":"{reason}"}}"#), None);
        assert_eq!(is(&verdict.outcome), expected, "{reason}");
        assert_eq!(verdict.remedy, remedy, "{reason}");
        assert_eq!(verdict.outcome.cause().unwrap().reason, reason);
    }
    assert_eq!(rows.len(), KNOWN.len());
    let seen = judge(403, r#"{"reason":"BadEnvironmentKeyInToken"}"#, None);
    assert_eq!(is(&seen.outcome), Alarm);
    assert_eq!(seen.outcome.cause().unwrap().reason, "BadEnvironmentKeyIdInToken");
}

#[test]
fn without_a_known_reason_by_class() {
    use Is::{Alarm, Drop, DropAlarm, Ok, Retry};
    for (status, body, expected, reason) in [
        (200, "", Ok, None),
        (200, r#"{"reason":"BadDeviceToken"}"#, Ok, None),
        (302, "", Alarm, Some("other")),
        (400, "", DropAlarm, Some("other")),
        (400, r#"{"reason":"SomethingNew"}"#, DropAlarm, Some("other")),
        (400, "<html>Bad Request</html>", DropAlarm, Some("other")),
        (400, r#"{"reason":17}"#, DropAlarm, Some("other")),
        (400, r#"["BadDeviceToken"]"#, DropAlarm, Some("other")),
        (403, "<html>Forbidden</html>", Alarm, Some("other")),
        (404, "<html>Not Found</html>", Alarm, Some("other")),
        (410, "", DropAlarm, Some("other")),
        (413, "", Drop, Some("PayloadTooLarge")),
        (429, "", Retry, Some("other")),
        (500, "", Retry, Some("other")),
        (502, "<html>Bad Gateway</html>", Retry, Some("other")),
        (503, r#"{"reason":"#, Retry, Some("other")),
        (599, "\u{0}", Retry, Some("other")),
    ] {
        let outcome = judge(status, body, None).outcome;
        assert_eq!(is(&outcome), expected, "{status} {body}");
        assert_eq!(outcome.cause().map(|it| it.reason), reason, "{status} {body}");
    }
}

#[test]
fn a_token_registered_again_since_is_kept() {
    use Is::{Drop, Reject};
    for (timestamp, pushkey_ts, expected) in [
        ("1700000000000", Some(1_700_000_000), Reject),
        ("1700000000999", Some(1_700_000_000), Reject),
        ("1699999999999", Some(1_700_000_000), Drop),
        ("1700000000000", None, Reject),
        ("1700000000000", Some(u64::MAX), Drop),
        ("null", Some(1_700_000_000), Reject),
        ("\"soon\"", Some(1_700_000_000), Reject),
        ("-5", Some(1_700_000_000), Reject),
    ] {
        for reason in ["Unregistered", "ExpiredToken"] {
            let body = format!(r#"{{"reason":"{reason}","timestamp":{timestamp}}}"#);
            let outcome = judge(410, &body, pushkey_ts).outcome;
            assert_eq!(is(&outcome), expected, "{body} {pushkey_ts:?}");
        }
    }
}

#[test]
fn retry_after_is_heard() {
    let answer = answer(429, Some("7"), r#"{"reason":"TooManyRequests"}"#);
    let Outcome::Transient { retry, .. } = classify(&answer, None, SystemTime::UNIX_EPOCH).outcome
    else {
        panic!("not transient");
    };
    assert_eq!(retry, Retry::After(Duration::from_secs(7)));
}

#[test]
fn the_log_learns_what_to_do_but_no_markup() {
    let detail = |status, body| {
        let outcome = judge(status, body, None).outcome;
        outcome.cause().unwrap().detail.clone().unwrap().into_string()
    };
    assert_eq!(
        detail(400, r#"{"reason":"BadTopic"}"#),
        "status 400; check `topic` and `topic_suffix`"
    );
    assert_eq!(detail(400, r#"{"reason":"New1"}"#), "status 400; reason New1");
    assert_eq!(detail(502, r#"{"reason":"<script>"}"#), "status 502; no reason given");
}
