//! A simulated board: a small believable house, repeatable by its seed.

mod board;
pub mod chips;
mod day;
mod edges;
mod house;
mod life;
mod lines;
mod plan;
mod script;
mod wired;

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_model::{DeviceId, PropertyId};

use crate::config::{
    ActiveLevel, DeviceConfig, DriverConfig, HostConfig, InputConfig, LineNumber, OutputConfig, ReportConfig,
    SimulatedClimateConfig,
};

pub use board::SimulatedBoard;
pub use house::{Climate, House};

/// How often the sensors of the demonstration house are read: often enough to watch.
const DEMO_PERIOD: Duration = Duration::from_secs(5);

/// Shortest off-time of the demonstration heater: it shows that there is one, and people can still play.
const DEMO_MIN_OFF: Duration = Duration::from_secs(3);

/// The devices of the demonstration house. Their ids are stable: tests and the documentation name them.
pub fn demo_house() -> Vec<DeviceConfig> {
    let climate = || DriverConfig::SimulatedClimate(SimulatedClimateConfig { every: DEMO_PERIOD });
    let input = |line, active, class: &str| {
        let pin = LineNumber::new(line);
        DriverConfig::Input(InputConfig { active, class: Some(class.to_owned()), ..InputConfig::at(pin) })
    };
    let heater = OutputConfig {
        min_off: DEMO_MIN_OFF,
        class: Some("heat".to_owned()),
        ..OutputConfig::at(LineNumber::new(22))
    };
    let light = OutputConfig {
        max_on: Some(Duration::from_secs(12 * 3600)),
        class: Some("light".to_owned()),
        ..OutputConfig::at(LineNumber::new(23))
    };
    let host = DriverConfig::Host(HostConfig { every: DEMO_PERIOD });
    vec![
        DeviceConfig::new(demo_id("living-room"), "Living room climate", climate()).in_room("Living room"),
        DeviceConfig::new(demo_id("heater"), "Heater", DriverConfig::Output(heater)).in_room("Living room"),
        DeviceConfig::new(demo_id("kitchen"), "Kitchen climate", climate()).in_room("Kitchen"),
        DeviceConfig::new(demo_id("bedroom"), "Bedroom climate", climate()).in_room("Bedroom"),
        DeviceConfig::new(demo_id("front-door"), "Front door", input(17, ActiveLevel::Low, "door"))
            .in_room("Hall"),
        DeviceConfig::new(demo_id("hall-motion"), "Motion", input(27, ActiveLevel::High, "motion"))
            .in_room("Hall"),
        DeviceConfig::new(demo_id("hall-light"), "Light", DriverConfig::Output(light)).in_room("Hall"),
        DeviceConfig {
            report: slow_figures(),
            ..DeviceConfig::new(demo_id("this-machine"), "This machine", host)
        },
    ]
}

/// Figures of the machine that crawl: they are told when they have moved, or every ten minutes.
fn slow_figures() -> BTreeMap<PropertyId, ReportConfig> {
    let at_least_every = Some(Duration::from_secs(600));
    [("uptime", 60.0), ("disk", 0.1), ("disk-free", 0.05)]
        .into_iter()
        .filter_map(|(word, delta)| {
            Some((PropertyId::new(word).ok()?, ReportConfig { delta, at_least_every, at_most_every: None }))
        })
        .collect()
}

#[expect(
    clippy::expect_used,
    reason = "the ids of the demonstration house are fixed words, and a test makes them all"
)]
fn demo_id(word: &str) -> DeviceId {
    DeviceId::new(word).expect("a fixed word")
}
