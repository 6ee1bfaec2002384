//! Buttons, meters, knobs and echoes on the simulated board.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_board::config::{
    ClickConfig, CounterConfig, DeviceConfig, DriverConfig, EncoderConfig, InputConfig, LineNumber,
    UltrasonicConfig,
};
use gatehouse_board::memory::Memory;
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{Board, InputRequest};
use gatehouse_control::{Click, Metered, PulseCounter};
use gatehouse_model::{DeviceId, ManualClock, PropertyId, Qos, Quality, Timestamp, Value};

mod silent;

use crate::harness::{House, MINUTE};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn device(word: &str, driver: DriverConfig) -> DeviceConfig {
    DeviceConfig::new(id(word), word, driver)
}

fn input(word: &str, line: u32, change: impl FnOnce(&mut InputConfig)) -> DeviceConfig {
    let mut config = InputConfig::at(LineNumber::new(line));
    change(&mut config);
    device(word, DriverConfig::Input(config))
}

fn counter(word: &str, line: u32, change: impl FnOnce(&mut CounterConfig)) -> DeviceConfig {
    let mut config = CounterConfig::at(LineNumber::new(line));
    config.every = millis(1_000);
    change(&mut config);
    device(word, DriverConfig::Counter(config))
}

fn volatile() -> Memory {
    Memory::volatile(Arc::new(ManualClock::new(Timestamp::from_millis(0))))
}

#[tokio::test(start_paused = true)]
async fn a_double_click_is_an_event_and_never_retained() {
    let clicks = ClickConfig::of(vec![Click::Single, Click::Double, Click::Long]);
    let mut house = House::of(vec![input("button", 4, |input| input.clicks = Some(clicks))]);
    house.payload("home/button/availability", "online").await;
    let button = id("button");
    let press = |at: u64, length: u64| [(millis(at), true), (millis(at + length), false)];
    house.board.play(&button, &[press(0, 90), press(200, 80)].concat());
    let event = house.message("home/button/event").await;
    assert_eq!(
        (&event.payload[..], event.qos, event.retain),
        (&br#"{"event_type":"double"}"#[..], Qos::AtLeastOnce, false)
    );
    house.board.play(&button, &press(0, 90));
    house.payload("home/button/event", r#"{"event_type":"single"}"#).await;
    house.board.play(&button, &press(0, 2_000));
    house.payload("home/button/event", r#"{"event_type":"long"}"#).await;
    house.pass(MINUTE).await;
    // The release behind the long press was not asked for.
    assert_eq!(house.latest("home/button/event").as_deref(), Some(r#"{"event_type":"long"}"#));
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn motion_ends_when_nobody_moved_for_long() {
    let mut house = House::of(vec![input("hall", 4, |input| {
        input.class = Some("motion".to_owned());
        input.delayed_off = millis(30_000);
    })]);
    assert_eq!(house.reading("hall", "motion").await.value, Value::Switch(false));
    let changes = [(0, true), (5, false), (20, true), (25, false)];
    house.board.play(&id("hall"), &changes.map(|(second, on)| (millis(second * 1_000), on)));
    let began = house.reading("hall", "motion").await;
    let ended = house.reading("hall", "motion").await;
    assert_eq!((began.value, ended.value), (Value::Switch(true), Value::Switch(false)));
    let lasted = ended.at.saturating_since(began.at);
    assert!((54_900..=55_100).contains(&lasted.as_millis()), "{lasted:?}");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_input_that_floats_changes_nothing_and_ends_where_its_line_is() {
    let mut house = House::of(vec![input("loose", 4, |input| input.debounce = millis(50))]);
    house.reading("loose", "state").await;
    house.board.float(&id("loose"), 5_001);
    house.pass(MINUTE).await;
    // The last of an odd number of edges leaves it on; the pauses between them are never as long as the debouncing.
    assert_eq!(house.readings_so_far("loose", "state"), [Value::Switch(false), Value::Switch(true)]);
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_water_meter_counts_in_its_own_unit_and_falls_silent_honestly() {
    let mut house = House::of(vec![counter("water", 4, |counter| {
        (counter.unit, counter.per_pulse, counter.zero_after) = (Metered::Litres, 0.5, MINUTE);
    })]);
    assert_eq!(house.number("water", "total").await, 0.0);
    // Ten pulses, one every two seconds: 15 litres a minute.
    house.board.pulse(&id("water"), 20, millis(1_000));
    house.payload("home/water/flow", "15").await;
    house.pass(millis(20_000)).await;
    assert_eq!(house.latest("home/water/total").as_deref(), Some("5"));
    house.pass(2 * MINUTE).await;
    assert_eq!(house.latest("home/water/flow").as_deref(), Some("0"));
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_total_goes_on_after_a_restart_and_follows_a_new_reading_once() {
    let meter = |reading| {
        vec![counter("meter", 4, |counter| {
            (counter.unit, counter.per_pulse, counter.reading) = (Metered::KilowattHours, 0.001, reading);
        })]
    };
    let memory = volatile();
    let mut house = House::that_remembers(meter(Some(1_234.5)), memory.clone());
    assert_eq!(house.number("meter", "total").await, 1_234.5);
    house.board.pulse(&id("meter"), 14, millis(100));
    house.payload("home/meter/total", "1234.507").await;
    house.stop().await.unwrap();
    assert_eq!(memory.total(&id("meter"), &PropertyId::new("total").unwrap()), Some(1_234_507));

    let mut house = House::that_remembers(meter(Some(1_234.5)), memory.clone());
    assert_eq!(house.number("meter", "total").await, 1_234.507, "the reading was taken already");
    house.stop().await.unwrap();

    let mut house = House::that_remembers(meter(Some(2_000.0)), memory);
    assert_eq!(house.number("meter", "total").await, 2_000.0);
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_until_the_end_is_in_the_last_total() {
    let memory = volatile();
    let mut house = House::that_remembers(vec![counter("meter", 4, |_| {})], memory.clone());
    assert_eq!(house.number("meter", "total").await, 0.0);
    house.board.pulse(&id("meter"), 6, millis(10));
    house.pass_without_taking(millis(100)).await;
    house.stop().await.unwrap();
    assert_eq!(house.latest("home/meter/total").as_deref(), Some("3"));
}

/// The promise of the issue: a thousand edges a second on each of eight lines.
#[tokio::test(start_paused = true)]
async fn eight_lines_with_a_thousand_edges_a_second_lose_nothing() {
    const EDGES: u64 = 4_000;
    let word = |line: u32| format!("meter-{line}");
    let devices = (4..12).map(|line| counter(&word(line), line, |counter| counter.debounce = Duration::ZERO));
    let mut house = House::of(devices.collect());
    for line in 4..12 {
        assert_eq!(house.number(&word(line), "total").await, 0.0);
    }
    for line in 4..12 {
        house.board.pulse(&id(&word(line)), EDGES, millis(1));
    }
    for line in 4..12 {
        house.payload(&format!("home/meter-{line}/total"), &(EDGES / 2).to_string()).await;
    }
    house.stop().await.unwrap();
}

/// A reader that comes seconds late finds the newest edges, learns how many are missing, and counts all of them.
#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_late_counts_every_pulse() {
    let devices = [counter("meter", 4, |_| {})];
    let clock = crate::harness::paused_clock();
    let board = SimulatedBoard::still(&devices, 1, clock.clone());
    let config = CounterConfig::at(LineNumber::new(4));
    let request = InputRequest {
        line: LineNumber::new(4),
        pull: config.pull,
        active: config.active,
        consumer: "test".to_owned(),
    };
    let mut line = board.request_input(&request).unwrap();
    let mut counter = PulseCounter::new(0, line.level().await.unwrap().is_on(), Duration::ZERO);
    for (edges, wait) in [(5_000, 6_000), (3, 10), (2_001, 3_000), (1_024, 1_100)] {
        board.pulse(&id("meter"), edges, millis(1));
        tokio::time::sleep(millis(wait)).await;
        line.level().await.unwrap();
    }
    let (mut taken, mut missed) = (Vec::new(), 0);
    line.next_edges(&mut taken).await.unwrap();
    for edge in &taken {
        missed += u64::from(edge.missed);
        counter.handle_edge(edge.level.is_on(), edge.at, edge.missed);
    }
    assert_eq!(taken.len() as u64 + missed, 5_000 + 3 + 2_001 + 1_024);
    assert!(missed > 5_000, "{missed} edges did not fit");
    assert_eq!((counter.total(), counter.uncertain()), (4_014, 0));
}

#[tokio::test(start_paused = true)]
async fn a_knob_turns_forth_and_back() {
    let config = EncoderConfig::at(LineNumber::new(4), LineNumber::new(5));
    let mut house = House::of(vec![device("knob", DriverConfig::Encoder(config))]);
    assert_eq!(house.number("knob", "position").await, 0.0);
    house.board.turn(&id("knob"), 5, millis(2));
    house.payload("home/knob/position", "5").await;
    house.payload("home/knob/event", r#"{"event_type":"clockwise"}"#).await;
    house.board.turn(&id("knob"), -7, millis(2));
    house.payload("home/knob/position", "-2").await;
    house.payload("home/knob/event", r#"{"event_type":"counterclockwise"}"#).await;
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_echo_is_a_distance_and_none_is_a_fault() {
    let config = UltrasonicConfig::at(LineNumber::new(4), LineNumber::new(5));
    let mut house = House::of(vec![device("tank", DriverConfig::Ultrasonic(config))]);
    house.board.set_distance(&id("tank"), Some(1.234));
    let reading = house.reading("tank", "distance").await;
    assert_eq!((reading.value, reading.quality), (Value::Number(123.4), Quality::Simulated));
    house.board.set_distance(&id("tank"), None);
    house.payload("home/tank/availability", "offline").await;
    let fault = house.fault("tank").unwrap();
    assert!(fault.contains("nothing reflects within 4 m"), "{fault}");
    house.board.set_distance(&id("tank"), Some(0.5));
    house.payload("home/tank/distance", "50").await;
    house.payload("home/tank/availability", "online").await;
    house.stop().await.unwrap();
}
