//! What is forwarded, and what becomes of notifications that are too large.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::*;
use crate::matrix;
use crate::providers::push::{Push, ViewOptions};
use crate::providers::testing::{WHOLE, text};

const LIMIT: usize = 4096;

fn push(notification: &Tree, device: &Tree) -> Push {
    let mut body = json!({ "notification": notification });
    let devices = &mut body["notification"]["devices"];
    *devices =
        json!([{ "app_id": "other", "pushkey": "other" }, { "app_id": "app", "pushkey": "k" }]);
    for (key, value) in device.as_object().into_iter().flatten() {
        devices[1][key] = value.clone();
    }
    let request = matrix::decode(body.to_string().into()).unwrap();
    Push::new(Arc::new(request), 1).unwrap()
}

fn built(notification: &Tree, device: &Tree, options: ViewOptions, limit: usize) -> String {
    let push = push(notification, device);
    text(build(&push.view(options), limit, &["auth"]), limit)
}

fn full() -> Tree {
    json!({
        "event_id": "$e", "room_id": "!r:example.org", "type": "m.room.message",
        "sender": "@a:example.org", "sender_display_name": "Änne", "room_name": "Räume",
        "room_alias": "#r:example.org", "prio": "low", "user_is_target": false,
        "counts": { "unread": 2, "missed_calls": 0 }, "unknown": 1,
        "content": { "msgtype": "m.text", "body": "Grüße 🦉", "n": [1, 2.50] },
    })
}

fn device() -> Tree {
    json!({
        "app_id": "app", "pushkey": "https://push.example/x?up=1", "pushkey_ts": 1_700_000_000,
        "data": { "auth": "secret", "client_name": "c", "format": "x" },
        "tweaks": { "sound": "ring", "highlight": true, "other": 1 }, "profile_tag": "p",
    })
}

#[test]
fn everything_that_clients_read_with_its_one_device() {
    assert_eq!(
        built(&full(), &device(), WHOLE, LIMIT),
        "{\"notification\":{\"event_id\":\"$e\",\"room_id\":\"!r:example.org\",\
         \"type\":\"m.room.message\",\"sender\":\"@a:example.org\",\
         \"sender_display_name\":\"Änne\",\"room_name\":\"Räume\",\
         \"room_alias\":\"#r:example.org\",\"user_is_target\":false,\"prio\":\"low\",\
         \"content\":{\"body\":\"Grüße 🦉\",\"msgtype\":\"m.text\",\"n\":[1,2.5]},\
         \"counts\":{\"unread\":2,\"missed_calls\":0},\
         \"devices\":[{\"app_id\":\"app\",\"pushkey\":\"https://push.example/x?up=1\",\
         \"pushkey_ts\":1700000000,\"data\":{\"client_name\":\"c\",\"format\":\"x\"},\
         \"tweaks\":{\"sound\":\"ring\",\"highlight\":true}}]}}",
    );
}

#[test]
fn what_is_told_and_what_not() {
    let ids_only = ViewOptions { event_id_only: true, ..WHOLE };
    let no_counts = ViewOptions { send_badge_counts: false, ..WHOLE };
    let no_badge = json!({ "data": { "org.matrix.msc4076.disable_badge_count": true } });
    let badge = json!({ "id": "", "type": null, "sender": "", "counts": { "unread": 3 } });
    let sealed =
        json!({ "ciphertext": "c", "ephemeral": "e", "mac": "m", "counts": { "unread": 1 } });
    let invite = json!({ "event_id": "$e", "room_id": "!r", "type": "m.room.member",
        "membership": "invite", "user_is_target": true, "sender": "@a:b" });
    let none = Tree::Null;
    let device = r#""devices":[{"app_id":"app","pushkey":"k"}]"#;
    let rows = [
        (&badge, &none, WHOLE, format!(r#""prio":"high","counts":{{"unread":3}},{device}"#)),
        (&badge, &none, no_counts, String::new()),
        (&badge, &no_badge, WHOLE, String::new()),
        (&json!({}), &none, WHOLE, format!(r#""prio":"high","counts":{{"unread":0}},{device}"#)),
        (
            &sealed,
            &none,
            WHOLE,
            format!(
                r#""ciphertext":"c","ephemeral":"e","mac":"m","prio":"high","counts":{{"unread":1}},{device}"#
            ),
        ),
        (
            &invite,
            &none,
            WHOLE,
            format!(
                r#""event_id":"$e","room_id":"!r","type":"m.room.member","sender":"@a:b","membership":"invite","user_is_target":true,"prio":"high",{device}"#
            ),
        ),
        (
            &full(),
            &json!({ "tweaks": { "sound": "ring" } }),
            ids_only,
            format!(
                r#""event_id":"$e","room_id":"!r:example.org","prio":"low","counts":{{"unread":2,"missed_calls":0}},{device}"#
            ),
        ),
    ];
    for (notification, device, options, expected) in rows {
        let expected = if expected.is_empty() {
            "permanent nothing_to_send".to_owned()
        } else {
            format!(r#"{{"notification":{{{expected}}}}}"#)
        };
        assert_eq!(built(notification, device, options, LIMIT), expected);
    }
}

#[test]
fn content_goes_before_ids() {
    let tree = |notification: &Tree, device: &Tree, limit: usize| -> Tree {
        let built = built(notification, device, WHOLE, limit);
        let mut tree: Tree = serde_json::from_str(&built).unwrap_or_else(|_| panic!("{built}"));
        tree["notification"].take()
    };
    let with = |content: Tree| {
        let mut notification = full();
        notification["content"] = content;
        notification
    };
    // A text is shortened, a ciphertext is of no use in part.
    let shortened = tree(&with(json!({ "body": "é".repeat(4000), "n": 1 })), &device(), LIMIT);
    let body = shortened["content"]["body"].as_str().unwrap();
    assert!(body.len() > 3000 && body.chars().all(|it| it == 'é'), "{body}");
    assert_eq!(shortened["content"]["n"], 1);
    let sealed = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x".repeat(5000) });
    let sealed = tree(&with(sealed), &device(), LIMIT);
    assert_eq!(sealed["content"], json!({ "algorithm": "m.megolm.v1.aes-sha2" }));

    let key = format!("https://push.example/{}", "k".repeat(1900));
    let mut far = device();
    far["pushkey"] = json!(key);
    let large: Tree = (0..9999).map(|n| (format!("key{n}"), json!("x".repeat(50)))).collect();
    let mut wild = full();
    wild["content"] = large.clone();
    wild["sender_display_name"] = json!("x".repeat(100_000));
    far["data"] = json!({ "default_payload": large });
    for limit in [LIMIT, 3993, 2600, 2200] {
        let tree = tree(&wild, &far, limit);
        assert_eq!((&tree["event_id"], &tree["room_id"]), (&json!("$e"), &json!("!r:example.org")));
        assert_eq!(tree["devices"][0]["pushkey"], key, "{limit}");
        assert_eq!(tree["counts"]["unread"], 2);
    }
    let bare = tree(&wild, &far, 200);
    assert_eq!((&bare["event_id"], bare.get("devices")), (&json!("$e"), None));
    assert_eq!(built(&full(), &device(), WHOLE, 60), "permanent payload_too_large");
}

proptest! {
    #[test]
    fn whatever_fits_is_json(
        texts in proptest::collection::vec("(?s).{0,400}", 6),
        numbers in proptest::collection::vec(any::<u32>(), 0..200),
        limit in 150..4000_usize,
    ) {
        let notification = json!({
            "event_id": "$e", "room_id": "!r", "type": "t",
            "sender_display_name": texts[0], "room_name": texts[1],
            "content": { "body": texts[2], texts[3].as_str(): numbers, "t": texts[4] },
        });
        let device = json!({ "data": { "d": texts[5], "n": numbers }, "tweaks": { "sound": texts[0] } });
        let built = built(&notification, &device, WHOLE, limit);
        let built: Tree = serde_json::from_str(&built).unwrap();
        prop_assert_eq!(&built["notification"]["event_id"], "$e");
    }
}
