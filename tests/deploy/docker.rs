//! The image and the compose example: there is no Docker engine to build them with, so this reads
//! them as one would.

use std::collections::BTreeSet;

use peregrine::config;
use peregrine::telemetry::Metrics;

use crate::{features, path, read, yaml};

const DOCKERFILE: &str = "deploy/docker/Dockerfile";

/// Returns the instructions of the Dockerfile, continued lines joined.
fn instructions() -> Vec<String> {
    let text = read(DOCKERFILE).replace("\\\n", " ");
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_image_holds_one_program_and_runs_as_nobody() {
    let instructions = instructions();
    let stages: Vec<_> = instructions.iter().filter(|line| line.starts_with("FROM ")).collect();
    assert_eq!(stages.len(), 2);
    assert!(stages[1].contains("distroless") && stages[1].ends_with(":nonroot"));
    let last = instructions.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let copied: Vec<_> =
        instructions[last..].iter().filter(|line| line.starts_with("COPY ")).collect();
    assert_eq!(copied, ["COPY --from=build /out/peregrine /usr/local/bin/peregrine"]);
    let has = |start: &str| instructions.iter().any(|line| line.starts_with(start));
    assert!(has(r#"ENTRYPOINT ["/usr/local/bin/peregrine"]"#));
    assert!(has("HEALTHCHECK"));
    assert!(has("EXPOSE 5000 5001"));
    // It would win over the $SYGNAL_CONF of those who come from Sygnal.
    assert!(!has("ENV PEREGRINE_CONFIG"));
}

#[test]
fn the_image_is_built_with_every_feature() {
    let wanted = features().join(",");
    assert!(
        instructions().contains(&format!("ARG FEATURES={wanted}")),
        "{DOCKERFILE} is built with FEATURES={wanted}"
    );
}

#[test]
fn the_context_has_what_the_build_needs_and_no_more() {
    let ignore = read(".dockerignore");
    let kept: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"));
    for name in &kept {
        assert!(path(name).exists(), ".dockerignore keeps {name}");
    }
    // What Cargo.toml names or includes has to be there, or cargo refuses to begin.
    for name in ["Cargo.toml", "Cargo.lock", "src", "benches", "loadtest"] {
        assert!(kept.contains(name), "the build needs {name}");
    }
    assert!(!kept.contains("target"));
}

#[test]
fn the_compose_example_fits_together() {
    let compose = yaml::document("compose.yaml", &read("deploy/docker/compose.yaml"));
    let services = compose["services"].as_object().unwrap();
    let gateway = &services["peregrine"];
    let dockerfile = gateway["build"]["dockerfile"].as_str().unwrap();
    let context = gateway["build"]["context"].as_str().unwrap();
    assert!(path("deploy/docker").join(context).join(dockerfile).exists());
    assert_eq!(gateway["read_only"], true);
    // The operator brings this one.
    let own = ["./tls"];
    for (name, service) in services {
        for volume in service["volumes"].as_array().unwrap() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            let exists = path("deploy/docker").join(from).exists();
            assert!(exists || own.contains(&from), "{name}: {from}");
        }
        // nginx looks a name up once, and peregrine trusts an address.
        for (network, place) in service["networks"].as_object().unwrap() {
            let subnet = &compose["networks"][network]["ipam"]["config"][0]["subnet"];
            let (prefix, _) = subnet.as_str().unwrap().split_once(".0/24").unwrap();
            let address = place["ipv4_address"].as_str().unwrap();
            assert!(address.starts_with(prefix), "{name}: {address}");
        }
    }
    let grace = gateway["stop_grace_period"].as_str().unwrap();
    let grace: u64 = grace.trim_end_matches('s').parse().unwrap();

    let file = path("deploy/docker/peregrine/config.yaml");
    let config = config::load(&file, &|_: &str| None, &Metrics::new());
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    assert!(config.warnings.findings.is_empty(), "{}", config.warnings);
    let config = config.config;
    assert!(grace > config.delivery.deadline_seconds + 2);
    let proxy = &services["nginx"]["networks"]["front"]["ipv4_address"];
    assert_eq!(config.http.trusted_proxies, [proxy.as_str().unwrap()]);
    assert_eq!(config.http.bind_addresses, ["0.0.0.0"]);
    assert!(config.admin.bind.ends_with(":5001"));
}

/// Returns the value of a directive of nginx, in seconds or as it stands.
fn directive(conf: &str, name: &str) -> String {
    let mut lines = conf.lines().map(str::trim);
    let line = lines.find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("nginx.conf has {name}"));
    line[name.len()..].trim().trim_end_matches(';').to_owned()
}

#[test]
fn nginx_waits_longer_than_we_do() {
    let conf = read("deploy/docker/nginx.conf");
    assert_eq!(conf.matches('{').count(), conf.matches('}').count());
    let seconds = |name| -> u64 { directive(&conf, name).trim_end_matches('s').parse().unwrap() };
    let config = config::Config::default();
    assert!(seconds("proxy_read_timeout") > config.delivery.deadline_seconds);
    assert!(seconds("proxy_read_timeout") < 60, "Synapse gives up then");
    let server = conf.split("server {").last().unwrap();
    let idle: u64 = directive(server, "keepalive_timeout").trim_end_matches('s').parse().unwrap();
    assert!(idle > 120, "Synapse closes first");
    // Both pools have to be of use: that of homeservers and that of ours.
    assert_eq!(directive(&conf, "proxy_http_version"), "1.1");
    assert!(conf.contains(r#"proxy_set_header Connection "";"#));
    let upstream = conf.split("upstream peregrine {").nth(1).unwrap();
    let source = read("src/http/connection.rs");
    let ours = source.split("KEEP_ALIVE: Duration = Duration::from_secs(").nth(1);
    let ours = ours.and_then(|rest| rest.split(')').next());
    let ours: u64 = ours.unwrap().parse().unwrap();
    let theirs: u64 =
        directive(upstream, "keepalive_timeout").trim_end_matches('s').parse().unwrap();
    assert!(theirs < ours, "nginx closes before we do");
    let megabytes: usize =
        directive(&conf, "client_max_body_size").trim_end_matches('m').parse().unwrap();
    assert!(megabytes * 1024 * 1024 > config.http.max_body_bytes);
    assert!(conf.contains("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"));
    assert!(conf.contains("location = /_matrix/push/v1/notify {"));
}
