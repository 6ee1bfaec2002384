//! A machine without pins: a laptop or a server, which still has its own sensors.

use async_trait::async_trait;

use super::HostPlaces;
use crate::config::DeviceConfig;
use crate::traits::{
    Board, InputLine, InputRequest, LineError, LineInfo, OutputLine, OutputRequest, SensorError, SensorSource,
};

/// This machine as a board that has no lines.
#[derive(Clone, Debug)]
pub struct BareMachine {
    name: String,
}

impl BareMachine {
    /// The machine that is found at these places.
    pub fn new(places: &HostPlaces) -> Self {
        Self { name: places.board_name() }
    }

    fn no_lines(&self) -> LineError {
        LineError::NoLines(self.name.clone())
    }
}

#[async_trait]
impl Board for BareMachine {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_simulated(&self) -> bool {
        false
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        Err(self.no_lines())
    }

    fn request_input(&self, _: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        Err(self.no_lines())
    }

    fn request_output(&self, _: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        Err(self.no_lines())
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        Err(SensorError::NotOnThisBoard {
            driver: device.driver.word(),
            needs: "the simulated board: start with --demo",
        })
    }
}
