//! Traces as a collector gets them.

use loadtest::peers::Answer;

use crate::Folder;
use crate::collector::{Collector, Taken};
use crate::process::{Process, ask_with};
use crate::signals::{TOKEN, apns_app};

const PUSH: &str = "/_matrix/push/v1/notify";

/// A span, as far as we look at it.
#[derive(Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    /// Everything, as it stands on the wire.
    whole: Vec<u8>,
}

impl Span {
    fn says(&self, words: &str) -> bool {
        let words = words.as_bytes();
        self.whole.windows(words.len()).any(|window| window == words)
    }
}

/// Returns the fields of this number that have a length: <https://protobuf.dev/programming-guides/encoding/>.
fn fields(mut message: &[u8], number: u64) -> Vec<&[u8]> {
    fn varint(message: &mut &[u8]) -> u64 {
        let length = message.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (bytes, rest) = message.split_at(length);
        *message = rest;
        let value = |value, byte: &u8| (value << 7) | u64::from(byte & 0x7f);
        bytes.iter().rev().fold(0, value)
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            5 => 4,
            other => panic!("no wire type: {other}"),
        };
        let (value, rest) = message.split_at(length);
        message = rest;
        if key == number << 3 | 2 {
            found.push(value);
        }
    }
    found
}

/// Returns the spans of an `ExportTraceServiceRequest`:
/// <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>.
fn spans(taken: &Taken) -> Vec<Span> {
    let resources = fields(&taken.body, 1).into_iter();
    let scopes = resources.flat_map(|resource| fields(resource, 2));
    let one = |span: &[u8], number| {
        let field = fields(span, number).first().copied();
        field.unwrap_or_default().to_vec()
    };
    let spans = scopes.flat_map(|scope| fields(scope, 2)).map(|span| Span {
        trace: one(span, 1),
        id: one(span, 2),
        parent: one(span, 4),
        name: String::from_utf8(one(span, 5)).unwrap(),
        whole: span.to_vec(),
    });
    spans.collect()
}

/// Sends one push that is accepted at the second attempt, as part of a homeserver's trace, and
/// returns what the collector has when the gateway has ended.
fn traces_of(collector: &Collector, section: &str, env: &[(&str, &str)]) -> Vec<Taken> {
    let (apple, folder) = apns_app(section);
    apple.answer_next(Answer::new(503, "ServiceUnavailable"));
    let mut gateway = Process::start_with(&folder, &[], env);
    let public = gateway.listens_for("notifications");
    let body = format!(
        r#"{{"notification":{{"event_id":"$traced","room_name":"a secret","devices":[{{"app_id":"ios","pushkey":"{TOKEN}"}}]}}}}"#
    );
    let headers = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let (status, _) = ask_with(public, "POST", PUSH, headers, &body).unwrap();
    assert_eq!(status, 200);
    gateway.signal("TERM");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0), "{said}");
    collector.all()
}

#[test]
fn a_push_is_part_of_the_homeservers_trace() {
    let collector = Collector::start(Some("200 OK"));
    let url = format!("http://{}", collector.address);
    let configured = format!("metrics: {{otlp: {{endpoint: '{url}'}}}}\n");
    let standard = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let named = [standard[0], ("OTEL_SERVICE_NAME", "my-gateway")];
    for (section, env, service) in [
        (configured.as_str(), &[][..], "peregrine"),
        ("", &standard[..], "peregrine"),
        ("", &named[..], "my-gateway"),
    ] {
        let taken = traces_of(&collector, section, env);
        let head = &taken.first().expect("traces come before the end").head;
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let all: Vec<u8> = taken.iter().flat_map(|taken| taken.body.clone()).collect();
        let all = String::from_utf8_lossy(&all);
        assert!(all.contains(service), "the service is {service}");
        assert!(!all.contains(TOKEN) && !all.contains("a secret"), "{all}");

        let spans: Vec<Span> = taken.iter().flat_map(spans).collect();
        let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
        let ([notify], [push], attempts) =
            (&named("notify")[..], &named("push")[..], named("attempt"))
        else {
            panic!("{spans:?}");
        };
        assert_eq!(notify.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(notify.parent, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
        assert!(notify.says("$traced"));
        assert_eq!(push.parent, notify.id);
        assert!(push.says("accepted") && push.says("ios"));
        assert_eq!(attempts.len(), 2, "{spans:?}");
        assert!(attempts.iter().all(|span| span.parent == push.id && span.trace == notify.trace));
        assert!(attempts.iter().any(|span| span.says("ServiceUnavailable")));
    }
}

#[test]
fn without_a_collector_named_nothing_is_sent() {
    let collector = Collector::start(Some("200 OK"));
    let url = format!("http://{}", collector.address);
    let off = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_SDK_DISABLED", "true")];
    assert!(traces_of(&collector, "", &off).is_empty());
}

#[test]
fn a_collector_that_hangs_or_fails_keeps_nobody() {
    let hanging = Collector::start(None);
    let section = format!("metrics: {{otlp: {{endpoint: 'http://{}'}}}}\n", hanging.address);
    let taken = traces_of(&hanging, &section, &[]);
    assert_eq!(taken.len(), 1, "it was tried");

    let failing = Collector::start(Some("400 Bad Request"));
    let section = format!(
        "metrics: {{otlp: {{endpoint: 'http://{}/v1/traces'}}}}\n\
         http: {{port: 0}}\nadmin: {{bind: '127.0.0.1:0'}}\napps: {{a: {{type: log}}}}\n",
        failing.address,
    );
    let env = [("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let folder = Folder::with(&section);
    let mut gateway = Process::start_with(&folder, &[], &env);
    let public = gateway.listens_for("notifications");
    ask_with(public, "POST", PUSH, "", "{}").unwrap();
    let told = gateway.says("cannot deliver traces to the collector");
    assert!(told.contains("400 Bad Request"), "{told}");
    assert!(failing.next().head.starts_with("POST /v1/traces HTTP"));
}
