//! What push servers answer, and what the homeserver hears of it.

use loadtest::peers::Answer;
use loadtest::peers::unifiedpush::UnifiedPush;
use serde_json::Value;

use super::{push, setup};
use crate::helpers::Hears;
use crate::helpers::bodies::EAGER;

/// Answers to one push, the requests that are made, and what is heard.
fn rows() -> Vec<(Vec<Answer>, usize, Hears)> {
    use Hears::{Failed, Rejected, Settled};
    let status = Answer::status;
    vec![
        (vec![status(200)], 1, Settled),
        (vec![status(201)], 1, Settled),
        (vec![status(202)], 1, Settled),
        (vec![status(204)], 1, Settled),
        // The endpoint is gone.
        (vec![status(404)], 1, Rejected),
        (vec![Answer::html(404)], 1, Rejected),
        (vec![status(410)], 1, Rejected),
        // This push is lost, its pusher is not to blame.
        (vec![status(302).header("location", "/elsewhere")], 1, Settled),
        (vec![status(400)], 1, Settled),
        (vec![status(401)], 1, Settled),
        (vec![status(403)], 1, Settled),
        (vec![status(405)], 1, Settled),
        (vec![status(413)], 1, Settled),
        (vec![status(418)], 1, Settled),
        // What passes.
        (vec![status(408)], 2, Settled),
        (vec![status(429)], 2, Settled),
        (vec![status(429), status(503).retry_after(0)], 3, Settled),
        (vec![status(500), status(502), status(504)], 4, Settled),
        (vec![status(429), status(410)], 2, Rejected),
        (vec![Answer::close()], 2, Settled),
        // What does not pass in time.
        (vec![status(507); 4], 4, Failed),
        (vec![Answer::html(503); 4], 4, Failed),
        (vec![status(429).retry_after(60)], 1, Failed),
    ]
}

#[tokio::test]
async fn every_answer_settles_or_fails() {
    let server = UnifiedPush::start();
    let setup = setup("").section(EAGER).section("runtime: {workers: 1}");
    let gateway = setup.start();
    for (number, (answers, count, hears)) in rows().into_iter().enumerate() {
        let name = format!("{number}: {answers:?}");
        let to = server.endpoint();
        for answer in answers {
            server.for_token(to.token()).answer_next(answer);
        }
        let answer = gateway.notify(&push(&to, "$e", &Value::Null)).await;
        answer.assert_hears(hears, &to.url);
        let requests = server.received();
        let made = requests.iter().filter(|it| it.token == to.token()).count();
        assert_eq!(made, count, "{name}");
    }
    assert_eq!(server.refused(), 0);
    assert_eq!(gateway.all_alarms().await, 0, "no stranger can alarm anyone");
}
