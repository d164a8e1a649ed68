//! A gateway with a life: several apps, traffic that swells and ebbs, one provider that is down and
//! one credential about to end.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use loadtest::peers::Answer;
use loadtest::peers::apns::Apns;
use loadtest::peers::fcm::Fcm;
use loadtest::peers::pki::ClientCertificate;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::helpers::bodies::device;
use crate::helpers::{Line, Setup, TOPIC, TestGateway, apns, event, fcm};
use crate::puppet::Puppet;

/// A step of the traffic.
const STEP: Duration = Duration::from_millis(100);

/// Connections for each app's traffic.
const LINES: usize = 4;

/// The gateway and what is around it.
pub(super) struct Lively {
    pub(super) gateway: TestGateway,
    partner_is_down: Arc<AtomicBool>,
    _peers: (Apns, Fcm, Puppet),
    steps: Cell<usize>,
}

/// One app's traffic: how many pushes in ten steps, and how long its waves are.
struct Tide {
    app: &'static str,
    mean: f64,
    wave: f64,
    length: f64,
    pushkey: fn(usize) -> String,
}

const TIDES: [Tide; 5] = [
    Tide {
        app: "im.example.ios",
        mean: 62.0,
        wave: 22.0,
        length: 700.0,
        pushkey: |number| device(number % 60_000).0,
    },
    Tide {
        app: "im.example.android",
        mean: 44.0,
        wave: 18.0,
        length: 1100.0,
        pushkey: |number| format!("registration-{}", number % 3000),
    },
    Tide {
        app: "im.example.ios.voip",
        mean: 7.0,
        wave: 5.0,
        length: 400.0,
        pushkey: |number| device(70_000 + number % 9000).0,
    },
    Tide {
        app: "im.example.web",
        mean: 16.0,
        wave: 9.0,
        length: 520.0,
        pushkey: |number| format!("browser-{}", number % 900),
    },
    Tide {
        app: "chat.partner.android",
        mean: 12.0,
        wave: 4.0,
        length: 900.0,
        pushkey: |number| format!("partner-{}", number % 500),
    },
];

impl Lively {
    pub(super) fn start() -> Self {
        let ((apple, key), google) = (apns(), fcm());
        let browsers = Puppet::new();
        apple.latency(Duration::from_millis(9));
        google.latency(Duration::from_millis(24));
        // Now and then a phone is gone, or Apple has a bad moment.
        let turns = AtomicUsize::new(0);
        apple.answer_with(move |_| match turns.fetch_add(1, Ordering::Relaxed) % 160 {
            31 => Some(Answer::new(410, "Unregistered").timestamp(1_800_000_000_000)),
            120 => Some(Answer::new(503, "ServiceUnavailable")),
            turn if turn % 20 == 7 => Some(Answer::accept().after(Duration::from_millis(60))),
            _ => None,
        });
        let partner_is_down = Arc::new(AtomicBool::new(false));
        let is_down = partner_is_down.clone();
        google.answer_with(move |request| {
            let is_hit = is_down.load(Ordering::Relaxed) && request.token.starts_with("partner");
            is_hit.then(|| Answer::new(503, "UNAVAILABLE"))
        });
        let setup = Setup::new();
        let days = Duration::from_secs(12 * 24 * 3600 + 3600);
        let certificate = ClientCertificate::new(&[TOPIC], SystemTime::now() + days);
        let voip = format!(
            "type: apns\ncertfile: {}\nendpoint: {}",
            certificate.write(setup.folder()).display(),
            apple.url(),
        );
        let gateway = setup
            .section("delivery: {retry: {base_delay_ms: 40}}")
            .section("log: {access: {enabled: false}}")
            .apns("im.example.ios", &apple, &key, "")
            .fcm("im.example.android", &google, "")
            .app("im.example.ios.voip", &voip)
            .fcm("chat.partner.*", &google, "")
            .app("im.example.try", "type: log")
            .own(browsers.app_of("webpush", "im.example.web", json!({}), false))
            .start();
        Self { gateway, partner_is_down, _peers: (apple, google, browsers), steps: Cell::new(0) }
    }

    /// From now on every push of one app fails.
    pub(super) fn lose_the_partner(&self) {
        self.partner_is_down.store(true, Ordering::Relaxed);
    }

    /// Sends what the tides bring, until then.
    pub(super) async fn go_on_until(&self, end: Instant) {
        let open = |_| join_all((0..LINES).map(|_| Line::to(&self.gateway)));
        let mut lines = join_all(TIDES.iter().map(open)).await;
        let mut next = Instant::now();
        while next < end {
            let step = self.steps.get();
            self.steps.set(step + 1);
            let flows = TIDES.iter().zip(&mut lines);
            join_all(flows.map(|(tide, lines)| tide.flow(step, lines))).await;
            next = Instant::now().max(next + STEP);
            sleep_until(next).await;
        }
    }
}

impl Tide {
    /// Sends what this step brings.
    async fn flow(&self, step: usize, lines: &mut [Line]) {
        #[expect(clippy::cast_precision_loss, reason = "a wave")]
        let at = step as f64;
        // A few waves on each other look like people.
        let wave = (at / self.length * std::f64::consts::TAU).sin()
            + 0.4 * (at / self.length * 3.7).sin()
            + 0.25 * (at * 0.31).sin();
        let level = (self.mean + self.wave * wave).max(0.0) / 10.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a wave")]
        let pushes =
            ((at + 1.0) * level).floor().max(0.0) as usize - (at * level).floor().max(0.0) as usize;
        let numbers: Vec<usize> = (0..pushes).map(|push| step * 100 + push).collect();
        let flows = lines.iter_mut().enumerate().map(|(place, line)| {
            let mine = numbers.iter().skip(place).step_by(LINES);
            async move {
                for number in mine {
                    let copies = if number.is_multiple_of(61) { 2 } else { 1 };
                    for _ in 0..copies {
                        let pushkey = (self.pushkey)(number * 7);
                        let body = event(self.app, &pushkey, &format!("${number}"));
                        line.notify(&body).await;
                    }
                }
            }
        });
        join_all(flows).await;
    }
}
