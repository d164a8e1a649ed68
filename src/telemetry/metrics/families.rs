//! Registers the families: one metric for each set of labels.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the duration histograms in seconds: 1 ms to 30 s, past the default deadline.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A histogram for each set of labels.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Registers histograms of durations.
pub(super) fn histogram<L>(registry: &mut Registry, name: &str, help: &str) -> Histograms<L>
where
    L: Clone + Hash + Eq + EncodeLabelSet + Debug + Send + Sync + 'static,
{
    let family = Histograms::<L>::new_with_constructor(|| Histogram::new(SECONDS));
    registry.register(name, help, family.clone());
    family
}

/// Registers counters or gauges.
pub(super) fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    L: Clone + Hash + Eq + EncodeLabelSet + Debug + Send + Sync + 'static,
    M: Default + EncodeMetric + TypedMetric + Debug + Send + Sync + 'static,
{
    let family = Family::<L, M>::default();
    registry.register(name, help, family.clone());
    family
}
