//! The scan against `serde_json`: the same of what is JSON, and of what is not.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn is_json(text: &str) -> bool {
    let mut scan = Scan::new(text);
    scan.value().and_then(|_| scan.end()).is_ok()
}

#[test]
fn values_and_where_they_end() {
    let text = r#" [null ,true, false,-1.5e+3,"a\"b",{"k":[{}]}] "#;
    let mut scan = Scan::new(text);
    assert!(!scan.begin_object());
    assert!(scan.begin_list());
    let mut seen = Vec::new();
    while scan.next_element().unwrap() {
        seen.push(scan.value().unwrap());
    }
    assert_eq!(scan.end(), Ok(()));
    let Value::Text(text) = seen.remove(4) else {
        panic!("{seen:?}");
    };
    assert_eq!(text.text(), "a\"b");
    let rest = [
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::Number("-1.5e+3"),
        Value::Object(r#"{"k":[{}]}"#),
    ];
    assert_eq!(seen, rest);
}

#[test]
fn a_string_ends_where_it_ends_whatever_its_length() {
    for length in 0..40 {
        for odd in ["", "é", r"\n", r"\u00e9"] {
            let plain = "x".repeat(length);
            let text = format!(r#""{plain}{odd}{plain}" ,"#);
            let mut scan = Scan::new(&text);
            assert!(matches!(scan.value(), Ok(Value::Text(_))), "{text}");
            assert_eq!(scan.since(0).len(), text.len() - 2, "{text}");
            for control in ['\u{0}', '\u{1f}', '\n'] {
                assert!(!is_json(&format!("\"{plain}{odd}{control}{plain}\"")));
            }
            assert!(is_json(&format!("\"{plain}{odd}\u{7f} {plain}\"")));
        }
    }
}

#[test]
fn kinds_alternate_at_any_depth() {
    for depth in [1, 63, 64, 65, 128, 129, 1000] {
        let open = r#"[{"a":"#.repeat(depth);
        let close = "}]".repeat(depth);
        assert!(is_json(&format!("{open}1{close}")), "{depth}");
        assert!(!is_json(&format!("{open}1{}", "]}".repeat(depth))));
        assert!(!is_json(&format!("{open}1{close}]")));
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in r#"([\[\]{},:"\\ 0-9eE.+-]|true|null|"a"|"b":|\\u00e9|é){0,24}"#) {
        prop_assert_eq!(is_json(&text), serde_json::from_str::<&RawValue>(&text).is_ok());
    }

    #[test]
    fn numbers_as_serde_json_has_them(text in "-?[0-9]{0,3}[.]?[0-9]{0,2}([eE][+-]?[0-9]{0,2})?") {
        prop_assert_eq!(is_json(&text), serde_json::from_str::<&RawValue>(&text).is_ok());
    }
}
