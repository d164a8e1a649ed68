//! Medians, spreads, multiples of the floor, and the goals.

use super::contestant::{Kind, Measured, Pace};
use crate::driver::figures::{median, ratio};
use crate::driver::options::Kind as Provider;
use crate::driver::report::{Findings, Table};

/// What the rounds showed of one contestant.
pub(super) struct Row {
    kind: Kind,
    /// Median of CPU microseconds a push, with the least and the most.
    cost: f64,
    least: f64,
    most: f64,
    /// Median of pushes per second.
    rate: f64,
}

impl Kind {
    /// Returns its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accept => "actix-web, answers at once",
            Self::Send(Provider::Apns) => "bare h2 client, to APNs",
            Self::Send(Provider::Fcm) => "bare h2 client, to FCM",
            Self::Send(Provider::Webpush) => "bare h2 client, sealing, to Web Push",
            Self::Send(Provider::Unifiedpush) => "bare h2 client, to UnifiedPush",
            Self::Gateway(Provider::Apns) => "peregrine, APNs",
            Self::Gateway(Provider::Fcm) => "peregrine, FCM",
            Self::Gateway(Provider::Webpush) => "peregrine, Web Push",
            Self::Gateway(Provider::Unifiedpush) => "peregrine, UnifiedPush",
            Self::Forward => "HAProxy, forwarding to APNs",
        }
    }
}

impl Row {
    pub(super) fn new(kind: Kind, measured: &[Measured]) -> Self {
        let costs: Vec<f64> = measured.iter().map(|it| it.cpu_micros).collect();
        let rates: Vec<f64> = measured.iter().map(|it| it.per_second).collect();
        Self {
            kind,
            cost: median(&costs),
            least: costs.iter().copied().fold(f64::INFINITY, f64::min),
            most: costs.iter().copied().fold(0.0, f64::max),
            rate: median(&rates),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.name().to_owned(),
            format!("{:.1}", self.cost),
            format!("{:.1}..{:.1}", self.least, self.most),
            format!("{:.0}", self.rate),
            format!("{:.0}", ratio(1e6, self.cost)),
        ]
    }
}

/// Compares the contestants, all of which were given work at this pace.
pub(super) fn compare(rows: &[Row], pace: Pace, findings: &mut Findings) {
    let cost = |kind: Kind| rows.iter().find(|row| row.kind == kind).map(|row| row.cost);
    // What a push costs at least: taking it and sending it.
    let floor = |provider| Some(cost(Kind::Accept)? + cost(Kind::Send(provider))?);
    for (provider, name) in [(Provider::Apns, "floor of APNs"), (Provider::Fcm, "floor of FCM")] {
        if let Some(floor) = floor(provider) {
            let note = format!("taking + sending, {pace}");
            findings.figure(name, format!("{floor:.1} µs"), &note);
        }
    }
    // The goals: the gateway with a provider, what it is compared with, and how many times that it
    // may cost.
    for (name, provider, least, allowed) in [
        ("APNs to its floor", Provider::Apns, floor(Provider::Apns), 1.25),
        ("FCM to its floor", Provider::Fcm, floor(Provider::Fcm), 1.35),
        ("Web Push to sending", Provider::Webpush, cost(Kind::Send(Provider::Webpush)), 1.3),
        ("APNs to HAProxy", Provider::Apns, cost(Kind::Forward), 1.0),
    ] {
        let (Some(cost), Some(least)) = (cost(Kind::Gateway(provider)), least) else {
            continue;
        };
        let times = ratio(cost, least);
        let met = if times <= allowed { "met" } else { "missed" };
        let note = format!("{pace}; goal: at most {allowed:.2}, {met}");
        findings.figure(name, format!("{times:.2} ×"), &note);
    }
    let head = ["process", "µs/push", "least..most", "pushes/s", "per CPU s"];
    findings.tables.push(Table {
        title: format!("medians, {pace}"),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.iter().map(Row::cells).collect(),
        best: None,
    });
}
