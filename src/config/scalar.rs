//! What a plain YAML scalar means.
//!
//! As Sygnal's loader has it (YAML 1.1), so that a file means the same to both: `yes` and `off`
//! are booleans, numbers may have underscores, and `1e3` is text since it has no point. Two old
//! traps are left out: `017` and `1:30` stay text, where YAML 1.1 reads 15 and 90.

use serde_json::{Number, Value};

/// Returns what plain `text` means.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let digits = digits.replace('_', "");
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        if hexadecimal.starts_with(['+', '-']) {
            return None;
        }
        let number = i64::from_str_radix(hexadecimal, 16).ok()?;
        return Some(if negative { -number } else { number }.into());
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if whole.len() > 1 && whole.starts_with('0') || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if digits.contains('.') {
        let is_number = !(whole.is_empty() && fraction.is_empty());
        let number: f64 = is_number.then(|| format!("{sign}{digits}").parse().ok())??;
        return Number::from_f64(number);
    }
    let number = format!("{sign}{digits}");
    let small = number.parse::<i64>().map(Number::from);
    small.or_else(|_| number.parse::<u64>().map(Number::from)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn means_what_it_means_to_sygnal() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("off", json!(false)),
            ("nO", json!("nO")),
            ("y", json!("y")),
            ("5000", json!(5000)),
            ("-1", json!(-1)),
            ("+1", json!(1)),
            ("524_288", json!(524_288)),
            ("0", json!(0)),
            ("0x1F", json!(31)),
            ("18446744073709551615", json!(u64::MAX)),
            ("99999999999999999999", json!("99999999999999999999")),
            ("017", json!("017")),
            ("1:30", json!("1:30")),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            (".", json!(".")),
            ("-", json!("-")),
            ("1e3", json!("1e3")),
            ("1.0e+3", json!(1000.0)),
            ("12E4567890", json!("12E4567890")),
            (".inf", json!(".inf")),
            ("127.0.0.1", json!("127.0.0.1")),
            ("2024-01-01", json!("2024-01-01")),
            ("--5", json!("--5")),
            ("0x", json!("0x")),
            ("0x-5", json!("0x-5")),
            ("é", json!("é")),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
