//! Outputs with a level between off and on.

use std::time::Duration;

use async_trait::async_trait;

use super::lines::{ActiveLevel, LineError, LineNumber};

/// The share of each period in which the output is on, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duty(u16);

impl Duty {
    /// Never on.
    pub const OFF: Self = Self(0);

    /// Always on.
    pub const FULL: Self = Self(10_000);

    /// This many ten-thousandths; more than all is all.
    pub const fn from_ten_thousandths(share: u16) -> Self {
        if share > Self::FULL.0 { Self::FULL } else { Self(share) }
    }

    /// In ten-thousandths, 0 to 10,000.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// The on-time within a period.
    pub fn of(self, period: Duration) -> Duration {
        period.mul_f64(f64::from(self.0) / f64::from(Self::FULL.0))
    }
}

/// What a PWM output needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwmRequest {
    /// The line.
    pub line: LineNumber,
    /// Which voltage is on.
    pub active: ActiveLevel,
    /// Length of one period: 20 ms for a servo, a millisecond or less for a lamp.
    pub period: Duration,
    /// The duty that it has from the first moment.
    pub initial: Duty,
}

/// A PWM output that was requested. Dropping it gives it back; what it does then is up to the kernel.
#[async_trait]
pub trait PwmOutput: Send {
    /// Sets the duty.
    ///
    /// # Errors
    /// When it cannot be set.
    async fn set(&mut self, duty: Duty) -> Result<(), LineError>;

    /// The duty that the hardware says it has.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read_back(&mut self) -> Result<Duty, LineError>;
}
