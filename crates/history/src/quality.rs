//! How a quality is stored: a small number that is larger the worse it is, so that `max` finds the worst.

use gatehouse_model::Quality;

/// The stored number of a mark that says that a sample is old.
pub(crate) const STALE: i64 = to_stored(Quality::Stale);

/// The stored number of a mark of silence: no reading. From its time on nothing is known of the series until its next
/// row; its value repeats the last one.
pub(crate) const SILENCE: i64 = 6;

/// The stored number. These are part of the file format and never change.
pub(crate) const fn to_stored(quality: Quality) -> i64 {
    match quality {
        Quality::Ok => 0,
        Quality::Simulated => 1,
        Quality::Retried => 2,
        Quality::Clamped => 3,
        Quality::Suspect => 4,
        Quality::Stale => 5,
    }
}

/// The quality of a stored number. A number that this release does not know is as good as none: suspect.
pub(crate) const fn from_stored(stored: i64) -> Quality {
    match stored {
        0 => Quality::Ok,
        1 => Quality::Simulated,
        2 => Quality::Retried,
        3 => Quality::Clamped,
        5 => Quality::Stale,
        _ => Quality::Suspect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_larger_and_every_quality_comes_back() {
        let all = [
            Quality::Ok,
            Quality::Simulated,
            Quality::Retried,
            Quality::Clamped,
            Quality::Suspect,
            Quality::Stale,
        ];
        for pair in all.windows(2) {
            assert!(pair[0] < pair[1] && to_stored(pair[0]) < to_stored(pair[1]));
        }
        for quality in all {
            assert_eq!(from_stored(to_stored(quality)), quality);
        }
    }
}
