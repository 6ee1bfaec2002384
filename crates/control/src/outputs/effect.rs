//! What an output's being on must bring about.

use gatehouse_model::Moment;

/// What is known of an output's effect.
#[derive(Clone, Debug, Default)]
pub(crate) struct EffectWatch {
    /// The latest value that could be trusted, and when it came.
    pub(super) latest: Option<(f64, Moment)>,
    /// The value to compare with: the lowest (for an effect that rises) since the output left its safe level.
    pub(super) from: Option<f64>,
    /// Until when the effect must show; nothing while the output is safe, and once it has shown.
    pub(super) ends: Option<Moment>,
    /// Whether its absence was said and is still so.
    pub(super) is_warned: bool,
}
