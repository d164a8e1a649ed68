//! The outcome tables of the book, row by row: the provider answers as the first column says, and
//! the gateway counts, alarms and tells the homeserver what the others say.

use std::fs;
use std::path::Path;

use loadtest::peers::Answer;
use loadtest::peers::fcm::{apns_error, error, violation};
use loadtest::peers::unifiedpush::UnifiedPush;
use loadtest::peers::webhook::{self, Webhook};
use loadtest::peers::webpush::{self, WebPush};
use serde_json::{Value, json};

use crate::helpers::bodies::{device, with};
use crate::helpers::{Hears, PRIVATE, Setup, TestGateway, apns, event, fcm};

const APP: &str = "app";

/// A gateway that repeats without delay, never leaves a provider alone, and believes every
/// rejection.
const BELIEVING: &str = "delivery: {\
    retry: {base_delay_ms: 1, max_delay_ms: 1, budget_percent: 100}, \
    circuit_breaker: {failures: 1000000}, \
    mass_rejection_guard: {min_pushes: 1000000}}\n\
    runtime: {workers: 1}";

/// A row of a table.
struct Row {
    answer: String,
    outcome: String,
    is_alarm: bool,
    reason: String,
}

/// Returns the rows of a provider's table.
fn rows(provider: &str) -> Vec<Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/outcomes.md");
    let page = fs::read_to_string(file).unwrap();
    let section = page.split(&format!("\n## {provider}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let outcome = cells[2].trim_end_matches(", alarm");
            Row {
                answer: cells[1].to_owned(),
                outcome: outcome.to_owned(),
                is_alarm: outcome != cells[2],
                reason: cells[3].trim_matches('`').to_owned(),
            }
        })
        .collect();
    assert!(rows.len() > 10, "the scan finds the table of {provider}");
    rows
}

impl Row {
    /// Returns the status and the words of the answer; further words in backticks follow.
    fn words(&self) -> (u16, Vec<&str>) {
        let mut spans = self.answer.split('`').skip(1).step_by(2);
        let mut answer = spans.next().unwrap().split(' ');
        let status = answer.next().unwrap().parse().unwrap();
        (status, answer.chain(spans).collect())
    }

    /// Returns an answer with a reason in the vendor's words, or none.
    fn plain(&self) -> Answer {
        match self.words() {
            (status, words) if words.is_empty() => Answer::status(status),
            (status, words) => Answer::new(status, words[0]),
        }
    }

    fn of_apns(&self) -> Answer {
        let (status, words) = self.words();
        let has_registered_again = self.answer.ends_with("before the app registered again");
        let since = if has_registered_again { 1 } else { 2_000_000_000_000 };
        match words.first() {
            _ if status == 200 => Answer::accept(),
            None => Answer::html(status),
            Some(reason) => Answer::new(status, reason).timestamp(since),
        }
    }

    fn of_fcm(&self) -> Answer {
        let (status, words) = self.words();
        match words[..] {
            [] if status == 200 => Answer::accept(),
            [] => error(status, "words for people", &json!([])),
            [code] if self.answer.ends_with("not a valid FCM registration token") => {
                let message = "The registration token is not a valid FCM registration token";
                Answer::new(status, code).message(message)
            }
            [code] => Answer::new(status, code),
            [_, more] => match more.split_once(' ') {
                Some((apples, reason)) => apns_error(apples.parse().unwrap(), reason),
                None => violation(more, "words for people"),
            },
            _ => panic!("no such answer: {}", self.answer),
        }
    }

    /// Pushes to a device whose provider answers so, and looks at everything the row says.
    async fn holds(&self, gateway: &TestGateway, provider: &str, push: &Value) {
        let Self { answer, outcome, reason, .. } = self;
        let labels =
            format!(r#"app="{APP}",provider="{provider}",outcome="{outcome}",reason="{reason}""#);
        let counted = async || {
            let pushes = format!("peregrine_pushes_total{{{labels}}}");
            (gateway.count(&pushes).await, gateway.all_alarms().await)
        };
        let before = counted().await;
        let answered = gateway.notify(push).await;
        let hears = match outcome.as_str() {
            "accepted" | "permanent" => Hears::Settled,
            "rejected" => Hears::Rejected,
            "transient" => Hears::Failed,
            _ => panic!("no such outcome: {outcome}"),
        };
        let pushkey = &push["notification"]["devices"][0]["pushkey"];
        answered.assert_hears(hears, pushkey.as_str().unwrap());
        let expected = (before.0 + 1, before.1 + u64::from(self.is_alarm));
        assert_eq!(counted().await, expected, "{provider}: {answer}");
    }
}

#[tokio::test]
async fn apns_answers_as_the_book_says() {
    let (apple, key) = apns();
    let gateway = Setup::new().section(BELIEVING).apns(APP, &apple, &key, "").start();
    for (number, row) in rows("apns").into_iter().enumerate() {
        let (pushkey, token) = device(number);
        apple.for_token(&token).always(row.of_apns());
        // With something to cut, for the answer that it is too large.
        let message = json!({
            "type": "m.room.message",
            "sender": "@bob:example.org",
            "content": {"msgtype": "m.text", "body": "x".repeat(3000)},
        });
        let push = with(event(APP, &pushkey, "$e"), &message);
        row.holds(&gateway, "apns", &push).await;
    }
}

#[tokio::test]
async fn fcm_answers_as_the_book_says() {
    let google = fcm();
    let gateway = Setup::new().section(BELIEVING).fcm(APP, &google, "").start();
    for (number, row) in rows("fcm").into_iter().enumerate() {
        let pushkey = format!("cFb-1d2e3f4g5h6i7j8k9l:APA91b{number:03}");
        google.for_token(&pushkey).always(row.of_fcm());
        row.holds(&gateway, "fcm", &event(APP, &pushkey, "$e")).await;
    }
}

#[tokio::test]
async fn webpush_answers_as_the_book_says() {
    let service = WebPush::start(&webpush::Options::default());
    let gateway = Setup::new().section(BELIEVING).webpush(APP, PRIVATE).start();
    for row in rows("webpush") {
        let to = service.subscribe();
        service.for_token(to.token()).always(row.plain());
        let mut push = event(APP, &to.p256dh, "$e");
        push["notification"]["devices"][0]["data"] = to.data();
        row.holds(&gateway, "webpush", &push).await;
    }
}

#[tokio::test]
async fn unifiedpush_answers_as_the_book_says() {
    let server = UnifiedPush::start();
    let keys = format!("type: unifiedpush\n{PRIVATE}");
    let gateway = Setup::new().section(BELIEVING).app(APP, &keys).start();
    for row in rows("unifiedpush") {
        let to = server.endpoint();
        server.for_token(to.token()).always(row.plain());
        row.holds(&gateway, "unifiedpush", &event(APP, &to.url, "$e")).await;
    }
}

#[tokio::test]
async fn webhook_answers_as_the_book_says() {
    let hook = Webhook::start(&webhook::Options::default());
    let keys = format!("type: webhook\nurl: {}", hook.hook());
    let gateway = Setup::new().section(BELIEVING).app(APP, &keys).start();
    for (number, row) in rows("webhook").into_iter().enumerate() {
        let pushkey = format!("key-{number}");
        hook.for_token(&pushkey).always(row.plain());
        row.holds(&gateway, "webhook", &event(APP, &pushkey, "$e")).await;
    }
}
