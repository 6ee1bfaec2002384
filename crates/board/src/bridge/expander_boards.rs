//! Expanders that are no I²C chips with sixteen lines: a board of relays.

use super::*;

#[tokio::test]
async fn relays_of_a_board_do_what_they_are_told_and_come_back_as_they_are_wanted() {
    let bench = bench("dockerpi-relay");
    let mut heater = bench.output(0, ActiveLevel::High, Level::Inactive).unwrap();
    let mut pump = bench.output(3, ActiveLevel::High, Level::Active).unwrap();
    assert_eq!(heater.read_back().await, Ok(Level::Inactive));
    assert_eq!(pump.read_back().await, Ok(Level::Active));
    assert!(!bench.is_high(0) && bench.is_high(3));
    heater.set(Level::Active).await.unwrap();
    assert_eq!(heater.read_back().await, Ok(Level::Active));
    assert!(bench.output(4, ActiveLevel::High, Level::Inactive).is_err(), "it has four relays");

    bench.cut_power();
    assert!(!bench.is_high(0) && !bench.is_high(3));
    bench.expander().check().await.unwrap();
    assert!(bench.is_high(0) && bench.is_high(3), "the cut was found");

    bench.board.set_chip_fault(&id(), Some(Fault::Vanished));
    assert!(heater.set(Level::Inactive).await.is_err());
    bench.board.set_chip_fault(&id(), None);
    bench.expander().check().await.unwrap();
    assert!(!bench.is_high(0) && bench.is_high(3), "what was wanted while it was away is done");
}

/// The gateway starts again: what is on stays on until it is told something else.
#[tokio::test]
async fn opening_a_board_of_relays_switches_nothing() {
    let bench = bench("dockerpi-relay");
    let mut pump = bench.output(1, ActiveLevel::High, Level::Active).unwrap();
    pump.read_back().await.unwrap();
    bench.board.with_chip(&id(), |chip| chip.note_lines()).unwrap();
    let board: Arc<dyn Board> = Arc::new(bench.board.clone());
    let lines = Lines::new(board.clone(), Arc::new(ManualClock::new(Timestamp::from_millis(0))));
    lines.follow_expanders(&bench.devices, &Arc::new(Buses::new(board)), &BTreeSet::new());
    let mut other =
        lines.request_output(&pin(2), ActiveLevel::High, Level::Inactive, Level::Inactive).unwrap();
    other.read_back().await.unwrap();
    let noted = bench.board.with_chip(&id(), |chip| chip.noted_lines()).unwrap();
    assert!(noted.iter().all(|levels| *levels == 0b0010), "{noted:?}");
}

#[tokio::test]
async fn a_relay_is_no_input() {
    let bench = bench("dockerpi-relay");
    let mut relay = bench.output(0, ActiveLevel::High, Level::Active).unwrap();
    let error = bench.input(1).await.level().await.unwrap_err().to_string();
    assert!(error.contains("outputs only"), "{error}");
    assert_eq!(relay.read_back().await, Ok(Level::Active));
}
