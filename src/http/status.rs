//! The status page and the data behind it.
//!
//! The page is one file with its style and its script inside; the browser is told by their hashes
//! to run nothing else and to talk to nobody but us. It asks for `status.json` each second and
//! shows every text as text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::error::{self, Refusal};
use super::ops::Report;
use crate::dispatch::status::{Query, Status};
use crate::telemetry::Metrics;

/// The page: style and script inside, nothing outside.
const PAGE: &str = include_str!("status.html");

const HTML: (HeaderName, HeaderValue) =
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));

/// Nobody keeps what is true for a second.
const FRESH: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// What the page may do: see <https://www.w3.org/TR/CSP3/>.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_of("style"),
        hash_of("script"),
    );
    // Without a policy that can be sent, nothing is allowed.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The status data and what the front desk adds to it.
#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    readiness: Report,
    #[serde(flatten)]
    status: Status,
    notify: Notify,
    reloads: BTreeMap<&'a str, u64>,
}

/// The `/notify` requests.
#[derive(Serialize)]
struct Notify {
    /// How many were answered with each status.
    answers: BTreeMap<usize, u64>,
}

/// The status page.
pub(super) fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(HTML)
        .insert_header(FRESH)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.clone()))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .body(PAGE)
}

/// The status data.
pub(super) fn data(
    query: &str,
    status: impl Fn(Query) -> Status,
    readiness: Report,
    metrics: &Metrics,
) -> HttpResponse {
    let query = match parse(query) {
        Ok(query) => query,
        Err(refusal) => return refusal.into(),
    };
    let reloads = ["ok", "refused"].map(|result| (result, metrics.reloads(result)));
    let data = Data {
        readiness,
        status: status(query),
        notify: Notify { answers: metrics.notified_with().collect() },
        reloads: BTreeMap::from(reloads),
    };
    let mut answer = HttpResponse::Ok();
    answer.insert_header(FRESH);
    error::json(&mut answer, &data)
}

/// Reads `since=17&pushkey_hash=0a1b2c3d`; what else stands there is nobody's.
fn parse(query: &str) -> Result<Query, Refusal> {
    let mut parsed = Query::default();
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        match key {
            "since" => {
                let error = "since: give the number of a sample, as `history.last` has it";
                let number = value.parse().map_err(|_| Refusal::bad_query(error))?;
                parsed.since = Some(number);
            }
            "pushkey_hash" => {
                let is_hash = value.len() == 8 && value.bytes().all(|it| it.is_ascii_hexdigit());
                let hash = u32::from_str_radix(&value, 16).ok().filter(|_| is_hash);
                let error = "pushkey_hash: give the eight hexadecimal digits that logs show, \
                             never a pushkey";
                parsed.pushkey_hash = Some(hash.ok_or_else(|| Refusal::bad_query(error))?);
            }
            _ => {}
        }
    }
    Ok(parsed)
}

/// Returns the hash of what stands in the page between `<tag>` and `</tag>`, as a policy names it.
fn hash_of(tag: &str) -> String {
    let inside = PAGE
        .split_once(&format!("<{tag}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
        .map_or("", |(inside, _)| inside);
    let hash = digest::digest(&digest::SHA256, inside.as_bytes());
    format!("sha256-{}", STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked() {
        let asked = |query| parse(query).ok().map(|it| (it.since, it.pushkey_hash));
        for (query, expected) in [
            ("", Some((None, None))),
            ("since=17&_=9", Some((Some(17), None))),
            ("pushkey_hash=00aB12ff", Some((None, Some(0x00ab_12ff)))),
            ("since=", None),
            ("since=-1", None),
            ("pushkey_hash=+0aB12ff", None),
            ("pushkey_hash=123456789", None),
            ("pushkey_hash=a-whole-pushkey", None),
        ] {
            assert_eq!(asked(query), expected, "{query}");
        }
    }

    #[test]
    fn the_page_is_one_file_that_asks_nobody_else() {
        assert_eq!(PAGE.matches("<style>").count(), 1);
        assert_eq!(PAGE.matches("<script>").count(), 1);
        for foreign in ["http://", "https://", "src=", "@import", "innerHTML", "onclick="] {
            let found = PAGE.replace("http://www.w3.org/2000/svg", "").contains(foreign);
            assert!(!found, "{foreign} in the status page");
        }
        let policy = POLICY.to_str().unwrap();
        assert!(policy.contains("script-src 'sha256-"), "{policy}");
    }
}
