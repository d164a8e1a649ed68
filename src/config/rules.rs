//! Rules that no schema can say: between keys, and about what a text has to be.

use url::Url;

use super::Config;
use super::bind::Bind;
use super::document::Document;
use super::report::Finding;
use crate::dispatch::config::StateBackend;
use crate::fault::Fault;
use crate::glob::Glob;
use crate::http::TrustedProxies;
use crate::secret::{ExposeSecret as _, KeyFiles};
use crate::telemetry::config::{OtlpConfig, SentryConfig};

/// Reads what is given as a file, and returns what is wrong.
pub(super) fn check(config: &mut Config, files: &KeyFiles) -> Vec<Fault> {
    let mut faults = secrets(config, files);
    faults.extend(listeners(config));
    if let Err(wrong) = TrustedProxies::parse(&config.http.trusted_proxies) {
        faults.extend(
            wrong.into_iter().map(|fault| Fault { key: format!("http.{}", fault.key), ..fault }),
        );
    }
    faults.extend(sentry(&config.metrics.sentry));
    faults.extend(otlp(&config.metrics.otlp));
    faults
}

fn sentry(config: &SentryConfig) -> Option<Fault> {
    let instead = "add `dsn:` as the project's settings in Sentry show it";
    let what = match &config.dsn {
        None if config.enabled && config.dsn_file.is_none() => "is missing",
        Some(dsn) if !SentryConfig::is_dsn(dsn.expose_secret()) => "is not a DSN",
        _ => return None,
    };
    Some(Fault::new("metrics.sentry.dsn", what, instead))
}

fn otlp(config: &OtlpConfig) -> Option<Fault> {
    let url = Url::parse(config.endpoint.as_deref()?);
    if url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return None;
    }
    let instead = "write a URL, as http://collector:4318";
    Some(Fault::new("metrics.otlp.endpoint", "is not an HTTP URL", instead))
}

/// Puts secrets given as files in the place of those written inline.
fn secrets(config: &mut Config, files: &KeyFiles) -> Vec<Fault> {
    let state = &mut config.state;
    let sentry = &mut config.metrics.sentry;
    [
        ("proxy", &mut config.proxy, &config.proxy_file),
        ("state.redis_url", &mut state.redis_url, &state.redis_url_file),
        ("metrics.sentry.dsn", &mut sentry.dsn, &sentry.dsn_file),
    ]
    .into_iter()
    .filter_map(|(key, inline, file)| {
        match files.inline_or_file(key, inline.take(), file.as_deref()) {
            Ok(secret) => {
                *inline = secret;
                None
            }
            Err(fault) => Some(fault),
        }
    })
    .collect()
}

fn listeners(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let http = &config.http;
    let form = "write an IPv4 or IPv6 address, a host name, or `unix:/path/to.sock`; every \
                address is 0.0.0.0 or ::";
    let mut public = Vec::new();
    for (i, address) in http.bind_addresses.iter().enumerate() {
        match Bind::with_port(address, http.port) {
            Ok(bind) => public.push(bind),
            Err(what) => faults.push(Fault::new(format!("http.bind_addresses[{i}]"), what, form)),
        }
    }
    match Bind::parse(&config.admin.bind) {
        Ok(bind) if public.contains(&bind) && !matches!(bind, Bind::Tcp { port: 0, .. }) => {
            let what = "is the address of the public listener, where nobody may see these pages";
            faults.push(Fault::new("admin.bind", what, "write another port"));
        }
        Ok(_) => {}
        Err(what) => {
            let instead = "write `address:port`, as 127.0.0.1:5001 or [::1]:5001";
            faults.push(Fault::new("admin.bind", what, instead));
        }
    }
    let prometheus = &config.metrics.prometheus;
    if let Err(what) = Bind::with_port(&prometheus.address, prometheus.port) {
        faults.push(Fault::new("metrics.prometheus.address", what, form));
    }
    faults
}

/// Returns what works, but perhaps not as the operator thinks.
pub(super) fn remarks(config: &Config) -> Vec<Fault> {
    let mut remarks = Vec::new();
    if config.log.access.x_forwarded_for && config.http.trusted_proxies.is_empty() {
        remarks.push(Fault::new(
            "log.access.x_forwarded_for",
            "has no effect as long as `http.trusted_proxies` is empty",
            "list your reverse proxy's address there",
        ));
    }
    if config.state.redis_url.is_some() && config.state.backend == StateBackend::Memory {
        remarks.push(Fault::new(
            "state.backend",
            "is memory, so `redis_url` has no effect",
            "write `redis` to share tables with other replicas",
        ));
    }
    if config.metrics.sentry.enabled && !cfg!(feature = "sentry") {
        let what = "has no effect in this build: nothing is sent";
        let instead = "build with `--features sentry`, as the packages are, or remove it";
        remarks.push(Fault::new("metrics.sentry.enabled", what, instead));
    }
    if config.metrics.otlp.endpoint.is_some() && !cfg!(feature = "otlp") {
        let what = "has no effect in this build: nothing is sent";
        let instead = "build with `--features otlp`, as the packages are, or remove it";
        remarks.push(Fault::new("metrics.otlp.endpoint", what, instead));
    }
    // https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port
    if config.metrics.otlp.endpoint.as_deref().is_some_and(|url| url.contains(":4317")) {
        let what = "names the port that collectors have for gRPC, which is not spoken here";
        let instead = "write the one for HTTP, mostly 4318";
        remarks.push(Fault::new("metrics.otlp.endpoint", what, instead));
    }
    remarks
}

/// Returns the pairs of globs that can match the same `app_id`.
pub(super) fn overlaps(document: &Document) -> Vec<Finding> {
    let apps = document.value["apps"].as_object();
    let globs: Vec<(&String, Glob)> = apps
        .into_iter()
        .flatten()
        .filter(|(pattern, _)| Glob::is_pattern(pattern))
        .map(|(pattern, _)| (pattern, Glob::new(pattern)))
        .collect();
    let mut findings = Vec::new();
    for (i, (pattern, glob)) in globs.iter().enumerate() {
        for (other, other_glob) in &globs[..i] {
            if let Some(example) = glob.overlap(other_glob) {
                let path = ["apps".to_owned(), (*pattern).clone()];
                let what = format!("matches app_ids that `{other}` matches too, as `{example}`");
                let instead = "write patterns that have nothing in common; an app_id written out \
                               may lie under a pattern, and comes first";
                findings.push(document.error(&path, what, instead));
            }
        }
    }
    findings
}
