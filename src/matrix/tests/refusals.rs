//! What is refused, and why: only what no homeserver sends.

use crate::matrix::{DecodeError, decode};

fn errcode(body: &[u8]) -> &'static str {
    match decode(body.to_vec().into()) {
        Ok(_) => "accepted",
        Err(DecodeError::NotJson(_)) => "not JSON",
        Err(DecodeError::BadJson(_)) => "bad JSON",
        Err(DecodeError::MissingParam(_)) => "missing",
        Err(DecodeError::InvalidParam(_)) => "invalid",
    }
}

#[test]
fn what_is_refused_and_why() {
    let deep = "[".repeat(2000);
    let deep_closed = deep.clone() + &"]".repeat(2000);
    let rows: [(&[u8], &str); 44] = [
        // Not JSON.
        (b"", "not JSON"),
        (b" \n", "not JSON"),
        (b"pushkey=1", "not JSON"),
        (b"{", "not JSON"),
        (b"{}}", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"\xff", "not JSON"),
        (b"{\"a\":\"\xff\"}", "not JSON"),
        (b"{\"a\":\"\xed\xa0\x80\"}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"NaN", "not JSON"),
        (b"Infinity", "not JSON"),
        (b"-Infinity", "not JSON"),
        (br#"{"notification":{"content":NaN}}"#, "not JSON"),
        (br#"{"notification":{"counts":{"unread":01}}}"#, "not JSON"),
        (br#"{"notification":{"content":{},}}"#, "not JSON"),
        (b"{\"a\":\"\n\"}", "not JSON"),
        (br#"{"a":"\x"}"#, "not JSON"),
        (br#"{"a":"\ud8"}"#, "not JSON"),
        (deep.as_bytes(), "not JSON"),
        // Both: not JSON goes first.
        (b"[1", "not JSON"),
        (b"5 5", "not JSON"),
        (br#"{"notification":[}"#, "not JSON"),
        (br#"{"notification":{"devices":{}}"#, "not JSON"),
        (br#"{"notification":{"devices":[1]}} x"#, "not JSON"),
        // JSON of the wrong shape.
        (b"[]", "bad JSON"),
        (b"null", "bad JSON"),
        (b"5", "bad JSON"),
        (b"true", "bad JSON"),
        (br#""abc""#, "bad JSON"),
        (br#""notification""#, "bad JSON"),
        (br#"["notification"]"#, "bad JSON"),
        (deep_closed.as_bytes(), "bad JSON"),
        (br#"{"notification":[]}"#, "bad JSON"),
        (br#"{"notification":"x"}"#, "bad JSON"),
        (br#"{"notification":5}"#, "bad JSON"),
        (br#"{"notification":{"devices":{}}}"#, "bad JSON"),
        (br#"{"notification":{"devices":"x"}}"#, "bad JSON"),
        // Something is missing.
        (b"{}", "missing"),
        (br#"{"notification":null}"#, "missing"),
        (br#"{"notification":{}}"#, "missing"),
        (br#"{"notification":{"devices":null}}"#, "missing"),
        // A value that is not allowed.
        (br#"{"notification":{"devices":[]}}"#, "invalid"),
    ];
    for (body, why) in rows {
        assert_eq!(errcode(body), why, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn which_devices_are_refused() {
    for (devices, why) in [
        ("null", "bad JSON"),
        ("5", "bad JSON"),
        (r#""app_id""#, "bad JSON"),
        (r#"["app_id"]"#, "bad JSON"),
        (r#"{"app_id":5,"pushkey":"k"}"#, "bad JSON"),
        (r#"{"app_id":"a","pushkey":[]}"#, "bad JSON"),
        ("{}", "missing"),
        (r#"{"pushkey":"k"}"#, "missing"),
        (r#"{"app_id":null,"pushkey":"k"}"#, "missing"),
        (r#"{"app_id":"a"}"#, "missing"),
        (r#"{"app_id":"a","pushkey":null}"#, "missing"),
        (r#"{"app_id":"a","pushkey":"k"},{"app_id":"a"}"#, "missing"),
        (r#"{"app_id":"a","pushkey":"k"},[]"#, "bad JSON"),
        (r#"{"app_id":"a","pushkey":"k"}"#, "accepted"),
        (r#"{"app_id":"","pushkey":""}"#, "accepted"),
    ] {
        let body = format!(r#"{{"notification":{{"devices":[{devices}]}}}}"#);
        assert_eq!(errcode(body.as_bytes()), why, "{devices}");
    }
}

#[test]
fn errors_say_where() {
    let device = |device: &str| format!(r#"{{"notification":{{"devices":[{device}]}}}}"#);
    for (body, says) in [
        (device(r#"{"app_id":"a","pushkey":"k"},7"#), "`notification.devices[1]` is not"),
        (device(r#"{"app_id":"a"}"#), "`notification.devices[0].pushkey` is missing"),
        (device(r#"{"app_id":1}"#), "devices[0].app_id` is not a string"),
        (r#"{"notification":{"devices":1}}"#.into(), "a list in `notification.devices`"),
        (r#"{"notification":"x"}"#.into(), "an object in `notification`"),
        ("[]".into(), "an object with `notification`"),
        ("{\n  'a'".into(), "line 2 column 3"),
    ] {
        let error = decode(body.into()).unwrap_err().to_string();
        assert!(error.contains(says), "{error:?} says {says:?}");
    }
    let long = format!(r#"{{"notification":"{}"}}"#, "é".repeat(100_000));
    let error = decode(long.into()).unwrap_err().to_string();
    assert!(error.len() < 500, "{} bytes", error.len());
    assert!(error.contains("line 1 column"), "{error}");
}

#[test]
fn of_duplicate_members_the_last_is_judged() {
    let device = r#""devices":[{"app_id":"a","pushkey":"k"}]"#;
    for (members, why) in [
        (r#""notification":{DEVICE},"notification":null"#, "missing"),
        (r#""notification":{DEVICE},"notification":{}"#, "missing"),
        (r#""notification":{DEVICE,"devices":null}"#, "missing"),
        (r#""notification":{DEVICE,"devices":[]}"#, "invalid"),
        (r#""notification":null,"notification":{DEVICE}"#, "accepted"),
        (r#""notification":{"devices":[],DEVICE}"#, "accepted"),
    ] {
        let body = format!("{{{}}}", members.replace("DEVICE", device));
        assert_eq!(errcode(body.as_bytes()), why, "{body}");
    }
}
