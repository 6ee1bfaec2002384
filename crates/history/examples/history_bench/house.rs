//! A house that makes readings up: the same ones for the same seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gatehouse_model::{DeviceId, PropertyId, Quality, Reading, Timestamp, Value};

/// 2025-11-21T00:00:00Z: the first reading.
pub(crate) const START: i64 = 1_763_683_200_000;

pub(crate) const DAY: i64 = 86_400_000;

/// Switches, which change some times a day.
pub(crate) const SWITCHES: usize = 10;

/// A small generator (splitmix64): the same numbers on every machine.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normally distributed, with a deviation of 1.
    fn noise(&mut self) -> f64 {
        (0..6).map(|_| self.part()).sum::<f64>() * 1.414 - 4.243
    }
}

/// What a series measures, and how its sensor quantises it.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// Around a value, with the swing of a day, slow weather, noise, and the sensor's step.
    Slow {
        around: f64,
        swing: f64,
        noise: f64,
        step: f64,
    },
    /// Watts: a base load, and appliances that come and go.
    Power,
    Switch,
}

#[derive(Clone, Debug)]
struct Source {
    device: DeviceId,
    property: PropertyId,
    measure: Measure,
    period: i64,
    random: Random,
    weather: f64,
    load: f64,
    /// Whether it is silent until then.
    silent_until: i64,
    last: f64,
}

/// All its sources, and whose turn comes when.
#[derive(Clone, Debug)]
pub(crate) struct House {
    sources: Vec<Source>,
    turns: BinaryHeap<Reverse<(i64, usize)>>,
}

/// Sensors that a house has: a BME280's three, a DS18B20, an SCD41's carbon dioxide, an ADC's voltage.
const SENSORS: [(&str, Measure); 6] = [
    ("temperature", Measure::Slow { around: 21.0, swing: 1.5, noise: 0.03, step: 0.01 }),
    ("humidity", Measure::Slow { around: 48.0, swing: 6.0, noise: 0.15, step: 0.1 }),
    ("pressure", Measure::Slow { around: 1_013.0, swing: 1.0, noise: 0.03, step: 0.01 }),
    ("probe", Measure::Slow { around: 45.0, swing: 8.0, noise: 0.03, step: 0.0625 }),
    ("co2", Measure::Slow { around: 620.0, swing: 180.0, noise: 8.0, step: 1.0 }),
    ("voltage", Measure::Slow { around: 12.6, swing: 0.3, noise: 0.004, step: 0.002 }),
];

impl House {
    pub(crate) fn new(slow: usize, fast: usize, seed: u64) -> Self {
        let mut house = Self { sources: Vec::new(), turns: BinaryHeap::new() };
        for n in 0..slow {
            let (property, measure) = SENSORS[n % SENSORS.len()];
            house.add(&format!("room-{n}"), property, measure, 10_000, seed);
        }
        for n in 0..fast {
            house.add(&format!("meter-{n}"), "power", Measure::Power, 1_000, seed);
        }
        for n in 0..SWITCHES {
            house.add(&format!("light-{n}"), "power", Measure::Switch, 2 * 3_600_000, seed);
        }
        house
    }

    /// More sources that are read every ten minutes, from now on.
    pub(crate) fn add_quiet(&mut self, count: usize, now: i64, seed: u64) {
        for n in 0..count {
            let (property, measure) = SENSORS[n % SENSORS.len()];
            self.add(&format!("quiet-{n}"), property, measure, 600_000, seed);
        }
        let turns = std::mem::take(&mut self.turns);
        self.turns = turns.into_iter().map(|Reverse((at, n))| Reverse((at.max(now + n as i64), n))).collect();
    }

    fn add(&mut self, device: &str, property: &str, measure: Measure, period: i64, seed: u64) {
        let index = self.sources.len();
        let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        // Each sensor is read at a time of its own within its period.
        let first = START + (random.part() * period as f64) as i64;
        let (Ok(device), Ok(property)) = (DeviceId::new(device), PropertyId::new(property)) else { return };
        let (weather, load, last) = (0.0, 80.0, 0.0);
        self.sources.push(Source {
            device,
            property,
            measure,
            period,
            random,
            weather,
            load,
            silent_until: 0,
            last,
        });
        self.turns.push(Reverse((first, index)));
    }

    /// Its series, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| format!("{}/{}", source.device, source.property)).collect()
    }

    /// The next reading before a time, in the order of time.
    pub(crate) fn next_before(&mut self, end: i64) -> Option<(usize, Reading)> {
        loop {
            let Reverse((at, index)) = self.turns.peek().copied()?;
            if at >= end {
                return None;
            }
            self.turns.pop();
            let source = &mut self.sources[index];
            let (reading, next) = source.read(at);
            self.turns.push(Reverse((next, index)));
            if let Some(reading) = reading {
                return Some((index, reading));
            }
        }
    }
}

impl Source {
    /// What is read at this moment, and when the next turn is.
    fn read(&mut self, at: i64) -> (Option<Reading>, i64) {
        let random = &mut self.random;
        // The timer of a loaded machine wakes some milliseconds late, and does not drift.
        let jitter = (random.part() * random.part() * 25.0) as i64;
        let mut next = at - (at - START) % 10 + self.period;
        let (value, quality) = match self.measure {
            Measure::Slow { around, swing, noise, step } => {
                // Each sensor falls silent now and then, for some minutes or hours.
                let per_month = self.period as f64 / 1_296_000_000.0;
                if random.part() < per_month {
                    next += (random.part() * random.part() * 4.0 * 3_600_000.0) as i64;
                    self.silent_until = next;
                }
                let steps = self.period as f64 / 10_000.0;
                self.weather =
                    self.weather * 0.999_95_f64.powf(steps) + random.noise() * 0.005 * steps.sqrt();
                let turn = (at % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
                let value = around + swing * (turn.sin() + self.weather) + noise * random.noise();
                let stale = self.silent_until == next;
                let value = if stale { self.last } else { (value / step).round() * step };
                // As a driver gives it: decimal digits, and not the tail of a multiplication.
                ((value * 1e4).round() / 1e4, if stale { Quality::Stale } else { Quality::Ok })
            }
            Measure::Power => {
                if random.part() < 0.001 {
                    self.load = [80.0, 120.0, 240.0, 900.0, 2_100.0][(random.next() % 5) as usize];
                }
                let value = self.load + self.load.sqrt() * 0.15 * random.noise();
                ((value * 10.0).round() / 10.0, Quality::Ok)
            }
            Measure::Switch => {
                next = at + (random.part() * 2.0 * self.period as f64) as i64 + 1_000;
                (1.0 - self.last, Quality::Ok)
            }
        };
        self.last = value;
        let value = match self.measure {
            Measure::Switch => Value::Switch(value >= 0.5),
            _ => Value::Number(value),
        };
        let (device, property) = (self.device.clone(), self.property.clone());
        let at = Timestamp::from_millis(at + if self.period > 100_000 { 0 } else { jitter });
        (Some(Reading { device, property, value, quality, at, cause: None }), next)
    }
}
