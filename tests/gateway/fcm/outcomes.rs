//! What Google answers, and what the homeserver hears of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use loadtest::peers::fcm::{apns_error, error, violation};
use loadtest::peers::{Answer, Received};
use serde_json::json;

use super::TOKEN;
use crate::helpers::bodies::EAGER;
use crate::helpers::{Hears, Setup, event, fcm};

/// Google's answers to one push, the requests it gets, and what the operator hears.
struct Row(Vec<Answer>, usize, Hears, &'static str);

const MESSAGE: &str = "Request contains an invalid argument.";
const NOT_A_TOKEN: &str = "The registration token is not a valid FCM registration token";

fn rows() -> Vec<Row> {
    use Hears::{Failed, Rejected, Settled};
    let new = Answer::new;
    let one = |answer, hears, alarm| Row(vec![answer], 1, hears, alarm);
    let bare = |status, message| error(status, message, &json!([]));
    let invalid = |message| new(400, "INVALID_ARGUMENT").message(message);
    let html = Answer::html;
    vec![
        // The target is dead, or not of this project.
        one(new(404, "UNREGISTERED"), Rejected, ""),
        one(violation("message.token", "Invalid registration token"), Rejected, ""),
        one(invalid(NOT_A_TOKEN), Rejected, ""),
        one(new(403, "SENDER_ID_MISMATCH"), Rejected, ""),
        one(apns_error(410, "Unregistered"), Rejected, ""),
        // The operator's mistakes.
        one(bare(404, "Requested entity was not found."), Failed, "NOT_FOUND"),
        one(html(404), Failed, "NOT_FOUND"),
        one(bare(403, "The caller does not have permission"), Failed, "PERMISSION_DENIED"),
        one(new(401, "THIRD_PARTY_AUTH_ERROR"), Failed, "THIRD_PARTY_AUTH_ERROR"),
        Row(vec![bare(401, "Expired"); 2], 2, Failed, "UNAUTHENTICATED"),
        // This message's fault.
        one(violation("message.data[0].value", "Invalid value"), Settled, "INVALID_ARGUMENT"),
        one(apns_error(400, "BadTopic"), Settled, "INVALID_ARGUMENT"),
        one(bare(400, MESSAGE), Settled, ""),
        // What passes.
        Row(vec![bare(401, "Expired")], 2, Settled, ""),
        Row(vec![new(500, "INTERNAL")], 2, Settled, ""),
        Row(vec![html(502), html(504)], 3, Settled, ""),
        Row(vec![new(503, "UNAVAILABLE"); 4], 4, Failed, ""),
        // Past the deadline: given up at once.
        one(new(429, "QUOTA_EXCEEDED").retry_after(60), Failed, ""),
        one(new(503, "UNAVAILABLE").retry_after("Fri, 31 Dec 2100 23:59:59 GMT"), Failed, ""),
        // Google's wish is a minute where it says nothing.
        one(new(429, "QUOTA_EXCEEDED"), Failed, ""),
    ]
}

#[tokio::test]
async fn every_answer_settles_or_fails() {
    let google = fcm();
    let gateway = Setup::new().section(EAGER).fcm("app.android", &google, "").start();
    let rows = rows();
    let mut alarms = BTreeMap::<&str, u64>::new();
    // All at once: some of them wait.
    let pushes = rows.into_iter().enumerate().map(|(number, row)| {
        let Row(answers, requests, hears, alarm) = row;
        if !alarm.is_empty() {
            *alarms.entry(alarm).or_default() += 1;
        }
        let name = format!("{number}: {answers:?}");
        let pushkey = format!("{TOKEN}{number:03}");
        for answer in answers {
            google.for_token(&pushkey).answer_next(answer);
        }
        let (gateway, google) = (&gateway, &google);
        async move {
            let answer = gateway.notify(&event("app.android", &pushkey, "$e")).await;
            answer.assert_hears(hears, &pushkey);
            let received = google.received();
            let received = received.iter().filter(|it| it.token == pushkey);
            assert_eq!(received.count(), requests, "{name}");
        }
    });
    join_all(pushes).await;
    for (reason, raised) in &alarms {
        assert_eq!(gateway.alarms("app.android", reason).await, *raised, "{reason}");
    }
    assert_eq!(gateway.all_alarms().await, alarms.values().sum::<u64>());
    assert_eq!(google.refused(), 0);
}

/// Sends a push to which Google answers this first; returns both requests.
async fn repeated(answer: Answer) -> [Received; 2] {
    let google = fcm();
    let gateway = Setup::new().section(EAGER).fcm("app.android", &google, "").start();
    google.answer_next(answer);
    gateway.notify(&event("app.android", TOKEN, "$e")).await.assert_rejects(&[]);
    [google.next().await, google.next().await]
}

#[tokio::test]
async fn nobody_comes_back_sooner_than_google_wants() {
    let (now, clock) = (Instant::now(), SystemTime::now());
    let date = httpdate::fmt_http_date(clock + Duration::from_secs(2));
    let until_date = httpdate::parse_http_date(&date).unwrap().duration_since(clock).unwrap();
    let ([first, second], [_, dated]) = tokio::join!(
        repeated(Answer::status(429).retry_after(1)),
        repeated(Answer::status(503).retry_after(date)),
    );
    assert!(second.at - first.at >= Duration::from_secs(1));
    assert!(dated.at - now >= until_date);
}

#[tokio::test]
async fn a_pushkey_that_is_no_token_is_rejected_unsent() {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, "").start();
    for pushkey in ["", "two words", "späß", "line\nbreak"] {
        let answer = gateway.notify(&event("app.android", pushkey, "$e")).await;
        answer.assert_rejects(&[pushkey]);
    }
    assert_eq!((google.count(), google.oauth().count()), (0, 0));
}
