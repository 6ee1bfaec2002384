//! Lines that change without an edge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_board::config::{ActiveLevel, DeviceConfig, DriverConfig, InputConfig, LineNumber};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{
    Board, Edge, InputLine, InputRequest, Level, LineError, LineInfo, OutputLine, OutputRequest, SensorError,
    SensorSource,
};
use gatehouse_model::{DeviceId, Value};

use crate::harness::{House, MINUTE};

/// A board whose lines are read as they are, and whose controller never tells of a change.
#[derive(Debug)]
struct Silent(SimulatedBoard);

struct SilentInput(Box<dyn InputLine>);

#[async_trait]
impl InputLine for SilentInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        self.0.level().await
    }

    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        std::future::pending().await
    }
}

#[async_trait]
impl Board for Silent {
    fn name(&self) -> String {
        self.0.name()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        self.0.lines()
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        Ok(Box::new(SilentInput(self.0.request_input(request)?)))
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        self.0.request_output(request)
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.0.open_sensor(device)
    }
}

/// The pin controller of an emulated Raspberry Pi has levels and no interrupts. A door that opened there stayed shut on the
/// page until the daemon was started again, and so would one whose edge got lost anywhere else.
#[tokio::test(start_paused = true)]
async fn a_line_that_changes_without_an_edge_is_seen_within_two_seconds() {
    let mut config = InputConfig::at(LineNumber::new(4));
    config.active = ActiveLevel::High;
    let door = DeviceId::new("door").unwrap();
    let devices = vec![DeviceConfig::new(door.clone(), "Door", DriverConfig::Input(config))];
    let mut house = House::start(devices, |board| Arc::new(Silent(board)));
    assert_eq!(house.reading("door", "state").await.value, Value::Switch(false));
    for is_open in [true, false, true] {
        house.pass(MINUTE).await;
        let moved = house.clock.now();
        assert!(house.board.set_input(&door, is_open));
        let seen = house.reading("door", "state").await;
        assert_eq!(seen.value, Value::Switch(is_open));
        let took = Duration::from_millis(seen.at.saturating_since(moved).as_millis().try_into().unwrap());
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    house.stop().await.unwrap();
}
