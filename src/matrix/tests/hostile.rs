//! Bodies of the largest allowed size, made to cost as much as they can. Each is parsed on a thread
//! with a small stack: depth must cost none.

use std::thread;

use crate::matrix::{DecodeError, NotifyRequest, decode};

/// The default limit of a body.
const SIZE: usize = 512 * 1024;

/// Far less than what one stack frame for each level of 100,000 would need.
const STACK: usize = 256 * 1024;

const DEVICE: &str = r#"{"app_id":"a","pushkey":"k"}"#;

fn on_a_small_stack(body: String) -> Result<NotifyRequest, DecodeError> {
    assert!(body.len() <= SIZE, "{} bytes", body.len());
    let thread = thread::Builder::new().stack_size(STACK);
    let thread = thread.spawn(move || decode(body.into())).unwrap();
    thread.join().unwrap()
}

fn notification(members: &str) -> String {
    format!(r#"{{"notification":{{{members},"devices":[{DEVICE}]}}}}"#)
}

fn device(members: &str) -> String {
    format!(r#"{{"notification":{{"devices":[{{{members},"app_id":"a","pushkey":"k"}}]}}}}"#)
}

#[test]
fn depth_costs_no_stack() {
    let lists = "[".repeat(100_000) + &"]".repeat(100_000);
    let objects = r#"{"a":"#.repeat(80_000) + "1" + &"}".repeat(80_000);
    for deep in [&lists, &objects] {
        for key in ["content", "counts", "event_id", "unheard.of", "prio"] {
            let body = notification(&format!(r#""{key}":{deep}"#));
            assert!(on_a_small_stack(body).is_ok(), "{key}");
        }
        for key in ["data", "tweaks", "pushkey_ts", "unheard.of"] {
            let body = device(&format!(r#""{key}":{deep}"#));
            assert!(on_a_small_stack(body).is_ok(), "{key}");
        }
        for key in ["default_payload", "org.matrix.msc4076.disable_badge_count", "x"] {
            let body = device(&format!(r#""data":{{"{key}":{deep}}}"#));
            assert!(on_a_small_stack(body).is_ok(), "{key}");
        }
        let body = format!(r#"{{"x":{deep},"notification":{{"devices":[{DEVICE}]}}}}"#);
        assert!(on_a_small_stack(body).is_ok());
        for body in [
            deep.clone(),
            format!(r#"{{"notification":{{"devices":{deep}}}}}"#),
            format!(r#"{{"notification":{{"devices":[{deep}]}}}}"#),
            format!(r#"{{"notification":{{"devices":[{{"app_id":{deep}}}]}}}}"#),
        ] {
            let refused = on_a_small_stack(body).unwrap_err();
            let expected = |it: &DecodeError| {
                matches!(it, DecodeError::BadJson(_) | DecodeError::MissingParam(_))
            };
            assert!(expected(&refused), "{refused}");
        }
    }
    // Opened and never closed.
    let refused = on_a_small_stack("[".repeat(SIZE)).unwrap_err();
    assert!(matches!(refused, DecodeError::NotJson(_)), "{refused}");
}

#[test]
fn many_keys() {
    let different: Vec<String> = (0..40_000).map(|i| format!(r#""k{i}":1"#)).collect();
    let different = different.join(",");
    let same = vec![r#""event_id":"$e""#; 30_000].join(",");
    for members in [&different, &same] {
        assert!(on_a_small_stack(notification(members)).is_ok());
        assert!(on_a_small_stack(device(members)).is_ok());
        for key in ["data", "tweaks"] {
            let body = device(&format!(r#""{key}":{{{members}}}"#));
            assert!(on_a_small_stack(body).is_ok(), "{key}");
        }
        let body = notification(&format!(r#""counts":{{{members}}}"#));
        assert!(on_a_small_stack(body).is_ok());
    }
    let devices = vec![r#""devices":[]"#; 40_000].join(",");
    assert!(on_a_small_stack(notification(&devices)).is_ok());
}

#[test]
fn many_devices() {
    let devices = vec![DEVICE; 18_000].join(",");
    let body = format!(r#"{{"notification":{{"devices":[{devices}]}}}}"#);
    assert_eq!(on_a_small_stack(body).unwrap().devices.len(), 18_000);
    let wrong = r#"{"app_id":"a","pushkey":"k","data":1,"tweaks":1,"pushkey_ts":""}"#;
    let devices = vec![wrong; 7_000].join(",");
    let body = format!(r#"{{"notification":{{"devices":[{devices}]}}}}"#);
    assert_eq!(on_a_small_stack(body).unwrap().ignored.len(), 3);
}

#[test]
fn long_text_and_numbers() {
    let plain = "x".repeat(500_000);
    let escaped = r"\u0041".repeat(80_000);
    let surrogates = r"\ud800".repeat(80_000);
    for text in [&plain, &escaped, &surrogates] {
        for body in [
            notification(&format!(r#""event_id":"{text}""#)),
            notification(&format!(r#""{text}":1"#)),
            device(&format!(r#""data":{{"{text}":1}}"#)),
            device(&format!(r#""tweaks":{{"sound":"{text}"}}"#)),
        ] {
            assert!(on_a_small_stack(body).is_ok());
        }
    }
    let digits = "9".repeat(500_000);
    for number in [digits.clone(), format!("-{digits}"), format!("0.{digits}")] {
        let body = notification(&format!(r#""counts":{{"unread":{number}}}"#));
        assert!(on_a_small_stack(body).is_ok());
        let body = device(&format!(r#""pushkey_ts":{number}"#));
        assert!(on_a_small_stack(body).is_ok());
    }
    let spaces = " ".repeat(500_000);
    assert!(on_a_small_stack(spaces.clone()).is_err());
    assert!(on_a_small_stack(notification(r#""a":1"#) + &spaces).is_ok());
}
