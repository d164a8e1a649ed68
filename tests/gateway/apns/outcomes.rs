//! What Apple answers, and what the homeserver hears of it.

use loadtest::peers::{Answer, Received};
use serde_json::Value;

use crate::helpers::bodies::{EAGER, device, with};
use crate::helpers::{Hears, Setup, apns, event};

/// When the homeserver learned of every pushkey, in milliseconds.
const KNOWN_SINCE: u64 = 1_700_000_000_000;

/// Apple's answers to one push, the requests it gets, and how often the push was tried again.
struct Row {
    answers: Vec<Answer>,
    requests: usize,
    retries: usize,
    hears: Hears,
    alarm: &'static str,
}

fn row(answers: Vec<Answer>, requests: usize, retries: usize, hears: Hears) -> Row {
    Row { answers, requests, retries, hears, alarm: "" }
}

fn alarm(answer: Answer, reason: &'static str, requests: usize, hears: Hears) -> Row {
    Row { alarm: reason, ..row(vec![answer; requests], requests, 0, hears) }
}

fn rows() -> Vec<Row> {
    use Hears::{Failed, Rejected, Settled};
    let new = Answer::new;
    let gone = |reason, since| vec![new(410, reason).timestamp(since)];
    let times = |times, status, reason| vec![new(status, reason); times];
    let html = Answer::html;
    vec![
        // Dead tokens; not those that the app has registered again since.
        row(gone("Unregistered", KNOWN_SINCE), 1, 0, Rejected),
        row(gone("ExpiredToken", KNOWN_SINCE + 1), 1, 0, Rejected),
        row(gone("Unregistered", KNOWN_SINCE - 1), 1, 0, Settled),
        row(times(1, 400, "BadDeviceToken"), 1, 0, Rejected),
        row(times(1, 400, "DeviceTokenNotForTopic"), 1, 0, Rejected),
        // The operator's mistakes.
        alarm(new(400, "TopicDisallowed"), "TopicDisallowed", 1, Failed),
        alarm(new(403, "BadEnvironmentKeyInToken"), "BadEnvironmentKeyIdInToken", 1, Failed),
        alarm(new(403, "UnrelatedKeyIdInToken"), "UnrelatedKeyIdInToken", 2, Failed),
        alarm(html(404), "other", 1, Failed),
        // This message's fault. Ids alone cannot shrink.
        row(times(1, 413, "PayloadTooLarge"), 1, 0, Settled),
        alarm(new(400, "PayloadEmpty"), "PayloadEmpty", 1, Settled),
        // What passes.
        row(times(1, 503, "ServiceUnavailable"), 2, 1, Settled),
        row(times(3, 500, "InternalServerError"), 4, 3, Settled),
        row(times(4, 500, "InternalServerError"), 4, 3, Failed),
        row(times(1, 429, "TooManyRequests"), 2, 1, Settled),
        row(times(4, 429, "TooManyRequests"), 4, 3, Failed),
        row(vec![html(502), html(503)], 3, 2, Settled),
        row(vec![new(503, "ServiceUnavailable").retry_after(0)], 2, 1, Settled),
        row(vec![new(429, "TooManyRequests").retry_after(60)], 1, 0, Failed),
        // Another connection helps, and costs no attempt.
        row(times(1, 429, "TooManyProviderTokenUpdates"), 2, 0, Settled),
        row(times(1, 503, "Shutdown"), 2, 0, Settled),
        row(times(1, 400, "IdleTimeout"), 2, 0, Settled),
    ]
}

#[tokio::test]
async fn every_answer_settles_or_fails() {
    let (apple, key) = apns();
    let setup = Setup::new().section(EAGER).section("runtime: {workers: 1}");
    let gateway = setup.apns("app.ios", &apple, &key, "").start();
    for (number, row) in rows().into_iter().enumerate() {
        let name = format!("{number}: {:?}", row.answers);
        let (pushkey, token) = device(number);
        for answer in row.answers {
            apple.for_token(&token).answer_next(answer);
        }
        let counts = async || {
            (
                gateway.alarms("app.ios", row.alarm).await,
                gateway.all_alarms().await,
                gateway.retries("app.ios").await,
            )
        };
        let before = counts().await;

        let answer = gateway.notify(&event("app.ios", &pushkey, "$e")).await;

        answer.assert_hears(row.hears, &pushkey);
        let requests: Vec<Received> = apple.received();
        let requests: Vec<_> = requests.iter().filter(|it| it.token == token).collect();
        assert_eq!(requests.len(), row.requests, "{name}");
        let first = requests[0];
        let same = |header| requests.iter().all(|it| it.header(header) == first.header(header));
        assert!(same("apns-id") && same("authorization"), "{name}");
        // A repeat that is no attempt of its own takes another connection.
        let moves = requests.windows(2).filter(|pair| pair[0].connection != pair[1].connection);
        assert_eq!(moves.count(), row.requests - 1 - row.retries, "{name}");
        let raised = u64::from(!row.alarm.is_empty());
        let expected = (before.0 + raised, before.1 + raised, before.2 + row.retries as u64);
        assert_eq!(counts().await, expected, "{name}");
    }
    assert_eq!((apple.provider_tokens().len(), apple.refused()), (1, 0));
}

#[tokio::test]
async fn a_payload_too_large_for_apple_is_sent_once_more_with_half_of_it() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    let (pushkey, token) = device(0);
    let body = "x".repeat(5000);
    let message = |event_id| {
        let changed = serde_json::json!({
            "type": "m.room.message", "sender": "@bob:example.org",
            "content": {"msgtype": "m.text", "body": body},
        });
        with(event("app.ios", &pushkey, event_id), &changed)
    };
    apple.for_token(&token).answer(413, "PayloadTooLarge");
    gateway.notify(&message("$smaller")).await.assert_rejects(&[]);
    apple.for_token(&token).always(Answer::new(413, "PayloadTooLarge"));
    gateway.notify(&message("$dropped")).await.assert_rejects(&[]);

    let sizes: Vec<usize> = apple.received().iter().map(|it| it.body.len()).collect();
    assert_eq!(sizes, [4096, 2048, 4096, 2048]);
    assert_eq!((apple.accepted_event(&token, "$smaller"), apple.refused()), (1, 0));
}

#[tokio::test]
async fn an_expired_token_is_replaced_as_often_as_apple_allows() {
    let (apple, key) = apns();
    let setup = Setup::new().section("runtime: {workers: 1}");
    let gateway = setup.apns("app.ios", &apple, &key, "").start();
    let (pushkey, _) = device(0);
    let notify = async |event_id| gateway.notify(&event("app.ios", &pushkey, event_id)).await;
    let seen = || -> Vec<(u64, Option<u16>)> {
        apple.received().iter().map(|it| (it.connection, it.status)).collect()
    };
    notify("$1").await.assert_rejects(&[]);

    // Another token on another connection, which costs no attempt.
    apple.expire_provider_tokens();
    notify("$2").await.assert_rejects(&[]);
    assert_eq!(seen(), [(1, Some(200)), (1, Some(403)), (2, Some(200))]);
    assert_eq!((apple.provider_tokens().len(), gateway.retries("app.ios").await), (2, 0));

    // Too soon for a third one: another connection is all that can be tried.
    apple.expire_provider_tokens();
    apple.clear_record();
    notify("$3").await.assert_error(502, "M_UNKNOWN");
    assert_eq!(seen(), [(2, Some(403)), (3, Some(403))]);
    let alarms = gateway.alarms("app.ios", "ExpiredProviderToken").await;
    assert_eq!((apple.provider_tokens().len(), alarms), (2, 1));
}

#[tokio::test]
async fn an_invalid_token_is_replaced_once_and_raises_the_alarm() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    let (pushkey, token) = device(0);
    apple.for_token(&token).always(Answer::new(403, "InvalidProviderToken"));
    let answer = gateway.notify(&event("app.ios", &pushkey, "$e")).await;
    answer.assert_error(502, "M_UNKNOWN");
    let requests = apple.received();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].header("authorization"), requests[1].header("authorization"));
    let alarms = gateway.alarms("app.ios", "InvalidProviderToken").await;
    assert_eq!((gateway.retries("app.ios").await, alarms), (0, 1));
}

#[tokio::test]
async fn a_pushkey_that_is_no_device_token_is_rejected_unsent() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    for pushkey in ["", "fR7x:APA91bHun4MxP5egoKMwt2", "TWO-B", "../../x"] {
        let answer = gateway.notify(&event("app.ios", pushkey, "$e")).await;
        answer.assert_rejects(&[pushkey]);
    }
    let url_safe: Value = event("app.ios", "-_-_-w", "$e");
    gateway.notify(&url_safe).await.assert_rejects(&[]);
    assert_eq!((apple.next().await.token.as_str(), apple.count()), ("fbffbffb", 1));
    assert_eq!(apple.refused(), 0);
}
