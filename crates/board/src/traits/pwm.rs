//! Outputs with a level between off and on.

use std::time::Duration;

use async_trait::async_trait;
pub use gatehouse_control::Duty;

use super::lines::{ActiveLevel, LineError, LineNumber};

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
