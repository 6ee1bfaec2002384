//! What every backend of the board must do, whatever it stands on. A backend passes by building a [`Bench`] and calling
//! [`all`]; a failure panics with what was expected.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_board::traits::{
    ActiveLevel, Board, Direction, InputRequest, Level, LineError, LineNumber, OutputRequest, Pin, Pull,
};
use gatehouse_model::Moment;

/// Longest time that anything here may take; the slowest machine that runs it is emulated.
const LIMIT: Duration = Duration::from_secs(10);

/// Edges of a burst that must not lose one.
const BURST: u32 = 40;

/// A board with something that drives one of its inputs from outside.
pub(crate) struct Bench {
    /// The board.
    pub(crate) board: Arc<dyn Board>,
    /// A line that `drive` drives; low until then.
    pub(crate) input: LineNumber,
    /// A line that nothing drives, which can be an output.
    pub(crate) output: LineNumber,
    /// A line number that the board does not have.
    pub(crate) missing: LineNumber,
    /// Sets the voltage of the input: high when true.
    pub(crate) drive: Box<dyn Fn(bool) + Send + Sync>,
    /// The voltage of the output as the world outside sees it, where that can be had: high when true.
    pub(crate) seen: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

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

/// All rules, each with its name as it passes.
pub(crate) async fn all(bench: &Bench, passed: impl Fn(&str)) {
    an_output_has_its_level_at_once(bench).await;
    passed("an output has its level at once");
    an_output_is_driven_and_read_back(bench).await;
    passed("an output is driven and read back");
    an_output_that_is_given_back_while_safe_stays_safe(bench).await;
    passed("an output that is given back while it is safe stays safe");
    a_line_has_one_owner_who_is_listed(bench);
    passed("a line has one owner, who is listed");
    a_missing_line_is_an_error(bench);
    passed("a missing line is an error");
    edges_arrive_in_order_with_their_time(bench).await;
    passed("edges arrive in order with their time");
    no_edge_of_a_burst_is_lost(bench).await;
    passed("no edge of a burst is lost");
    edges_that_wait_are_fetched_together(bench).await;
    passed("edges that wait are fetched together");
    listing_lines_disturbs_nobody(bench).await;
    passed("listing the lines disturbs nobody");
    an_active_low_input_is_on_when_low(bench).await;
    passed("an active-low input is on when low");
    waiting_for_an_edge_can_be_given_up(bench).await;
    passed("waiting for an edge can be given up");
}

/// Does what the limit allows; a backend that hangs is a backend that fails.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it answers in time")
}

fn assert_seen(bench: &Bench, is_high: bool, when: &str) {
    if let Some(seen) = &bench.seen {
        assert_eq!(seen(), is_high, "the voltage of the pin {when}");
    }
}

async fn an_output_has_its_level_at_once(bench: &Bench) {
    for initial in [Level::Active, Level::Inactive] {
        for active in [ActiveLevel::High, ActiveLevel::Low] {
            let mut line = bench.board.request_output(&output(bench, active, initial)).unwrap();
            let is_high = initial.is_on() == (active == ActiveLevel::High);
            assert_seen(bench, is_high, "right after the request");
            assert_eq!(within(line.read_back()).await, Ok(initial), "{active:?}");
        }
    }
}

async fn an_output_is_driven_and_read_back(bench: &Bench) {
    let request = output(bench, ActiveLevel::High, Level::Inactive);
    let mut line = bench.board.request_output(&request).unwrap();
    for level in [Level::Active, Level::Active, Level::Inactive] {
        within(line.set(level)).await.unwrap();
        assert_eq!(within(line.read_back()).await, Ok(level));
        assert_seen(bench, level.is_on(), "after it was set");
    }
}

/// Whether the kernel keeps it driven or leaves it to its pull.
async fn an_output_that_is_given_back_while_safe_stays_safe(bench: &Bench) {
    for (active, safe_is_high) in [(ActiveLevel::High, false), (ActiveLevel::Low, true)] {
        let mut line = bench.board.request_output(&output(bench, active, Level::Active)).unwrap();
        within(line.set(Level::Inactive)).await.unwrap();
        drop(line);
        assert_seen(bench, safe_is_high, "after it was given back");
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
    let request = OutputRequest { line: bench.missing, ..output(bench, ActiveLevel::High, Level::Inactive) };
    let error = bench.board.request_output(&request).err();
    assert_eq!(error, Some(LineError::NoSuchLine(Pin::from(bench.missing))));
}

async fn edges_arrive_in_order_with_their_time(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
    assert_eq!(within(line.level()).await, Ok(Level::Inactive));
    let mut before = Moment::default();
    for level in [Level::Active, Level::Inactive, Level::Active] {
        (bench.drive)(level.is_on());
        let edge = within(line.next_edge()).await.unwrap();
        assert_eq!((edge.level, edge.missed), (level, 0));
        assert!(edge.at >= before, "time stamps run forward");
        before = edge.at;
    }
    assert_eq!(within(line.level()).await, Ok(Level::Active));
}

async fn no_edge_of_a_burst_is_lost(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
    for number in 0..BURST {
        (bench.drive)(number % 2 == 0);
    }
    for number in 0..BURST {
        let edge = within(line.next_edge()).await.unwrap();
        assert_eq!((edge.level.is_on(), edge.missed), (number % 2 == 0, 0), "edge {number}");
    }
}

/// However many a backend hands out at once: none is lost, none comes twice, and what is in the list already stays.
async fn edges_that_wait_are_fetched_together(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
    for number in 0..BURST {
        (bench.drive)(number % 2 == 0);
    }
    let mut edges = Vec::new();
    while edges.len() < BURST as usize {
        let before = edges.len();
        within(line.next_edges(&mut edges)).await.unwrap();
        assert!(edges.len() > before, "it comes back with something");
    }
    assert_eq!(edges.len(), BURST as usize);
    for (number, edge) in edges.iter().enumerate() {
        assert_eq!((edge.level.is_on(), edge.missed), (number % 2 == 0, 0), "edge {number}");
    }
    assert!(edges.windows(2).all(|pair| pair[0].at <= pair[1].at), "time stamps run forward");
    let given_up = tokio::time::timeout(Duration::from_millis(5), line.next_edges(&mut edges)).await;
    assert!(given_up.is_err() && edges.len() == BURST as usize);
    (bench.drive)(true);
    within(line.next_edges(&mut edges)).await.unwrap();
    assert_eq!(edges.len(), BURST as usize + 1, "nothing was lost by giving up");
}

async fn listing_lines_disturbs_nobody(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
    let held = output(bench, ActiveLevel::High, Level::Active);
    let mut driven = bench.board.request_output(&held).unwrap();
    (bench.drive)(true);
    for _ in 0..3 {
        bench.board.lines().unwrap();
    }
    assert_eq!(within(line.next_edge()).await.unwrap().level, Level::Active);
    assert_eq!(within(driven.read_back()).await, Ok(Level::Active));
    assert_seen(bench, true, "after the lines were listed");
}

async fn an_active_low_input_is_on_when_low(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::Low)).unwrap();
    assert_eq!(within(line.level()).await, Ok(Level::Active));
    (bench.drive)(true);
    assert_eq!(within(line.next_edge()).await.unwrap().level, Level::Inactive);
}

async fn waiting_for_an_edge_can_be_given_up(bench: &Bench) {
    (bench.drive)(false);
    let mut line = bench.board.request_input(&input(bench, ActiveLevel::High)).unwrap();
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(5), line.next_edge()).await.is_err());
    }
    (bench.drive)(true);
    assert_eq!(within(line.next_edge()).await.unwrap().level, Level::Active);
}
