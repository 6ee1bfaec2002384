//! What every backend of the board must do. A backend passes by building a [`Bench`] and calling [`contract::all`].

use std::sync::Arc;
use std::time::Duration;

use gatehouse_board::config::{DeviceConfig, DriverConfig, InputConfig};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{ActiveLevel, Board, LineNumber, Pull};
use gatehouse_model::{Clock, DeviceId, Moment, Timestamp};
use tokio_util::sync::CancellationToken;

/// A board with something that drives one of its inputs from outside.
struct Bench {
    board: Arc<dyn Board>,
    /// A line that `drive` drives; low until then.
    input: LineNumber,
    /// A line that nothing drives, which can be an output.
    output: LineNumber,
    /// A line number that the board does not have.
    missing: LineNumber,
    /// Sets the voltage of the input: high when true.
    drive: Box<dyn Fn(bool) + Send + Sync>,
}

#[cfg(test)]
mod contract {
    use super::*;
    use gatehouse_board::traits::{Direction, InputRequest, Level, LineError, OutputRequest};

    fn input(bench: &Bench, active: ActiveLevel) -> InputRequest {
        InputRequest { line: bench.input, pull: Pull::None, active, consumer: "gatehouse input".to_owned() }
    }

    fn output(bench: &Bench, active: ActiveLevel, initial: Level) -> OutputRequest {
        OutputRequest {
            line: bench.output,
            active,
            initial,
            safe: Level::Inactive,
            consumer: "gatehouse output".to_owned(),
        }
    }

    pub(super) async fn all(bench: &Bench) {
        an_output_has_its_level_at_once(bench).await;
        an_output_is_driven_and_read_back(bench).await;
        a_line_has_one_owner_who_is_listed(bench);
        a_missing_line_is_an_error(bench);
        edges_arrive_in_order_with_their_time(bench).await;
        an_active_low_input_is_on_when_low(bench).await;
        waiting_for_an_edge_can_be_given_up(bench).await;
    }

    async fn an_output_has_its_level_at_once(bench: &Bench) {
        for initial in [Level::Active, Level::Inactive] {
            for active in [ActiveLevel::High, ActiveLevel::Low] {
                let mut line = bench.board.request_output(&output(bench, active, initial)).unwrap();
                assert_eq!(line.read_back().await, Ok(initial), "{active:?}");
            }
        }
    }

    async fn an_output_is_driven_and_read_back(bench: &Bench) {
        let request = output(bench, ActiveLevel::High, Level::Inactive);
        let mut line = bench.board.request_output(&request).unwrap();
        for level in [Level::Active, Level::Active, Level::Inactive] {
            line.set(level).await.unwrap();
            assert_eq!(line.read_back().await, Ok(level));
        }
    }

    fn a_line_has_one_owner_who_is_listed(bench: &Bench) {
        let owner = || {
            let lines = bench.board.lines().unwrap();
            let line = lines.into_iter().find(|line| line.line == bench.output).unwrap();
            (line.consumer, line.direction)
        };
        let request = output(bench, ActiveLevel::High, Level::Inactive);
        let held = bench.board.request_output(&request).unwrap();
        assert_eq!(owner(), (Some("gatehouse output".to_owned()), Direction::Output));
        assert!(matches!(bench.board.request_output(&request), Err(LineError::Busy { .. })));
        let as_input = InputRequest { line: bench.output, ..input(bench, ActiveLevel::High) };
        assert!(matches!(bench.board.request_input(&as_input), Err(LineError::Busy { .. })));
        drop(held);
        assert_eq!(owner().0, None);
        drop(bench.board.request_output(&request).unwrap());
    }

    fn a_missing_line_is_an_error(bench: &Bench) {
        let request =
            OutputRequest { line: bench.missing, ..output(bench, ActiveLevel::High, Level::Inactive) };
        assert_eq!(
            bench.board.request_output(&request).err(),
            Some(LineError::NoSuchLine(bench.missing.into()))
        );
    }

    async fn edges_arrive_in_order_with_their_time(bench: &Bench) {
        (bench.drive)(false);
        let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
        assert_eq!(line.level().await, Ok(Level::Inactive));
        let mut before = Moment::default();
        for level in [Level::Active, Level::Inactive, Level::Active] {
            (bench.drive)(level.is_on());
            let edge = line.next_edge().await.unwrap();
            assert_eq!((edge.level, edge.missed), (level, 0));
            assert!(edge.at >= before, "time stamps run forward");
            before = edge.at;
        }
        assert_eq!(line.level().await, Ok(Level::Active));
    }

    async fn an_active_low_input_is_on_when_low(bench: &Bench) {
        (bench.drive)(false);
        let mut line = bench.board.request_input(&input(bench, ActiveLevel::Low)).unwrap();
        assert_eq!(line.level().await, Ok(Level::Active));
        (bench.drive)(true);
        assert_eq!(line.next_edge().await.unwrap().level, Level::Inactive);
    }

    async fn waiting_for_an_edge_can_be_given_up(bench: &Bench) {
        (bench.drive)(false);
        let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(5), line.next_edge()).await.is_err());
        }
        (bench.drive)(true);
        assert_eq!(line.next_edge().await.unwrap().level, Level::Active);
    }
}

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
        move |high| board.set_input(&sensor, high)
    };
    let bench = Bench {
        board: Arc::new(board),
        input: line,
        output: LineNumber::new(5),
        missing: LineNumber::new(28),
        drive: Box::new(drive),
    };
    contract::all(&bench).await;
    shutdown.cancel();
    running.await.unwrap();
}
