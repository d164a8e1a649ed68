//! What sealing a message for a browser or a phone costs (RFC 8291): a key pair, one agreement, the
//! derivation of two keys, AES-GCM. The curve is nearly all of it, whatever the message.
//!
//! `cargo bench --bench encrypt`. To compare two commits, run it on each with the same
//! `--min-time 3`, on a machine at rest, and compare the medians; below 5 % is noise.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use loadtest::peers::webpush::{Options, Subscription, WebPush};
use peregrine::providers::aes128gcm::{Keys, MAX_PLAINTEXT, seal};

fn main() {
    divan::main();
}

/// Ids and counts, a message in full, and the longest that fits.
#[divan::bench(args = [200, 700, MAX_PLAINTEXT])]
fn message(bencher: Bencher, bytes: usize) {
    let keys = read(&subscription()).unwrap_or_else(|| panic!("keys that are none"));
    let plaintext = vec![b'x'; bytes];
    assert!(seal(&plaintext, &keys).is_ok(), "a message that is not sealed");
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| seal(black_box(&plaintext), black_box(&keys)));
}

/// What a client gave its pusher is read, as for every push.
#[divan::bench]
fn keys(bencher: Bencher) {
    let given = subscription();
    assert!(read(&given).is_some(), "keys that are none");
    bencher.bench_local(|| read(black_box(&given)));
}

fn read(given: &Subscription) -> Option<Keys> {
    Keys::read(&given.p256dh, &given.auth).ok()
}

fn subscription() -> Subscription {
    WebPush::start(&Options::default()).subscribe()
}
