//! The Debian package: what `[package.metadata.deb]` names exists, and the scripts are scripts.

use crate::{ask, features, path, read};

/// Returns the lines of `[package.metadata.deb]`.
fn metadata() -> String {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[package.metadata.deb]\n").nth(1);
    let section = section.expect("Cargo.toml has [package.metadata.deb]");
    section.split("\n[").next().unwrap().to_owned()
}

#[test]
fn everything_that_goes_in_exists() {
    let metadata = metadata();
    let assets: Vec<Vec<&str>> = metadata
        .lines()
        .filter(|line| line.starts_with("  ["))
        .map(|line| line.split('"').skip(1).step_by(2).collect())
        .collect();
    assert!(assets.len() > 5);
    for asset in &assets {
        let [source, target, mode] = asset[..] else {
            panic!("an asset is source, target and mode: {asset:?}");
        };
        assert!(!target.starts_with('/') && mode.parse::<u32>().is_ok());
        // What a build makes is not in the repository.
        let folder = source.split('*').next().unwrap();
        assert!(source.starts_with("target/") || path(folder).exists(), "{source}");
    }
    let has = |source: &str, target: &str| {
        assets.iter().any(|asset| asset[0] == source && asset[1].starts_with(target))
    };
    assert!(has("target/release/peregrine", "usr/bin/"));
    assert!(has("config.yaml", "etc/peregrine/config.yaml"));
    assert!(metadata.contains(r#"conf-files = ["/etc/peregrine/config.yaml""#));
    assert!(path("deploy/systemd/peregrine.service").exists());
    // No app is configured yet, and Sygnal may still hold the port.
    assert!(metadata.contains("enable = false, start = false"));
}

#[test]
fn its_scripts_are_scripts() {
    for script in ["postinst", "prerm", "postrm"] {
        let name = format!("deploy/debian/{script}");
        let text = read(&name);
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("set -e"), "{name}");
        assert!(text.trim_end().ends_with("#DEBHELPER#"), "{name}: systemd's part");
        ask("sh", &["-n", path(&name).to_str().unwrap()]);
    }
    ask("bash", &["-n", path("deploy/debian/build.sh").to_str().unwrap()]);
}

#[test]
fn it_is_built_with_every_feature() {
    let build = read("deploy/debian/build.sh");
    let wanted = format!("features={}\n", features().join(","));
    assert!(build.contains(&wanted), "deploy/debian/build.sh has {wanted}");
}
