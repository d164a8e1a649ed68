//! What push services answer, and what the homeserver hears of it.

use loadtest::peers::webpush::{Options, WebPush};
use loadtest::peers::{Answer, Received};
use serde_json::{Value, json};

use super::{APP, push};
use crate::helpers::bodies::{EAGER, with};
use crate::helpers::{Hears, PRIVATE, Setup};

/// Answers to one push, the requests that are made, what is heard, and the reason of the alarm.
type Row = (Vec<Answer>, usize, Hears, &'static str);

fn rows() -> Vec<Row> {
    use Hears::{Failed, Rejected, Settled};
    let status = Answer::status;
    let new = Answer::new;
    let google = "the VAPID credentials in the authorization header do not correspond to the \
                  credentials used to create the subscriptions.";
    vec![
        (vec![status(200)], 1, Settled, ""),
        (vec![status(202)], 1, Settled, ""),
        (vec![status(204)], 1, Settled, ""),
        // Dead subscriptions.
        (vec![new(404, "102")], 1, Rejected, ""),
        (vec![new(404, "BadPath")], 1, Rejected, ""),
        (vec![new(410, "103")], 1, Rejected, ""),
        (vec![new(410, "106")], 1, Rejected, ""),
        (vec![new(400, "VapidPkHashMismatch")], 1, Rejected, ""),
        (vec![new(403, "VapidPkHashMismatch")], 1, Rejected, ""),
        (vec![status(403).body(google)], 1, Rejected, ""),
        // The operator's mistakes. Another token would have to wait for an hour.
        (vec![new(401, "109")], 1, Failed, "vapid_refused"),
        (vec![new(403, "BadJwtToken")], 1, Failed, "vapid_refused"),
        (vec![new(403, "BadVapidPublicKey")], 1, Failed, "vapid_refused"),
        // This message's fault.
        (vec![new(400, "110")], 1, Settled, "bad_request"),
        (vec![new(400, "BadTtl")], 1, Settled, "bad_request"),
        (vec![status(405)], 1, Settled, "method_not_allowed"),
        (vec![status(418)], 1, Settled, "other"),
        (vec![status(307).header("location", "/elsewhere")], 1, Settled, "redirect"),
        // Without its topic it goes through.
        (vec![new(400, "113")], 2, Settled, ""),
        (vec![new(400, "BadWebPushTopic")], 2, Settled, ""),
        (vec![new(400, "113"), new(400, "113")], 2, Settled, "bad_topic"),
        // Smaller it goes through, or not at all.
        (vec![new(413, "104")], 2, Settled, ""),
        (vec![new(413, "104"), new(413, "104")], 2, Settled, ""),
        (vec![new(413, "104"), new(400, "113")], 3, Settled, ""),
        // What passes.
        (vec![status(406)], 2, Settled, ""),
        (vec![status(429), status(503).retry_after(0)], 3, Settled, ""),
        (vec![status(500), status(502), status(504)], 4, Settled, ""),
        (vec![Answer::html(503); 4], 4, Failed, ""),
        (vec![status(429).retry_after(60)], 1, Failed, ""),
        (vec![status(406).retry_after(60)], 1, Failed, ""),
        (vec![status(503).retry_after("Fri, 31 Dec 9999 23:59:59 GMT")], 1, Failed, ""),
    ]
}

#[tokio::test]
async fn every_answer_settles_or_fails() {
    let service = WebPush::start(&Options::default());
    let setup = Setup::new().section(EAGER).section("runtime: {workers: 1}");
    let gateway = setup.webpush(APP, PRIVATE).start();
    let long = json!({ "content": { "body": "é".repeat(1000), "more": "x".repeat(3000) } });
    let data = json!({ "only_last_per_room": true });
    for (number, (answers, count, hears, alarm)) in rows().into_iter().enumerate() {
        let name = format!("{number}: {answers:?}");
        let to = service.subscribe();
        for answer in answers {
            service.for_token(to.token()).answer_next(answer);
        }
        let alarms = async || (gateway.alarms(APP, alarm).await, gateway.all_alarms().await);
        let before = alarms().await;

        let answer = gateway.notify(&with(push(&to, "$e", &data), &long)).await;

        answer.assert_hears(hears, &to.p256dh);
        let mut requests: Vec<Received> = service.received();
        requests.retain(|it| it.token == to.token());
        assert_eq!(requests.len(), count, "{name}");
        assert!(requests.iter().all(|it| it.refused.is_none()), "{name}");
        let raised = u64::from(!alarm.is_empty());
        let expected = (before.0 + raised, before.1 + raised);
        assert_eq!(alarms().await, expected, "{name}");
        if let [first, second] = &*requests {
            let shrunk = first.status == Some(413);
            assert_eq!(second.body.len() < first.body.len(), shrunk, "{name}");
            let without_topic = first.status == Some(400);
            assert_eq!(second.header("topic").is_empty(), without_topic, "{name}");
        }
    }
    assert_eq!(service.refused(), 0);
    assert_eq!(service.vapid_tokens().len(), 1);
}

#[tokio::test]
async fn nothing_a_service_says_is_repeated_to_the_homeserver() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().section(EAGER).webpush(APP, PRIVATE).start();
    for status in [200, 302, 400, 403, 404, 500] {
        let to = service.subscribe();
        let secret = Answer::status(status).body("the internal page");
        service.for_token(to.token()).always(secret);
        let answer = gateway.notify(&push(&to, "$e", &Value::Null)).await;
        assert!(!answer.text.contains("internal"), "{answer:?}");
    }
}
