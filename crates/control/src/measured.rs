//! A number on its way from the sensor to the broker.

use gatehouse_model::{Quality, Timestamp};

/// A number with its time and its quality. What is made of several of them is as good as the worst that it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number; finite.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
    /// When it was true.
    pub at: Timestamp,
}

impl Measured {
    /// The same reading with another number; nothing when that is no number.
    pub fn with_value(self, value: f64) -> Option<Self> {
        value.is_finite().then_some(Self { value, ..self })
    }

    /// The same reading, at most as good as this.
    #[must_use]
    pub fn at_best(self, quality: Quality) -> Self {
        Self { quality: self.quality.max(quality), ..self }
    }

    /// Whether it is too doubtful to be mixed with others.
    pub fn is_doubtful(&self) -> bool {
        self.quality >= Quality::Suspect
    }
}

#[cfg(test)]
pub(crate) mod test_support {
    //! What several tests need.

    use std::time::Duration;

    use gatehouse_model::Moment;

    use super::*;

    pub(crate) fn good(value: f64) -> Measured {
        Measured { value, quality: Quality::Ok, at: Timestamp::from_millis(0) }
    }

    pub(crate) fn after(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }
}
