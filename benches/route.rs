//! What finding an app costs: by its name, and by patterns.
//!
//! `cargo bench --bench route`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise.

use divan::{Bencher, black_box};
use peregrine::dispatch::routes::{Routed, Routes};

fn main() {
    divan::main();
}

const APP_ID: &str = "com.example.app.ios.prod";

/// By name, beside this many others.
#[divan::bench(args = [1, 1000])]
fn name(bencher: Bencher, apps: usize) {
    find(bencher, &routes(apps, 0, &[APP_ID]), Routed::To(apps));
}

/// By the last of this many patterns, beside a thousand names.
#[divan::bench(args = [1, 10, 100, 1000])]
fn pattern(bencher: Bencher, patterns: usize) {
    let routes = routes(1000, patterns - 1, &["com.example.app.*"]);
    find(bencher, &routes, Routed::To(999 + patterns));
}

/// No app has it.
#[divan::bench(args = [1, 10, 100, 1000])]
fn nowhere(bencher: Bencher, patterns: usize) {
    find(bencher, &routes(1000, patterns, &[]), Routed::Unknown);
}

/// Lays out apps by name, apps by pattern, and those that are looked for.
fn routes(names: usize, patterns: usize, last: &[&str]) -> Routes {
    let names = (0..names).map(|i| format!("com.example.app{i}.ios.prod"));
    let patterns = (0..patterns).map(|i| format!("com.example.app{i}.*.dev"));
    let last = last.iter().map(|&app_id| app_id.to_owned());
    let apps: Vec<String> = names.chain(patterns).chain(last).collect();
    Routes::new(apps.iter().map(String::as_str))
}

fn find(bencher: Bencher, routes: &Routes, expected: Routed) {
    assert_eq!(routes.find(APP_ID), expected);
    bencher.bench_local(|| routes.find(black_box(APP_ID)));
}
