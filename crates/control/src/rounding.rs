//! Numbers as people write them: so many digits behind the point, and the same but for rounding errors.

/// Most digits behind the point: an `f64` has no more that mean something.
pub const MAX_DECIMALS: u8 = 9;

/// How near two numbers are that count as the same, as a share of the larger. Numbers that were converted or calibrated
/// differ by rounding errors from what a person writes.
const SAME_WITHIN: f64 = 1e-9;

/// Rounds to so many digits behind the point.
pub(crate) fn round(number: f64, decimals: u8) -> f64 {
    let factor = 10f64.powi(i32::from(decimals.min(MAX_DECIMALS)));
    let rounded = (number * factor).round() / factor;
    // Numbers too large to be multiplied have no digits behind the point anyway.
    if rounded.is_finite() { rounded } else { number }
}

/// Whether two numbers are the same but for rounding errors.
pub(crate) fn are_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME_WITHIN * a.abs().max(b.abs()).max(1.0)
}
