//! The simulated board, for people who play with it.

use gatehouse_board::sim::{MOST_WARMTH, Mischief, SimulatedBoard, USUAL_QUARTER};
use gatehouse_dashboard::{DemoFault, DemoHouse, DemoProblem};
use gatehouse_model::DeviceId;

/// The dashboard's demonstration house on top of the simulated board.
pub(crate) struct Playground(pub(crate) SimulatedBoard);

impl DemoHouse for Playground {
    fn set_fault(&self, device: &DeviceId, fault: Option<DemoFault>) -> Result<(), DemoProblem> {
        let mischief = fault.map(|fault| match fault {
            DemoFault::Vanished => Mischief::Vanished,
            DemoFault::StuckBus => Mischief::StuckBus,
            DemoFault::Damaged => Mischief::Damaged,
            DemoFault::WrongChip => Mischief::WrongChip,
            DemoFault::Slow(time) => Mischief::Slow(time),
            DemoFault::StuckPin => Mischief::StuckPin,
        });
        self.0.set_mischief(device, mischief).map_err(|problem| {
            let mut sentence = problem.to_string();
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            DemoProblem(sentence + ".")
        })
    }

    fn set_input(&self, device: &DeviceId, on: bool) -> Result<(), DemoProblem> {
        if self.0.set_input(device, on) {
            return Ok(());
        }
        Err(DemoProblem(format!("`{device}` is no input: this is for contacts, motion sensors and buttons.")))
    }

    fn warm(&self, thermometer: &str, degrees: f64) -> Result<(), DemoProblem> {
        if self.0.warm(thermometer, degrees) {
            return Ok(());
        }
        Err(DemoProblem(format!(
            "`{thermometer}` is no thermometer on 1-Wire, or this is more than {MOST_WARMTH} degrees."
        )))
    }

    fn turn(&self, device: &DeviceId, detents: i32) -> Result<(), DemoProblem> {
        if self.0.turn(device, detents, USUAL_QUARTER) {
            return Ok(());
        }
        Err(DemoProblem(format!("`{device}` is no knob: only rotary encoders can be turned.")))
    }
}
