//! What can go wrong in a simulated house when somebody wants to see what happens then.

use std::time::Duration;

use gatehouse_model::DeviceId;

use super::board::SimulatedBoard;
use super::chips::Fault;
use crate::catalogue;

/// Longest time that a chip takes for a transfer at [`Mischief::Slow`]: well beyond what a bus waits for.
pub const MAX_SLOWNESS: Duration = Duration::from_secs(10);

/// Certainty of a recognition from which on a chip has an identity that can be wrong.
const HAS_IDENTITY: u8 = 90;

/// What is the matter with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A sensor is unplugged.
    Vanished,
    /// A chip holds its bus, and with it all others there, until this is over.
    StuckBus,
    /// What it sends arrives with a wrong bit. A chip with a checksum notices, others do not.
    Damaged,
    /// Another chip answers at its address.
    WrongChip,
    /// Each of its transfers takes so long, at most [`MAX_SLOWNESS`].
    Slow(Duration),
    /// Its pin keeps the voltage that it has.
    StuckPin,
}

/// Why a device cannot have a mischief.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMischief {
    /// It is nothing that this can happen to.
    #[error("this cannot happen to `{device}`: it is for {what}")]
    NotThere {
        /// The device.
        device: DeviceId,
        /// What it is for.
        what: &'static str,
    },
    /// Too slow.
    #[error("a chip may be slow for at most {} ms", MAX_SLOWNESS.as_millis())]
    TooSlow,
}

impl SimulatedBoard {
    /// Lets something go wrong with a device, after all that went wrong with it before was put right. Nothing only puts
    /// it right.
    ///
    /// # Errors
    /// When it cannot have this one; then nothing is wrong with it.
    pub fn set_mischief(&self, device: &DeviceId, mischief: Option<Mischief>) -> Result<(), NoMischief> {
        self.set_failure(device, None);
        self.set_stuck(device, false);
        self.set_damaged(device, false);
        let Some(mischief) = mischief else { return Ok(()) };
        let (could, what) = match mischief {
            Mischief::Vanished => {
                let is_sensor = self.is_sensor(device);
                if is_sensor {
                    self.set_failure(device, Some("it does not answer"));
                }
                (is_sensor, "sensors of the simulated house on I²C or of the kernel")
            }
            Mischief::StuckBus => (self.set_chip_fault(device, Some(Fault::StuckForGood)), "chips on I²C"),
            Mischief::Damaged => (
                self.set_damaged(device, true) || self.set_chip_fault(device, Some(Fault::FlipsBit)),
                "chips on I²C and 1-Wire thermometers",
            ),
            Mischief::WrongChip => (
                self.has_identity(device) && self.set_chip_fault(device, Some(Fault::ReadsAs(0xFF))),
                "chips on I²C that can tell what they are",
            ),
            Mischief::Slow(time) if time > MAX_SLOWNESS => return Err(NoMischief::TooSlow),
            Mischief::Slow(time) => (self.set_chip_fault(device, Some(Fault::Slow(time))), "chips on I²C"),
            Mischief::StuckPin => (self.set_stuck(device, true), "inputs and outputs at a pin of the header"),
        };
        if could { Ok(()) } else { Err(NoMischief::NotThere { device: device.clone(), what }) }
    }

    fn has_identity(&self, device: &DeviceId) -> bool {
        let word = self.shared.world().plan.chip(device).map(|chip| chip.word);
        let entry = word.and_then(catalogue::find);
        entry.is_some_and(|entry| entry.recognition.iter().any(|way| way.certainty >= HAS_IDENTITY))
    }

    fn set_damaged(&self, device: &DeviceId, is_damaged: bool) -> bool {
        let is_probe = self.probes.set_damaged(device, is_damaged);
        self.write_probes();
        is_probe
    }

    /// Whether it measures something that the board simulates, so that it can be unplugged.
    fn is_sensor(&self, device: &DeviceId) -> bool {
        let is_climate = self.shared.world().plan.is_climate(device);
        is_climate || self.probes.has(device) || self.wired.is_on_i2c(device)
    }
}
