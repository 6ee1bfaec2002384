//! The simulated board keeps the contract of all boards.

#[cfg(test)]
#[path = "contract/rules.rs"]
mod rules;

use std::sync::Arc;

use gatehouse_board::config::{DeviceConfig, DriverConfig, InputConfig};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{ActiveLevel, Board as _, LineNumber};
use gatehouse_model::{Clock, DeviceId, Moment, Timestamp};
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod clock {
    use super::*;

    /// Follows tokio's clock, which stands still while a test works.
    #[derive(Debug)]
    pub(super) struct PausedClock(pub(super) tokio::time::Instant);

    impl Clock for PausedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap())
        }

        fn moment(&self) -> Moment {
            Moment::from_start(self.0.elapsed())
        }
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the clock of this test follows tokio's, which is paused")]
async fn the_simulated_board_keeps_the_contract() {
    let (line, sensor) = (LineNumber::new(4), DeviceId::new("switch").unwrap());
    let config = InputConfig { active: ActiveLevel::High, ..InputConfig::at(line) };
    let devices = [DeviceConfig::new(sensor.clone(), "Switch", DriverConfig::Input(config))];
    let clock = Arc::new(clock::PausedClock(tokio::time::Instant::now()));
    let board = SimulatedBoard::still(&devices, 1, clock);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (board, shutdown) = (board.clone(), shutdown.clone());
        async move { board.run(shutdown).await }
    });
    let drive = {
        let board = board.clone();
        move |high| {
            board.set_input(&sensor, high);
        }
    };
    let bench = rules::Bench {
        board: Arc::new(board),
        input: line,
        output: LineNumber::new(5),
        missing: LineNumber::new(28),
        drive: Box::new(drive),
        seen: None,
    };
    rules::all(&bench, |_| ()).await;
    shutdown.cancel();
    running.await.unwrap();
}
