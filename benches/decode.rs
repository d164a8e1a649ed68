//! What parsing a body costs, from the smallest push to the largest.
//!
//! `cargo bench --bench decode`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use peregrine::matrix;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const EVENT_ID_ONLY: &str = include_str!("../tests/homeserver_bodies/event_id_only_message.json");
const FULL: &str = include_str!("../tests/homeserver_bodies/full_message.json");
const ENCRYPTED: &str = include_str!("../tests/homeserver_bodies/full_encrypted.json");

#[divan::bench]
fn event_id_only(bencher: Bencher) {
    decode(bencher, EVENT_ID_ONLY);
}

#[divan::bench]
fn full_message(bencher: Bencher) {
    decode(bencher, FULL);
}

#[divan::bench]
fn encrypted_message(bencher: Bencher) {
    decode(bencher, ENCRYPTED);
}

/// A message of 60 kB, as large as events get.
#[divan::bench]
fn large_message(bencher: Bencher) {
    let mut body: Value = serde_json::from_str(FULL).unwrap_or_default();
    body["notification"]["content"]["body"] = json!("grüße \"alle\"\n".repeat(60_000 / 16));
    decode(bencher, &body.to_string());
}

/// One notification to many devices, as bridges and large accounts have them.
#[divan::bench(args = [10, 100])]
fn devices(bencher: Bencher, devices: usize) {
    let mut body: Value = serde_json::from_str(EVENT_ID_ONLY).unwrap_or_default();
    let device = body["notification"]["devices"][0].take();
    body["notification"]["devices"] = Value::Array(vec![device; devices]);
    decode(bencher, &body.to_string());
}

fn decode(bencher: Bencher, body: &str) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    assert!(matrix::decode(body.clone()).is_ok(), "a body that is none");
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| matrix::decode(black_box(body.clone())));
}
