//! Medians, spreads, multiples of the floor, and the goals, as a table for people.

use std::fmt;

use super::Options;
use super::contestant::{Kind, Measured, Provider};

/// What all rounds showed.
pub(super) struct Report<'a> {
    options: &'a Options,
    rows: Vec<Row>,
}

/// What the rounds showed of one contestant.
struct Row {
    kind: Kind,
    /// CPU microseconds a push, in order of size.
    cost: Vec<f64>,
    /// Median of pushes per second.
    rate: f64,
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn new(kind: Kind, measured: &[Measured]) -> Self {
        let pushes = |it: &Measured| it.pushes.max(1) as f64;
        let cost = measured
            .iter()
            .map(|it| it.cpu.as_secs_f64() * 1e6 / pushes(it));
        let rate = measured.iter().map(|it| pushes(it) / it.time.as_secs_f64());
        Self {
            kind,
            cost: sorted(cost),
            rate: median(&sorted(rate)),
        }
    }

    fn median(&self) -> f64 {
        median(&self.cost)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl<'a> Report<'a> {
    pub(super) fn new(options: &'a Options, measured: Vec<(Kind, Vec<Measured>)>) -> Self {
        let rows = measured
            .into_iter()
            .map(|(kind, measured)| Row::new(kind, &measured));
        Self {
            options,
            rows: rows.collect(),
        }
    }

    fn cost(&self, kind: Kind) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.kind == kind)?;
        Some(row.median())
    }

    /// Returns what a push costs at least: taking it and sending it.
    fn floor(&self, provider: Provider) -> Option<f64> {
        Some(self.cost(Kind::Accept)? + self.cost(Kind::Send(provider))?)
    }

    /// Returns each goal with what was reached and the most that is allowed.
    fn goals(&self) -> Vec<(&'static str, f64, f64)> {
        let times = |provider, floor: Option<f64>| {
            Some(self.cost(Kind::Gateway(provider))? / floor.filter(|&floor| floor > 0.0)?)
        };
        let apns = times(Provider::Apns, self.floor(Provider::Apns));
        let fcm = times(Provider::Fcm, self.floor(Provider::Fcm));
        let webpush = times(Provider::WebPush, self.cost(Kind::Send(Provider::WebPush)));
        let forward = times(Provider::Apns, self.cost(Kind::Forward));
        [
            ("APNs to its floor", apns, 1.25),
            ("FCM to its floor", fcm, 1.35),
            ("Web Push to bare sealing and sending", webpush, 1.3),
            ("APNs to HAProxy forwarding the same POST", forward, 1.0),
        ]
        .into_iter()
        .filter_map(|(goal, reached, allowed)| Some((goal, reached?, allowed)))
        .collect()
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Accept => "actix-web, answers at once",
        Kind::Send(Provider::Apns) => "bare h2 client, to APNs",
        Kind::Send(Provider::Fcm) => "bare h2 client, to FCM",
        Kind::Send(Provider::WebPush) => "bare h2 client, sealing, to Web Push",
        Kind::Gateway(Provider::Apns) => "peregrine, APNs",
        Kind::Gateway(Provider::Fcm) => "peregrine, FCM",
        Kind::Gateway(Provider::WebPush) => "peregrine, Web Push",
        Kind::Forward => "HAProxy, forwarding to APNs",
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            rounds,
            seconds,
            in_flight,
            ..
        } = self.options;
        writeln!(
            f,
            "limits: {rounds} rounds of {seconds} s in turns, {in_flight} requests under way, 1 thread each;\n\
             CPU is that of the process under test, user and system, a push; pushes are counted by the peer\n"
        )?;
        writeln!(
            f,
            "{:<38}{:>9}{:>17}{:>10}{:>12}",
            "", "CPU µs", "least..most", "a second", "per CPU s"
        )?;
        for row in &self.rows {
            let (least, most) = (row.cost.first(), row.cost.last());
            let spread = format!(
                "{:.1}..{:.1}",
                least.copied().unwrap_or_default(),
                most.copied().unwrap_or_default()
            );
            let median = row.median();
            writeln!(
                f,
                "{:<38}{median:>9.1}{spread:>17}{:>10.0}{:>12.0}",
                name(row.kind),
                row.rate,
                1e6 / median.max(1e-9),
            )?;
        }
        writeln!(f)?;
        for (provider, name) in [(Provider::Apns, "APNs"), (Provider::Fcm, "FCM")] {
            if let Some(floor) = self.floor(provider) {
                writeln!(f, "floor of {name}: {floor:.1} µs (taking + sending)")?;
            }
        }
        for (goal, reached, allowed) in self.goals() {
            let met = if reached <= allowed { "met" } else { "missed" };
            writeln!(
                f,
                "{goal}: {reached:.2} × (goal: at most {allowed:.2}, {met})"
            )?;
        }
        Ok(())
    }
}
