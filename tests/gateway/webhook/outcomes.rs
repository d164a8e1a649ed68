//! What webhooks answer, and what the homeserver hears of it.

use loadtest::peers::Answer;
use loadtest::peers::webhook::{Options, Webhook};

use super::{APP, setup};
use crate::helpers::bodies::EAGER;
use crate::helpers::{Hears, event};

/// Answers to one push, the requests that are made, what is heard, and the reason of the alarm.
fn rows() -> Vec<(Vec<Answer>, usize, Hears, &'static str)> {
    use Hears::{Failed, Rejected, Settled};
    let status = Answer::status;
    vec![
        (vec![status(200)], 1, Settled, ""),
        (vec![status(202).body("thanks")], 1, Settled, ""),
        (vec![status(204)], 1, Settled, ""),
        (vec![status(404)], 1, Rejected, ""),
        (vec![status(410)], 1, Rejected, ""),
        // The operator's mistakes.
        (vec![status(302).header("location", "/")], 1, Failed, "redirect"),
        (vec![status(401)], 1, Failed, "unauthorized"),
        (vec![status(403)], 1, Failed, "unauthorized"),
        (vec![status(405)], 1, Failed, "method_not_allowed"),
        // This message's fault.
        (vec![status(400)], 1, Settled, ""),
        (vec![status(413)], 1, Settled, ""),
        (vec![status(418)], 1, Settled, ""),
        (vec![status(422)], 1, Settled, ""),
        // What passes.
        (vec![status(408)], 2, Settled, ""),
        (vec![status(425)], 2, Settled, ""),
        (vec![status(429), status(503).retry_after(0)], 3, Settled, ""),
        (vec![status(500), status(502), status(504)], 4, Settled, ""),
        (vec![status(503), status(410)], 2, Rejected, ""),
        // What does not pass in time.
        (vec![status(500); 4], 4, Failed, ""),
        (vec![status(429).retry_after(60)], 1, Failed, ""),
        (vec![status(503).retry_after(60)], 1, Failed, ""),
    ]
}

#[tokio::test]
async fn every_answer_settles_or_fails() {
    let hook = Webhook::start(&Options::default().secret("s"));
    let setup = setup(&hook, "secret: s").section(EAGER);
    let gateway = setup.section("runtime: {workers: 1}").start();
    for (number, (answers, count, hears, alarm)) in rows().into_iter().enumerate() {
        let name = format!("{number}: {answers:?}");
        let pushkey = format!("key-{number}");
        for answer in answers {
            hook.for_token(&pushkey).answer_next(answer);
        }
        let alarms = async || (gateway.alarms(APP, alarm).await, gateway.all_alarms().await);
        let before = alarms().await;
        let answer = gateway.notify(&event(APP, &pushkey, "$e")).await;
        answer.assert_hears(hears, &pushkey);
        let requests = hook.received();
        let made = requests.iter().filter(|it| it.token == pushkey).count();
        assert_eq!(made, count, "{name}");
        let raised = u64::from(!alarm.is_empty());
        let expected = (before.0 + raised, before.1 + raised);
        assert_eq!(alarms().await, expected, "{name}");
    }
    assert_eq!(hook.refused(), 0);
}
