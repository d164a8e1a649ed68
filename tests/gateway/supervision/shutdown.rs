//! A shutdown keeps what was promised, within the deadline.

use loadtest::peers::Answer;

use crate::helpers::{Setup, TOKEN, apns, badge, event, fcm, until};

#[tokio::test]
async fn badges_that_wait_are_sent_before_the_end() {
    for delivery in ["{badge_coalesce_ms: 3600000}", "{rate_limit: {per_minute: 1, burst: 1}}"] {
        let (apple, key) = apns();
        let gateway = Setup::new()
            .section(&format!("delivery: {delivery}"))
            .apns("app", &apple, &key, "")
            .start();
        for unread in [1, 2, 3] {
            gateway.notify(&badge("app", TOKEN, unread)).await.assert_rejects(&[]);
        }
        let before = apple.count();
        assert!(gateway.drain().await, "{delivery}");
        assert_eq!(apple.count(), before + 1, "{delivery}");
        let last = apple.received().pop().unwrap();
        assert_eq!(last.json["aps"]["badge"], 3, "{delivery}");
    }
}

#[tokio::test]
async fn a_repeat_that_is_due_is_still_made() {
    let fcm = fcm();
    let gateway = Setup::new().fcm("app", &fcm, "").start();
    fcm.answer_next(Answer::new(503, "UNAVAILABLE").retry_after(1));
    let push = gateway.begin(&event("app", "a:key", "$1"));
    fcm.wait_for(1).await;
    assert!(gateway.drain().await);
    push.await.unwrap().assert_rejects(&[]);
    assert_eq!(fcm.accepted(), 1);
}

#[tokio::test]
async fn the_deadline_ends_what_hangs() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {deadline_seconds: 1}")
        .apns("app", &apple, &key, "")
        .start();
    apple.always(Answer::stall());
    let push = gateway.begin(&event("app", TOKEN, "$1"));
    apple.wait_for(1).await;
    assert!(gateway.drain().await, "it is settled, if not well");
    push.await.unwrap().assert_error(504, "M_UNKNOWN");
}

#[tokio::test]
async fn pushes_of_an_app_that_a_reload_took_away_are_waited_for() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {badge_coalesce_ms: 3600000}")
        .apns("app", &apple, &key, "")
        .app("other", "type: log")
        .start();
    apple.answer_next(Answer::stall());
    let push = gateway.begin(&event("app", TOKEN, "$1"));
    apple.wait_for(1).await;
    // This one finds no app any more when its time has come.
    gateway.notify(&badge("app", &super::pushkey(1), 1)).await.assert_rejects(&[]);
    let yaml = gateway.setup().yaml();
    let (without, _) = yaml.split_once("  'app':").unwrap();
    let other = yaml.split_once("  'other':").unwrap().1;
    gateway.reload(&format!("{without}  'other':{other}")).await.unwrap();
    gateway.notify(&event("app", TOKEN, "$2")).await.assert_rejects(&[TOKEN]);

    let drain = async { assert!(gateway.drain().await) };
    let settle = async {
        until("the drain begins", async || {
            (gateway.admin("/health/ready").await.status == 503).then_some(())
        })
        .await;
        assert!(!push.is_finished());
        apple.close_all();
        push.await.unwrap().assert_rejects(&[]);
    };
    tokio::join!(drain, settle);
    assert_eq!((apple.accepted(), apple.count()), (1, 2));
}
