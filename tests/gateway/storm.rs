//! The storm: whatever fails fails at once, while homeservers repeat as they do.
//!
//! `weather` decides what befalls each request, the same way in every run; `homeserver` sends each
//! device's events in order and repeats what was not settled; `shaky` is a provider that panics. In
//! the end every event arrived, and what arrived twice could not be told from what did not.

mod homeserver;
mod shaky;
mod weather;

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;

use loadtest::peers::Peer;
use loadtest::peers::apns::Options;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::homeserver::{Device, Report};
use self::shaky::Shaky;
use self::weather::Weather;
use crate::helpers::bodies::device;
use crate::helpers::{Setup, TestGateway, apns_with, fcm};

/// Devices of each app: APNs, FCM, and the provider that panics.
const DEVICES: [usize; 3] = [140, 140, 20];

/// Events for each device.
const EVENTS: usize = 10;

const DELIVERY: &str = "delivery:
  deadline_seconds: 3
  retry: {base_delay_ms: 20, max_delay_ms: 200}
  circuit_breaker: {open_seconds: 1}";

#[tokio::test]
async fn every_event_arrives_and_twice_only_what_nobody_could_know() {
    let (apple, key) = apns_with(Options::default());
    let google = fcm();
    let shaky = Shaky::default();
    let (over_apple, over_google) = (Arc::new(Weather::new(1)), Arc::new(Weather::new(2)));
    for (peer, weather) in [(&*apple, &over_apple), (&*google, &over_google)] {
        let weather = weather.clone();
        peer.answer_with(move |request| weather.answer(request));
    }
    let mut gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .section(DELIVERY)
        .apns("app.apns", &apple, &key, "collapse_per_room: no")
        .fcm("app.fcm", &google, "collapse_per_room: no")
        .own(shaky.app("app.shaky"))
        .start();

    let (address, settled) = (watch::Sender::new(gateway.public), watch::Sender::new(0));
    let devices: Vec<Device> = (0..DEVICES.iter().sum()).map(a_device).collect();
    let mut homeservers = JoinSet::new();
    for device in devices.clone() {
        homeservers.spawn(device.send_all(EVENTS, address.subscribe(), settled.clone()));
    }
    let mut progress = settled.subscribe();
    let mut at = async |percent: usize| {
        let enough = devices.len() * EVENTS * percent / 100;
        progress.wait_for(|&settled| settled >= enough).await.unwrap();
    };

    at(15).await;
    apple.expire_provider_tokens();
    google.oauth().revoke();
    at(30).await;
    // Both lanes are swapped, with pushes in their hands.
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml.replace("room: no", "room: yes")).await.unwrap();
    at(45).await;
    apple.goaway();
    google.goaway();
    at(60).await;
    let fallen = gateway.count("peregrine_actor_restarts_total{app=\"app.shaky\"").await;
    assert!(fallen > 0, "an actor fell");
    assert!(gateway.drain().await, "everything in flight was settled");
    let before = [apple.connections_opened(), google.connections_opened()];
    gateway = gateway.restart();
    address.send_replace(gateway.public);
    at(80).await;
    gateway.reload(&yaml).await.unwrap();

    let reports: Reports = homeservers.join_all().await.into_iter().collect();
    assert_eq!(gateway.count("peregrine_in_flight").await, 0);
    assert!(gateway.drain().await);

    for (device, report) in &reports {
        assert_eq!(report.rejected, device.dies(), "{device:?}");
        let events = if device.dies() { weather::LIFE } else { EVENTS };
        for event_id in (0..events).map(|event| device.event_id(event)) {
            let arrived = match device.app_id {
                "app.apns" => apple.accepted_event(&device.token, &event_id),
                "app.fcm" => google.accepted_event(&device.token, &event_id),
                _ => shaky.accepted(&device.token, &event_id),
            };
            assert!(arrived >= 1, "{device:?} {event_id}");
        }
    }
    let mut twice = Twice::default();
    for (peer, weather, before, refusal) in [
        (&*apple, &over_apple, before[0], "ExpiredProviderToken"),
        (&*google, &over_google, before[1], "UNAUTHENTICATED"),
    ] {
        weather.print();
        twice.count(peer, weather, before, &reports);
        let refused = peer.received().into_iter().filter_map(|it| it.refused);
        let refused: BTreeSet<String> = refused.collect();
        assert_eq!(refused, BTreeSet::from([refusal.to_owned()]));
    }
    let repeats: usize = reports.values().map(|report| report.repeats).sum();
    let notifications = devices.len() * EVENTS;
    println!("{notifications} notifications, {repeats} repeats by homeservers, twice: {twice:?}");
    assert_eq!((twice.for_no_reason, shaky.twice()), (0, 0));
}

fn a_device(number: usize) -> Device {
    let (pushkey, token) = device(number);
    let [apns, fcm, _] = DEVICES;
    if number < apns {
        return Device::new("app.apns", number, pushkey, token);
    }
    let pushkey = format!("token:{number}");
    let app_id = if number < apns + fcm { "app.fcm" } else { "app.shaky" };
    Device::new(app_id, number, pushkey.clone(), pushkey)
}

/// What each device's homeserver saw.
type Reports = HashMap<Device, Report>;

/// What arrived more than once, by what could not be told.
#[derive(Debug, Default)]
struct Twice {
    /// The connection broke before the answer was read.
    connection_broke: usize,
    /// The answer came too late.
    timed_out: usize,
    /// The gateway that knew it was gone before its homeserver had heard.
    over_the_restart: usize,
    for_no_reason: usize,
}

impl Twice {
    /// Looks through all that a peer accepted.
    fn count(
        &mut self,
        peer: &Peer,
        weather: &Weather,
        connections_before: usize,
        reports: &Reports,
    ) {
        let by_token: HashMap<&str, &Report> =
            reports.iter().map(|(device, report)| (&*device.token, report)).collect();
        let before = connections_before as u64;
        // The connection of the last time an event was accepted.
        let mut accepted: HashMap<(String, String), u64> = HashMap::new();
        for push in peer.received() {
            let (Some(200), Some(event_id)) = (push.status, push.event_id) else {
                continue;
            };
            let too_late = by_token[&*push.token].timed_out.contains(&event_id);
            let key = (push.token, event_id);
            let Some(first) = accepted.insert(key, push.connection) else {
                continue;
            };
            let reason = if weather.broke(first) {
                &mut self.connection_broke
            } else if too_late {
                &mut self.timed_out
            } else if first <= before && push.connection > before {
                &mut self.over_the_restart
            } else {
                &mut self.for_no_reason
            };
            *reason += 1;
        }
    }
}

impl TestGateway {
    /// Starts another gateway in the place of this one, which was stopped.
    fn restart(mut self) -> Self {
        let setup = mem::replace(self.setup_mut(), Setup::new());
        drop(self);
        setup.start()
    }
}
