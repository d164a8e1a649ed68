//! What befalls a request: drawn by its device, its event and how often it was tried, so that it is
//! the same in every run, however the threads are timed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use h2::Reason;
use loadtest::peers::{Answer, Received};

use super::homeserver::event_number;

/// How many events a device that dies still gets.
pub(super) const LIFE: usize = 5;

/// After so many tries every request is answered.
const BAD_TRIES: u32 = 5;

/// What befalls how many of a thousand requests.
const FAULTS: [(u64, &str); 9] = [
    (30, "503"),
    (6, "429"),
    (30, "refused"),
    (20, "cancelled"),
    (8, "goaway"),
    (2, "goaway, abrupt"),
    (2, "closed"),
    (4, "stalled"),
    (20, "500"),
];

/// The weather over one provider.
pub(super) struct Weather {
    seed: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    tries: HashMap<(String, String), u32>,
    faults: BTreeMap<&'static str, usize>,
    broken: HashSet<u64>,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, seen: Mutex::default() }
    }

    /// Whether a connection ended without the answers it owed.
    pub(super) fn broke(&self, connection: u64) -> bool {
        self.seen.lock().unwrap().broken.contains(&connection)
    }

    pub(super) fn print(&self) {
        println!("weather {}: {:?}", self.seed, self.seen.lock().unwrap().faults);
    }

    pub(super) fn answer(&self, request: &Received) -> Option<Answer> {
        let event_id = request.event_id.clone()?;
        let mut seen = self.seen.lock().unwrap();
        let tries = seen.tries.entry((request.token.clone(), event_id.clone())).or_default();
        *tries += 1;
        let tries = *tries;
        let fault = (tries <= BAD_TRIES).then(|| self.fault(&request.token, &event_id, tries));
        if let Some(fault) = fault.flatten() {
            *seen.faults.entry(fault).or_default() += 1;
            if let "goaway, abrupt" | "closed" = fault {
                seen.broken.insert(request.connection);
            }
            return Some(answer(fault));
        }
        let (device, event) = event_number(&event_id);
        let dead = dies(device) && event >= LIFE;
        let is_apns = request.path.starts_with("/3/device/");
        dead.then(|| {
            if is_apns {
                Answer::new(410, "Unregistered").timestamp(4_000_000_000_000)
            } else {
                Answer::new(404, "UNREGISTERED")
            }
        })
    }

    fn fault(&self, token: &str, event_id: &str, tries: u32) -> Option<&'static str> {
        let mut hash = DefaultHasher::new();
        (self.seed, token, event_id, tries).hash(&mut hash);
        let mut drawn = hash.finish() % 1000;
        for (share, fault) in FAULTS {
            if drawn < share {
                return Some(fault);
            }
            drawn -= share;
        }
        None
    }
}

/// Whether the device with this number dies of old age.
pub(super) fn dies(device: usize) -> bool {
    device % 20 == 7
}

fn answer(fault: &str) -> Answer {
    match fault {
        "503" => Answer::status(503),
        "500" => Answer::status(500),
        "429" => Answer::status(429).retry_after(1),
        "refused" => Answer::reset(Reason::REFUSED_STREAM),
        "cancelled" => Answer::reset(Reason::CANCEL),
        "goaway" => Answer::goaway(),
        "goaway, abrupt" => Answer::goaway_abrupt(Reason::INTERNAL_ERROR),
        "closed" => Answer::close(),
        _ => Answer::stall(),
    }
}
