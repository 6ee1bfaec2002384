//! Fault storms: the whole bridge on the simulated board, in simulated hours, days and weeks of everything that can go
//! wrong, with an observer at the pins and another one with thermometers.
//!
//! A short fixed run is always made. `GATEHOUSE_STORM=DAYS` makes a long one, and `GATEHOUSE_STORM_SEED=N` repeats one
//! schedule.

#![cfg(test)]

mod clock;
mod figures;
mod judge;
mod observer;
mod pins;
mod pool;
mod weather;

use std::time::Duration;

use figures::Figures;
use weather::Storm;

/// Schedules of the run that is always made, and how long each is.
const SHORT_SCHEDULES: u64 = 6;
const SHORT_LENGTH: Duration = Duration::from_secs(2 * 3_600);

/// Length of one schedule of a long run.
const LONG_LENGTH: Duration = Duration::from_secs(24 * 3_600);

fn weather_of(seed: u64, length: Duration) -> Figures {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(async {
        let mut storm = Storm::begin(seed);
        storm.rage(length).await;
        storm.end().await
    });
    assert!(
        outcome.violations.is_empty(),
        "schedule {seed}: {} violations:\n{}\nlast happenings:\n{}",
        outcome.violations.len(),
        outcome.violations.join("\n"),
        outcome.log.join("\n")
    );
    outcome.figures
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_storm_makes_an_output_unsafe_or_a_value_up() {
    if let Some(seed) = environment("GATEHOUSE_STORM_SEED") {
        let length = environment("GATEHOUSE_STORM").map_or(SHORT_LENGTH, |_| LONG_LENGTH);
        println!("{:?}", weather_of(seed, length));
        return;
    }
    let (schedules, length) = match environment("GATEHOUSE_STORM") {
        Some(days) => (days, LONG_LENGTH),
        None => (SHORT_SCHEDULES, SHORT_LENGTH),
    };
    let mut all = Figures::default();
    for seed in 0..schedules {
        all += weather_of(seed, length);
    }
    println!("{schedules} schedules: {all:?}");
    assert!(
        all.went_away > 100 && all.readings > 1_000 && all.counted > all.pulses / 2 && all.pulses > 100,
        "a storm in which nothing happens shows nothing: {all:?}"
    );
}
