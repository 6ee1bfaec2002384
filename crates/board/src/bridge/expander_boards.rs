//! What only some expanders have: a board of relays, and one on SPI.

use super::*;
use crate::catalogue::SettingValue;

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

/// Nobody acknowledges on SPI: that a board is not there is known by what cannot be read back.
#[tokio::test]
async fn a_board_on_spi_that_is_not_there_is_no_board_whose_lines_are_high_or_low() {
    for fault in [Fault::Vanished, Fault::ReadsAs(0x00), Fault::ReadsAs(0xFF)] {
        let bench = bench("mcp23s17");
        bench.board.set_chip_fault(&id(), Some(fault));
        let mut relay = bench.output(0, ActiveLevel::High, Level::Inactive).unwrap();
        let error = relay.read_back().await.unwrap_err().to_string();
        assert!(error.contains("chip select"), "{fault:?}: {error}");
        let error = bench.input(8).await.level().await.unwrap_err().to_string();
        assert!(error.contains("chip select"), "{fault:?}: {error}");
        bench.board.set_chip_fault(&id(), None);
        assert_eq!(relay.read_back().await, Ok(Level::Inactive), "{fault:?}");
    }
}

/// Its number counts only once it was told to listen to it, and other software may have told it before.
#[tokio::test]
async fn a_board_with_a_number_is_found_before_and_after_it_was_told_to_listen_to_it() {
    let bench = bench_of("mcp23s17", false, |settings| settings.set("board", SettingValue::Word("3")));
    let mut relay = bench.output(1, ActiveLevel::High, Level::Active).unwrap();
    assert_eq!(relay.read_back().await, Ok(Level::Active));
    bench.cut_power();
    assert!(!bench.is_high(1));
    bench.expander().check().await.unwrap();
    assert!(bench.is_high(1));
    // Another gateway finds it listening already.
    let board: Arc<dyn Board> = Arc::new(bench.board.clone());
    let lines = Lines::new(board.clone(), Arc::new(ManualClock::new(Timestamp::from_millis(0))));
    lines.follow_expanders(&bench.devices, &Arc::new(Buses::new(board)), &BTreeSet::new());
    let mut again = lines.request_output(&pin(1), ActiveLevel::High, Level::Active, Level::Inactive).unwrap();
    assert_eq!(again.read_back().await, Ok(Level::Active));
}
