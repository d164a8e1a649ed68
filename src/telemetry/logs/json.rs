//! Log lines as JSON: one object a line, an event's fields beside its time, level and target.
//!
//! Spans around an event are listed under `spans`, the outermost first. A field named [`LIST`] is
//! an array of objects, which tracing has no word for: its value writes itself as JSON when it is
//! formatted with `{:#?}`.

use std::fmt::{self, Debug, Display, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The field whose value is JSON.
pub const LIST: &str = "devices";

/// Writes events as JSON objects.
#[derive(Debug)]
pub struct JsonEvent;

/// Writes fields as members of a JSON object, each behind a comma.
#[derive(Debug)]
pub struct JsonFields;

impl<S, N> FormatEvent<S, N> for JsonEvent
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        to.write_str(r#"{"timestamp":""#)?;
        SystemTime.format_time(&mut to)?;
        let metadata = event.metadata();
        write!(to, r#"","level":"{}","target":"#, metadata.level())?;
        text(&mut to, metadata.target())?;
        ctx.format_fields(to.by_ref(), event)?;
        if let Some(scope) = ctx.event_scope() {
            let mut before = r#","spans":["#;
            for span in scope.from_root() {
                write!(to, r#"{before}{{"name":"{}""#, span.name())?;
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                    to.write_str(&fields.fields)?;
                }
                to.write_char('}')?;
                before = ",";
            }
            to.write_char(']')?;
        }
        to.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members { to, result: Ok(()) };
        fields.record(&mut members);
        members.result
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

struct Members<'w> {
    to: Writer<'w>,
    result: fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        // What is meant for collectors alone is named so.
        if self.result.is_ok() && !field.name().starts_with("otel.") {
            // `r#type` is how Rust spells a field named `type`.
            let name = field.name().trim_start_matches("r#");
            let key = write!(self.to, r#","{name}":"#);
            self.result = key.and_then(|()| value(&mut self.to));
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |to| {
            if value.is_finite() { write!(to, "{value}") } else { to.write_str("null") }
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |to| text(to, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |to| {
            if field.name() == LIST {
                write!(to, "{value:#?}")
            } else {
                text(to, format_args!("{value:?}"))
            }
        });
    }
}

/// Writes a JSON string.
///
/// # Errors
///
/// Returns the error of `to`.
pub fn text(to: &mut impl Write, value: impl Display) -> fmt::Result {
    to.write_char('"')?;
    write!(Escaped(to), "{value}")?;
    to.write_char('"')
}

/// Escapes what JSON does not take as it is: RFC 8259, 7.
struct Escaped<'w, W>(&'w mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let is_special = |c: char| matches!(c, '"' | '\\' | '\0'..='\u{1f}');
        while let Some(at) = rest.find(is_special) {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => self.0.write_str("\\n")?,
                special @ (b'"' | b'\\') => write!(self.0, "\\{}", char::from(special))?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::lines;
    use super::*;
    use crate::telemetry::config::LogFormat;

    #[test]
    fn every_string_survives() {
        let all: String = ('\0'..='\u{2ff}').chain(['\u{2028}', '😀']).collect();
        let mut written = String::new();
        text(&mut written, &all).unwrap();
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), all);
    }

    struct List;

    impl Debug for List {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if f.alternate() { r#"[{"a":1}]"# } else { "[a=1]" })
        }
    }

    fn say() {
        let outer = tracing::info_span!("outer", id = "x\"y", late = tracing::field::Empty);
        let _outer = outer.record("late", 7).enter();
        let _inner = tracing::info_span!("inner").entered();
        tracing::warn!(
            r#type = "t",
            none = None::<&str>,
            some = Some(1),
            no_number = f64::NAN,
            yes = true,
            error = %"broken\n\x1b[31m",
            devices = ?List,
            "it happened",
        );
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let lines = lines(LogFormat::Json, say);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let mut line: Value = serde_json::from_str(line).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        assert_eq!(
            line,
            json!({
                "level": "WARN", "target": "peregrine::telemetry::logs::json::tests",
                "message": "it happened", "type": "t", "some": 1, "no_number": null, "yes": true,
                "error": "broken\n\u{1b}[31m", "devices": [{"a": 1}],
                "spans": [{"name": "outer", "id": "x\"y", "late": 7}, {"name": "inner"}],
            })
        );
    }

    #[test]
    fn lists_are_words_for_people() {
        let text = lines(LogFormat::Text, say).join("\n");
        assert!(text.contains(" it happened "), "{text}");
        assert!(text.contains(" devices=[a=1]"), "{text}");
    }
}
