//! What Synapse sends, and what the phone gets of it.

use serde_json::{Value, json};

use crate::helpers::bodies::{Sent, device, with};
use crate::helpers::{Setup, TOKEN, apns, event};

/// What the phone gets of a body.
enum Gets {
    /// Ids and counts beside the `default_payload`.
    Ids,
    /// A sentence over the alert of the `default_payload`, the ids, and the badge.
    Sentence(&'static str, &'static [&'static str]),
    /// The number on the icon, and nothing else.
    Badge(u64),
    Nothing,
}

const BOB: &str = "Bob Ünïcode 🚀";

const BODIES: [(&str, &str, Gets); 31] = {
    use Gets::{Badge, Ids, Nothing, Sentence};
    const IN_ROOM: &str = "MSG_FROM_USER_IN_ROOM";
    const IN_ROOM_WITH_CONTENT: &str = "MSG_FROM_USER_IN_ROOM_WITH_CONTENT";
    [
        ("badge_after_read_receipt", "10", Badge(0)),
        ("event_id_only_badge", "10", Badge(4)),
        ("event_id_only_call_invite", "10", Ids),
        ("event_id_only_encrypted", "10", Ids),
        ("event_id_only_invite", "10", Ids),
        ("event_id_only_mention", "10", Ids),
        ("event_id_only_message", "5", Ids),
        ("event_id_only_msc4076_nobadge", "5", Ids),
        ("full_at_room", "10", Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Group", "@room all"])),
        ("full_call_invite", "10", Sentence("VOICE_CALL_FROM_USER", &[BOB])),
        ("full_encrypted", "10", Sentence(IN_ROOM, &[BOB, "Peer Room"])),
        ("full_group_message", "5", Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Group", "group hi"])),
        ("full_image", "10", Sentence("IMAGE_FROM_USER_IN_ROOM", &[BOB, "a.png", "Peer Room"])),
        ("full_invite", "10", Sentence("USER_INVITE_TO_NAMED_ROOM", &[BOB, "Invite Room 🎉"])),
        ("full_invite_dm_noname", "10", Sentence("USER_INVITE_TO_CHAT", &[BOB])),
        // The body is put in by the test.
        ("full_large_message", "10", Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Peer Room"])),
        (
            "full_mention_highlight",
            "10",
            Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Peer Room", "@alice934bfe:hs.test: ping"]),
        ),
        (
            "full_message",
            "10",
            Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Peer Room", "hello alice 👋 \" \\ \u{1}"]),
        ),
        (
            "full_message_formatted_reply",
            "10",
            Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Peer Room", "> q\n\nre"]),
        ),
        ("full_rtc_notification", "10", Sentence("MSG_FROM_USER", &[BOB])),
        ("full_then_redacted", "5", Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Group", "to redact"])),
        ("full_tombstone", "10", Sentence("MSG_FROM_USER", &[BOB])),
        ("msc4076_badge_after_read", "10", Nothing),
        ("nocontent_badge", "10", Badge(1)),
        ("nocontent_encrypted", "10", Sentence(IN_ROOM, &["bocd92f7", "NC"])),
        ("nocontent_invite", "10", Sentence("USER_INVITE_TO_NAMED_ROOM", &["bocd92f7", "X"])),
        ("nocontent_message", "10", Sentence(IN_ROOM, &["bocd92f7", "NC"])),
        ("nocontent_message_2nd_unread2", "10", Sentence(IN_ROOM, &["bocd92f7", "NC"])),
        ("two_pushers_0", "5", Ids),
        ("two_pushers_1", "5", Sentence(IN_ROOM_WITH_CONTENT, &[BOB, "Group", "two"])),
        ("webpush_event_id_only", "5", Ids),
    ]
};

impl Gets {
    /// Returns the payload; `None` if there is to be no push.
    fn payload(&self, sent: &Sent) -> Option<Value> {
        let ids = |mut payload: Value| {
            payload["room_id"] = sent.get("room_id");
            payload["event_id"] = sent.get("event_id");
            payload
        };
        match self {
            Self::Ids => {
                let mut payload = ids(sent.default_payload().into());
                if let Some(unread) = sent.unread() {
                    payload["unread_count"] = unread.into();
                }
                Some(payload)
            }
            Self::Sentence(key, args) => {
                let mut payload = ids(sent.default_payload().into());
                payload["aps"]["alert"]["loc-key"] = (*key).into();
                payload["aps"]["alert"]["loc-args"] = json!(args);
                payload["aps"]["badge"] = sent.unread().into();
                Some(payload)
            }
            Self::Badge(unread) => Some(json!({"aps": {"badge": unread}})),
            Self::Nothing => None,
        }
    }
}

#[tokio::test]
async fn what_synapse_sends_arrives() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    let bodies = Sent::all("app.ios", |number| device(number).0);
    let names: Vec<&str> = bodies.iter().map(|sent| sent.name.as_str()).collect();
    assert_eq!(names, BODIES.map(|(name, ..)| name));

    let mut arrived = 0;
    for (number, (sent, (name, priority, gets))) in bodies.iter().zip(&BODIES).enumerate() {
        gateway.notify(&sent.body).await.assert_rejects(&[]);
        let Some(mut expected) = gets.payload(sent) else {
            assert_eq!(apple.count(), arrived, "{name}");
            continue;
        };
        arrived += 1;
        let push = apple.next().await;
        assert_eq!((push.token, push.refused), (device(number).1, None), "{name}");
        assert_eq!(push.headers["apns-priority"], *priority, "{name}");
        if *name == "full_large_message" {
            // All of the 4096 bytes are used.
            assert_eq!(push.body.len(), 4096);
            let body = push.json["aps"]["alert"]["loc-args"][2].as_str().unwrap();
            assert!(body.bytes().all(|byte| byte == b'x'), "{body}");
            expected["aps"]["alert"]["loc-args"] = json!([BOB, "Peer Room", body]);
        }
        assert_eq!(push.json, expected, "{name}");
    }
    assert_eq!((apple.count(), apple.refused()), (arrived, 0));
}

#[tokio::test]
async fn texts_are_cut_and_ids_are_not() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    // One, two and four bytes, and some that JSON writes as two and six.
    let body: String = "aé🚀\"\n\u{1}".chars().cycle().take(36_000).collect();
    assert_eq!(body.len(), 60_000);
    let room_id = format!("!{}:example.org", "r".repeat(200));
    let message = with(
        event("app.ios", TOKEN, "$long"),
        &json!({
            "type": "m.room.message", "sender": "@bob:example.org", "sender_display_name": "é".repeat(2000),
            "room_id": room_id, "room_name": "Room", "content": {"msgtype": "m.text", "body": body},
        }),
    );
    gateway.notify(&message).await.assert_rejects(&[]);

    let push = apple.next().await;
    assert!((4090..=4096).contains(&push.body.len()), "{}", push.body.len());
    assert_eq!((&push.json["room_id"], &push.json["event_id"]), (&json!(room_id), &json!("$long")));
    let args = &push.json["aps"]["alert"]["loc-args"];
    let text = |at: usize| args[at].as_str().unwrap();
    assert!("é".repeat(1024).starts_with(text(0)) && text(0).len() > 1000);
    assert_eq!(text(1), "Room");
    assert!(body.starts_with(text(2)) && text(2).len() > 500);
    assert_eq!(apple.refused(), 0);
}

#[tokio::test]
async fn what_a_client_wants_beside_gives_way() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, "").start();
    let wanting = |event_id, payload| {
        let mut request = event("app.ios", TOKEN, event_id);
        request["notification"]["devices"][0]["data"] = json!({"default_payload": payload});
        request
    };
    let large = "x".repeat(5000);
    let kept = wanting("$kept", json!({"large": large, "small": 1, "aps": {"category": "c"}}));
    gateway.notify(&kept).await.assert_rejects(&[]);
    // Cutting Apple's own dictionary would make another notification of it.
    let dropped = wanting("$dropped", json!({"aps": {"category": large}}));
    gateway.notify(&dropped).await.assert_rejects(&[]);

    assert_eq!(
        apple.next().await.json,
        json!({
            "small": 1, "aps": {"category": "c"},
            "room_id": "!room:example.org", "event_id": "$kept", "unread_count": 2,
        })
    );
    let reason = r#"outcome="permanent",reason="payload_too_large""#;
    let settled = format!(r#"peregrine_pushes_total{{app="app.ios",provider="apns",{reason}}}"#);
    assert_eq!(gateway.count(&settled).await, 1);
    assert_eq!((apple.count(), apple.refused()), (1, 0));
}
