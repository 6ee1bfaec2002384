//! Somebody with a good thermometer in every room, who reads all that is published.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_board::config::{DeviceConfig, DriverConfig, SimulatedClimateConfig};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{Board, SensorSource};
use gatehouse_model::{DeviceId, Message, Quality, Scheme, Value};

use crate::clock::StormClock;
use crate::pool;

/// How far back the thermometer's numbers are kept, at least: longer than anything may wait on its way.
const KEPT: Duration = Duration::from_secs(1_800);

/// How often the thermometer is read.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// How long before it is published a number may have been measured, beside the time for which nobody took messages.
const FRESH: Duration = Duration::from_secs(30);

/// How far a number may be beside what the thermometer showed at about that time, by property: the noise of both, what
/// the coarsest chip (half a degree) rounds, and the air between two looks.
const BESIDE: [(&str, f64); 2] = [("temperature", 0.7), ("humidity", 3.0)];

/// A room's numbers by time.
struct Room {
    probe: Box<dyn SensorSource>,
    numbers: VecDeque<(Duration, BTreeMap<String, f64>)>,
}

/// Judges readings.
pub(crate) struct Judge {
    scheme: Scheme,
    clock: Arc<StormClock>,
    rooms: BTreeMap<String, Room>,
    room_of: BTreeMap<String, String>,
    probed: Duration,
    /// When the outbox was stalled last, and until when.
    pub(crate) stalled: Option<(Duration, Duration)>,
    pub(crate) violations: Vec<String>,
    pub(crate) readings: u64,
    pub(crate) doubtful: u64,
    /// Pulses that the meter has given, or is about to give.
    pub(crate) pulses: u64,
    /// The total that was told last.
    pub(crate) total: f64,
    /// The newest of each topic.
    pub(crate) latest: BTreeMap<String, Message>,
}

impl Judge {
    pub(crate) fn new(board: &SimulatedBoard, devices: &[DeviceConfig], clock: Arc<StormClock>) -> Self {
        let (mut rooms, mut room_of) = (BTreeMap::new(), BTreeMap::new());
        for device in devices.iter().filter(|device| pool::is_sensor(device)) {
            let Some(name) = &device.room else { continue };
            room_of.insert(device.id.to_string(), name.clone());
            let climate = DriverConfig::SimulatedClimate(SimulatedClimateConfig::default());
            let probe = DeviceConfig::new(DeviceId::new("probe").unwrap(), "Probe", climate).in_room(name);
            let probe = board.open_sensor(&probe).unwrap();
            rooms.insert(name.clone(), Room { probe, numbers: VecDeque::new() });
        }
        Self {
            scheme: Scheme::new("home").unwrap(),
            clock,
            rooms,
            room_of,
            probed: Duration::ZERO,
            stalled: None,
            violations: Vec::new(),
            readings: 0,
            doubtful: 0,
            pulses: 0,
            total: 0.0,
            latest: BTreeMap::new(),
        }
    }

    /// Reads the thermometers, if it is time.
    pub(crate) async fn probe(&mut self) {
        let now = self.clock.elapsed();
        if now < self.probed + PROBE_EVERY && !self.probed.is_zero() {
            return;
        }
        self.probed = now;
        for room in self.rooms.values_mut() {
            let samples = room.probe.read().await.unwrap();
            let number = |sample: &gatehouse_board::traits::Sample| {
                Some((sample.property.to_string(), sample.value.as_number()?))
            };
            room.numbers.push_back((now, samples.iter().filter_map(number).collect()));
            while room.numbers.front().is_some_and(|(at, _)| *at + KEPT < now) {
                room.numbers.pop_front();
            }
        }
    }

    fn accuse(&mut self, what: &str) {
        if self.violations.len() < 20 {
            self.violations.push(format!("at {:.3} s: {what}", self.clock.elapsed().as_secs_f64()));
        }
    }

    pub(crate) fn hear(&mut self, message: Message) {
        let never = gatehouse_model::Timestamp::from_millis(i64::MIN);
        let is_cleared = message.payload.is_empty();
        if let Some(reading) = message.to_reading(&self.scheme, never).filter(|_| !is_cleared) {
            let said = format!("{} = {} ({})", message.topic, reading.value, reading.quality.as_str());
            self.readings += 1;
            match self.clock.moments(reading.at).as_slice() {
                [] => self.accuse(&format!("{said} is from {}, which no clock has shown", reading.at)),
                measured => {
                    if let Value::Number(number) = reading.value {
                        let property = reading.property.to_string();
                        if reading.device.as_str() == pool::METER && property == "total" {
                            self.count(&said, number);
                        }
                        self.compare(
                            &said,
                            reading.device.as_str(),
                            &property,
                            number,
                            reading.quality,
                            measured,
                        );
                    }
                }
            }
        }
        self.latest.insert(message.topic.to_string(), message);
    }

    /// A total that was told is never taken back, and nothing is counted that was not there.
    fn count(&mut self, said: &str, total: f64) {
        let pulses = self.pulses as f64;
        if total < self.total || total > pulses {
            let before = self.total;
            self.accuse(&format!("{said}: {before} was told before, and there were {pulses} pulses at most"));
        }
        self.total = total;
    }

    /// Compares a number with the room as it was when it was measured: the latest first of the moments that this may be.
    fn compare(
        &mut self,
        said: &str,
        device: &str,
        property: &str,
        number: f64,
        quality: Quality,
        measured: &[Duration],
    ) {
        if matches!(quality, Quality::Stale | Quality::Suspect | Quality::Clamped) {
            self.doubtful += 1;
            return;
        }
        let now = self.clock.elapsed();
        let waited = match self.stalled {
            Some((from, until)) if now < until.saturating_add(FRESH) => now - from,
            _ => Duration::ZERO,
        };
        let latest = measured.iter().copied().max().unwrap_or_default();
        if latest + FRESH + waited < now {
            let age = now.saturating_sub(latest);
            self.accuse(&format!("{said} is said to be good and is {age:?} old"));
        }
        let Some((_, beside)) = BESIDE.iter().find(|(known, _)| *known == property) else { return };
        let Some(room) = self.room_of.get(device).and_then(|room| self.rooms.get(room)) else { return };
        let mut shown = Vec::new();
        for measured in measured {
            let from = measured.saturating_sub(PROBE_EVERY * 4);
            let then = room.numbers.iter().filter(|(at, _)| *at >= from);
            let numbers: Vec<f64> = then.filter_map(|(_, numbers)| numbers.get(property)).copied().collect();
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min) - beside;
            let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max) + beside;
            if numbers.is_empty() || (low..=high).contains(&number) {
                return;
            }
            shown.push(format!("{low:.2} to {high:.2}"));
        }
        self.accuse(&format!("{said} is from nowhere: the room had {}", shown.join(", or ")));
    }
}
