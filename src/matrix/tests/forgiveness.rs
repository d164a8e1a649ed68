//! What is taken as it comes: optional fields of any type, odd numbers, odd text.

use crate::matrix::{Counts, NotifyRequest, Priority, decode};

/// What MSC4076 pushers have in their data.
const DISABLE: &str = "org.matrix.msc4076.disable_badge_count";

/// A notification with further members, for one device with further members.
fn body(notification: &str, device: &str) -> String {
    format!(
        r#"{{"notification":{{{notification}"devices":[{{{device}"app_id":"a","pushkey":"k"}}]}}}}"#
    )
}

fn decoded(notification: &str, device: &str) -> NotifyRequest {
    let body = body(notification, device);
    decode(body.clone().into()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn ignored(request: &NotifyRequest) -> String {
    let fields: Vec<&str> = request.ignored.iter().map(|field| field.0).collect();
    fields.join(" ")
}

#[test]
fn optional_fields_forgive() {
    for (member, fields) in [
        (r#""counts":null"#, ""),
        (r#""counts":5"#, "counts"),
        (r#""counts":[]"#, "counts"),
        (r#""counts":{"unread":null}"#, ""),
        (r#""counts":{"unread":"5"}"#, "counts.unread"),
        (r#""counts":{"unread":0.5}"#, "counts.unread"),
        (r#""counts":{"unread":-3}"#, "counts.unread"),
        (r#""counts":{"missed_calls":true}"#, "counts.missed_calls"),
        (r#""event_id":5"#, "event_id"),
        (r#""room_id":{}"#, "room_id"),
        (r#""type":[]"#, "type"),
        (r#""sender":false"#, "sender"),
        (r#""sender":null,"type":null,"id":"""#, ""),
        (r#""prio":5"#, "prio"),
        (r#""prio":"urgent""#, ""),
        (r#""content":"x""#, "content"),
        (r#""user_is_target":"true""#, "user_is_target"),
        (r#""sender":1,"room_name":2,"sender":3"#, "sender room_name"),
        (r#""unheard.of":[{}]"#, ""),
    ] {
        let request = decoded(&format!("{member},"), "");
        assert_eq!(ignored(&request), fields, "{member}");
    }
    for (member, fields) in [
        (r#""pushkey_ts":"1""#, "devices.pushkey_ts"),
        (r#""pushkey_ts":1.5"#, "devices.pushkey_ts"),
        (r#""pushkey_ts":-1"#, "devices.pushkey_ts"),
        (r#""pushkey_ts":true"#, "devices.pushkey_ts"),
        (r#""pushkey_ts":null"#, ""),
        (r#""pushkey_ts":1e400"#, ""),
        (r#""data":null"#, ""),
        (r#""data":[]"#, "devices.data"),
        (r#""data":"x""#, "devices.data"),
        (r#""data":{"default_payload":null}"#, ""),
        (r#""data":{"default_payload":1}"#, "devices.data.default_payload"),
        (r#""data":{"DISABLE":null}"#, ""),
        (r#""data":{"DISABLE":"true"}"#, "devices.data.DISABLE"),
        (r#""tweaks":null"#, ""),
        (r#""tweaks":[]"#, "devices.tweaks"),
        (r#""tweaks":{"sound":null}"#, ""),
        (r#""tweaks":{"sound":true}"#, ""),
        (r#""tweaks":{"sound":5}"#, "devices.tweaks.sound"),
        (r#""tweaks":{"highlight":"y"}"#, "devices.tweaks.highlight"),
        (r#""tweaks":{"unheard.of":[]}"#, ""),
        (r#""unheard.of":[]"#, ""),
    ] {
        let [member, fields] = [member, fields].map(|it| it.replace("DISABLE", DISABLE));
        let request = decoded("", &format!("{member},"));
        assert_eq!(ignored(&request), fields, "{member}");
    }
}

#[test]
fn one_field_is_named_once() {
    let device = r#"{"app_id":"a","pushkey":"k","data":5}"#;
    let body = format!(r#"{{"notification":{{"devices":[{device},{device}]}}}}"#);
    let request = decode(body.into()).unwrap();
    assert_eq!(ignored(&request), "devices.data");
    assert_eq!(request.devices.len(), 2);
}

#[test]
fn numbers() {
    const MOST: u64 = (1 << 53) - 1;
    for (json, number) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("7", Some(7)),
        ("7.0", Some(7)),
        ("7e0", Some(7)),
        ("0.7e1", Some(7)),
        ("7.5", None),
        ("-7", None),
        ("9007199254740991", Some(MOST)),
        ("9007199254740992", Some(MOST)),
        ("18446744073709551615", Some(MOST)),
        ("18446744073709551616", Some(MOST)),
        ("1e999", Some(MOST)),
        ("-1e999", None),
        ("null", None),
        (r#""7""#, None),
    ] {
        let request = decoded(&format!(r#""counts":{{"unread":{json},"missed_calls":1}},"#), "");
        let counts = Counts { unread: number, missed_calls: Some(1) };
        assert_eq!(request.notification.counts, Some(counts), "{json}");
    }
    for (json, seconds) in [
        ("0", None),
        ("1795357551", Some(1_795_357_551)),
        ("1795357551.0", Some(1_795_357_551)),
        // Some clients' milliseconds.
        ("1795357551000", Some(1_795_357_551)),
        ("99999999999", Some(99_999_999_999)),
        ("1e400", Some(MOST / 1000)),
    ] {
        let request = decoded("", &format!(r#""pushkey_ts":{json},"#));
        assert_eq!(request.devices[0].pushkey_ts, seconds, "{json}");
    }
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let request = decoded(
        r#""event_id":"$1","prio":"low","counts":{"unread":1,"unread":2},"event_id":"$2","prio":"x","#,
        r#""app_id":5,"data":{"default_payload":{"a":1}},"data":null,"#,
    );
    assert_eq!(request.notification.event_id.as_deref(), Some("$2"));
    assert_eq!(request.notification.prio, Priority::High);
    assert_eq!(request.notification.counts.unwrap().unread, Some(2));
    assert_eq!(&*request.devices[0].app_id, "a");
    assert_eq!(request.devices[0].data.raw, None);
}

#[test]
fn lone_surrogates_do_no_harm() {
    let request = decoded(
        r#""event_id":"\ud800","sender":"a\udc00b","content":{"\ud800":"\udfff"},"\ud800":1,"#,
        r#""data":{"default_payload":{"\udbff":"\ud800\ud800"}},"#,
    );
    let sender = request.notification.sender.unwrap();
    assert!(sender.starts_with('a') && sender.ends_with('b'), "{sender}");
    assert!(sender.contains('\u{fffd}'), "{sender}");
    let content = request.notification.content.unwrap();
    assert!(content.members()[0].0.contains('\u{fffd}'));
    let key = body("", "").replace(r#""k""#, r#""\ud800""#);
    assert!(decode(key.into()).is_ok());
}

#[test]
fn encrypted_pushes_keep_their_fields() {
    let request =
        decoded(r#""ciphertext":"c","ephemeral":"e","mac":"m","is_counts_only":true,"#, "");
    let encrypted = request.notification.encrypted;
    assert_eq!(encrypted.ciphertext.as_deref(), Some("c"));
    assert_eq!(encrypted.ephemeral.as_deref(), Some("e"));
    assert_eq!(encrypted.mac.as_deref(), Some("m"));
}

#[test]
fn text_without_escapes_is_borrowed_from_the_body() {
    let body = bytes::Bytes::from(body(r#""sender":"@bob:hs","room_name":"a\nb","#, ""));
    let place = body.as_ptr_range();
    let notification = decode(body.clone()).unwrap().notification;
    assert!(place.contains(&notification.sender.unwrap().as_ptr()));
    assert_eq!(notification.room_name.as_deref(), Some("a\nb"));
}
