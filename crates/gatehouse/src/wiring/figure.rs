//! One figure for monitoring.

use gatehouse_dashboard::{Figure, FigureKind};

/// A count as Prometheus has them.
#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers; above 2^53 the last digits go"
)]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

pub(super) fn gauge(name: &'static str, help: &'static str, value: f64) -> Figure {
    Figure { name, kind: FigureKind::Gauge, help, samples: vec![(None, value)] }
}

pub(super) fn counter(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, kind: FigureKind::Counter, help, samples: vec![(None, number(value))] }
}
