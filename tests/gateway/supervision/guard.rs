//! When most pushkeys would be rejected, the fault is ours, and no pusher may be lost for it.

use loadtest::peers::Answer;

use super::{pushkey, token};
use crate::helpers::{Setup, apns, event};

const WITHHELD: &str = "mass_rejection_guard";

#[tokio::test]
async fn a_wrong_platform_does_not_empty_the_homeservers() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {mass_rejection_guard: {min_pushes: 10, percent: 50}}")
        .apns("app", &apple, &key, "")
        .start();
    let push = async |number: usize, id| gateway.notify(&event("app", &pushkey(number), id)).await;
    apple.answer_with(|request| {
        // One device in four is good, by the last digit of its number.
        let is_good = ["3", "7", "b", "f"].contains(&&request.token[15..16]);
        (!is_good).then(|| Answer::new(400, "BadDeviceToken"))
    });
    let mut rejected = Vec::new();
    for number in 0..40 {
        let answer = push(number, "$1").await;
        match (number % 4 == 3, answer.status) {
            (true, _) => answer.assert_rejects(&[]),
            (false, 200) => {
                answer.assert_rejects(&[&pushkey(number)]);
                rejected.push(number);
            }
            (false, _) => answer.assert_error(502, "M_UNKNOWN"),
        }
    }
    // Until ten pushkeys were tried there was nothing to judge by.
    assert_eq!(rejected, [0, 1, 2, 4, 5, 6, 8]);
    assert_eq!(gateway.alarms("app", WITHHELD).await, 30 - 7);
    // Those few are not believed any more either: they are asked again.
    let asked = apple.count();
    push(0, "$2").await.assert_error(502, "M_UNKNOWN");
    assert_eq!(apple.count(), asked + 1);

    // The operator mends it: the pushkeys are alive after all.
    apple.clear_script();
    for number in 0..40 {
        push(number, "$3").await.assert_rejects(&[]);
    }
    apple.unregister(&token(0), 1_800_000_000_000);
    push(0, "$4").await.assert_rejects(&[&pushkey(0)]);
}

#[tokio::test]
async fn a_share_below_the_limit_is_believed() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {mass_rejection_guard: {min_pushes: 10, percent: 50}}")
        .apns("app", &apple, &key, "")
        .start();
    for number in 0..40 {
        let dead = number % 2 == 1;
        if dead {
            apple.unregister(&token(number), 1_800_000_000_000);
        }
        let answer = gateway.notify(&event("app", &pushkey(number), "$1")).await;
        let key = pushkey(number);
        let key: &str = &key;
        answer.assert_rejects(if dead { std::slice::from_ref(&key) } else { &[] });
    }
    assert_eq!(gateway.alarms("app", WITHHELD).await, 0);
}

#[tokio::test]
async fn each_app_has_a_guard_of_its_own() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {mass_rejection_guard: {min_pushes: 2, percent: 50}}")
        .apns("wrong", &apple, &key, "")
        .apns("right", &apple, &key, "")
        .start();
    let push =
        async |app: &str, number: usize| gateway.notify(&event(app, &pushkey(number), "$1")).await;
    (0..3).for_each(|number| apple.unregister(&token(number), 1_800_000_000_000));
    push("wrong", 0).await;
    push("wrong", 1).await.assert_error(502, "M_UNKNOWN");
    for number in 3..10 {
        push("right", number).await.assert_rejects(&[]);
    }
    push("right", 2).await.assert_rejects(&[&pushkey(2)]);
    push("wrong", 2).await.assert_error(502, "M_UNKNOWN");
}

#[tokio::test]
async fn a_reload_ends_it_for_an_app_that_changed() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {mass_rejection_guard: {min_pushes: 2, percent: 50}}")
        .apns("app", &apple, &key, "collapse_per_room: no")
        .start();
    let push = async |number: usize| gateway.notify(&event("app", &pushkey(number), "$1")).await;
    apple.always(Answer::new(410, "Unregistered"));
    push(0).await.assert_rejects(&[&pushkey(0)]);
    push(1).await.assert_error(502, "M_UNKNOWN");
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml).await.unwrap();
    push(2).await.assert_error(502, "M_UNKNOWN");

    let mended = yaml.replace("room: no", "room: yes");
    gateway.reload(&mended).await.unwrap();
    push(3).await.assert_rejects(&[&pushkey(3)]);
    // Or with other numbers, which hold at once.
    push(4).await.assert_error(502, "M_UNKNOWN");
    let patient = mended.replace("min_pushes: 2", "min_pushes: 50");
    gateway.reload(&patient).await.unwrap();
    push(5).await.assert_rejects(&[&pushkey(5)]);
}
