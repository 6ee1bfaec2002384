//! The physics of the simulated house: outdoors, and rooms that drift, leak heat and can be heated.
//!
//! It has no clock: it is stepped to a moment that is given, in ticks of one second, and the same seed and the same
//! steps give the same house.

use std::time::Duration;

use gatehouse_model::{Moment, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One step of the simulation.
const TICK: Duration = Duration::from_secs(1);

/// Most ticks that are caught up at once (a day): after a longer pause the house goes on from where it was.
const MAX_CATCH_UP_TICKS: u64 = 86_400;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Mean of the outdoor temperature in °C, and how far the day swings it. A day in autumn.
const OUTDOOR_MEAN: f64 = 9.0;
const OUTDOOR_SWING: f64 = 5.0;

/// The hour (UTC) at which it is warmest outdoors.
const WARMEST_HOUR: f64 = 15.0;

/// Time constant of a room, in seconds. Real rooms take hours; a demonstration is watched for minutes.
const ROOM_TIME_CONSTANT: f64 = 1_200.0;

/// What a heater adds to the temperature that its room tends to, in °C: 0.4 °C in the first minute.
const HEATER_RISE: f64 = 8.0;

/// Time constant of a room whose door or window to the outdoors is open, in seconds.
const AIRING_TIME_CONSTANT: f64 = 300.0;

/// How much of the outdoor swing is felt indoors.
const OUTDOOR_INFLUENCE: f64 = 0.2;

/// Vapour outdoors in g/m³: about 75 % relative humidity at 9 °C.
const OUTDOOR_VAPOUR: f64 = 6.6;

/// Temperature and humidity as a sensor in a room would measure them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Climate {
    /// In °C.
    pub temperature: f64,
    /// Relative, in %.
    pub humidity: f64,
}

#[derive(Debug)]
struct Room {
    name: String,
    /// Temperature that it tends to with the outdoors at [`OUTDOOR_MEAN`] and no heater, in °C.
    comfort: f64,
    /// Vapour that it tends to, in g/m³.
    comfort_vapour: f64,
    temperature: f64,
    vapour: f64,
    /// What people, sun and cooking add, in °C: a slow random walk that returns to zero.
    drift: f64,
    is_heated: bool,
    is_aired: bool,
}

impl Room {
    /// A room at the temperature that it tends to.
    fn new(name: String, random: &mut StdRng, outdoor_temperature: f64) -> Self {
        let comfort = random.random_range(18.5..21.0);
        let comfort_vapour = random.random_range(7.2..9.0);
        let temperature = comfort + OUTDOOR_INFLUENCE * (outdoor_temperature - OUTDOOR_MEAN);
        Self {
            name,
            comfort,
            comfort_vapour,
            temperature,
            vapour: comfort_vapour,
            drift: 0.0,
            is_heated: false,
            is_aired: false,
        }
    }
}

/// The rooms and the weather around them.
#[derive(Debug)]
pub struct House {
    rooms: Vec<Room>,
    random: StdRng,
    at: Moment,
    outdoor_temperature: f64,
}

impl House {
    /// A house with these rooms. It starts at `now`, with every room at the temperature that it tends to.
    pub fn new(
        room_names: impl IntoIterator<Item = String>,
        seed: u64,
        now: Moment,
        wall: Timestamp,
    ) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let outdoor_temperature = outdoor_temperature_at(wall);
        let rooms =
            room_names.into_iter().map(|name| Room::new(name, &mut random, outdoor_temperature)).collect();
        Self { rooms, random, at: now, outdoor_temperature }
    }

    /// Builds the rooms that the house does not have yet.
    pub fn add_rooms(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if self.rooms.iter().all(|room| room.name != name) {
                self.rooms.push(Room::new(name, &mut self.random, self.outdoor_temperature));
            }
        }
    }

    /// Lets the house live until `now`; `wall` is the time of day then.
    pub fn advance(&mut self, now: Moment, wall: Timestamp) {
        let ticks = now.saturating_since(self.at).as_secs() / TICK.as_secs();
        if ticks > MAX_CATCH_UP_TICKS {
            self.at = now;
        }
        for _ in 0..ticks.min(MAX_CATCH_UP_TICKS) {
            self.at = (self.at + TICK).min(now);
            let behind = i64::try_from(now.saturating_since(self.at).as_millis()).unwrap_or(0);
            self.tick(Timestamp::from_millis(wall.as_millis().saturating_sub(behind)));
        }
    }

    fn tick(&mut self, wall: Timestamp) {
        self.outdoor_temperature = outdoor_temperature_at(wall);
        let outdoor = self.outdoor_temperature;
        let seconds = TICK.as_secs_f64();
        for room in &mut self.rooms {
            room.drift += self.random.random_range(-0.06..0.06) - room.drift / 600.0 * seconds;
            let heater = if room.is_heated { HEATER_RISE } else { 0.0 };
            let tends_to = room.comfort + room.drift + heater + OUTDOOR_INFLUENCE * (outdoor - OUTDOOR_MEAN);
            room.temperature += (tends_to - room.temperature) / ROOM_TIME_CONSTANT * seconds;
            room.vapour += (room.comfort_vapour - room.vapour) / ROOM_TIME_CONSTANT * seconds;
            room.vapour += self.random.random_range(-0.004..0.004);
            if room.is_aired {
                room.temperature += (outdoor - room.temperature) / AIRING_TIME_CONSTANT * seconds;
                room.vapour += (OUTDOOR_VAPOUR - room.vapour) / AIRING_TIME_CONSTANT * seconds;
            }
        }
    }

    fn room_mut(&mut self, name: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == name)
    }

    /// Switches the heating of a room; unknown rooms stay as they are.
    pub fn set_heated(&mut self, room: &str, is_heated: bool) {
        if let Some(room) = self.room_mut(room) {
            room.is_heated = is_heated;
        }
    }

    /// Opens or closes a room to the outdoors; unknown rooms stay as they are.
    pub fn set_aired(&mut self, room: &str, is_aired: bool) {
        if let Some(room) = self.room_mut(room) {
            room.is_aired = is_aired;
        }
    }

    /// The outdoor temperature in °C.
    pub fn outdoor_temperature(&self) -> f64 {
        self.outdoor_temperature
    }

    /// What a sensor measures in a room, or nothing when there is no such room.
    pub fn climate(&self, room: &str) -> Option<Climate> {
        let room = self.rooms.iter().find(|candidate| candidate.name == room)?;
        let humidity = (100.0 * room.vapour / saturation_vapour(room.temperature)).clamp(0.0, 100.0);
        Some(Climate { temperature: room.temperature, humidity })
    }
}

/// A cosine through the day.
fn outdoor_temperature_at(wall: Timestamp) -> f64 {
    let millis_of_day = wall.as_millis().rem_euclid(MILLIS_PER_DAY);
    // A day has fewer milliseconds than a 32-bit float counts exactly, let alone this one.
    let hours = millis_of_day as f64 / 3_600_000.0;
    OUTDOOR_MEAN + OUTDOOR_SWING * ((hours - WARMEST_HOUR) / 24.0 * std::f64::consts::TAU).cos()
}

/// Vapour of saturated air in g/m³, by the Magnus formula with the coefficients over water of WMO-No. 8, annex 4.B, and
/// the gas law.
fn saturation_vapour(celsius: f64) -> f64 {
    let pressure_hectopascal = 6.112 * (17.62 * celsius / (243.12 + celsius)).exp();
    216.7 * pressure_hectopascal / (celsius + 273.15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(seed: u64) -> House {
        let rooms = ["Living room".to_owned(), "Kitchen".to_owned()];
        House::new(rooms, seed, Moment::default(), Timestamp::from_millis(0))
    }

    fn at(seconds: u64) -> (Moment, Timestamp) {
        let millis = i64::try_from(seconds * 1_000).unwrap();
        (Moment::from_start(Duration::from_secs(seconds)), Timestamp::from_millis(millis))
    }

    fn advance(house: &mut House, seconds: u64) {
        let (now, wall) = at(seconds);
        house.advance(now, wall);
    }

    #[test]
    fn the_same_seed_gives_the_same_house_however_it_is_stepped() {
        let (mut one, mut other) = (house(7), house(7));
        advance(&mut one, 600);
        for seconds in 0..=600 {
            advance(&mut other, seconds);
        }
        assert_eq!(one.climate("Kitchen"), other.climate("Kitchen"));
        let mut third = house(8);
        advance(&mut third, 600);
        assert_ne!(one.climate("Kitchen"), third.climate("Kitchen"));
    }

    #[test]
    fn a_heater_warms_its_room_by_some_tenths_in_a_minute_and_dries_it() {
        let mut heated = house(1);
        let mut unheated = house(1);
        heated.set_heated("Living room", true);
        advance(&mut heated, 60);
        advance(&mut unheated, 60);
        let (with, without) =
            (heated.climate("Living room").unwrap(), unheated.climate("Living room").unwrap());
        let gain = with.temperature - without.temperature;
        assert!((0.2..0.6).contains(&gain), "gained {gain}");
        assert!(with.humidity < without.humidity);
        assert_eq!(heated.climate("Kitchen"), unheated.climate("Kitchen"));
    }

    #[test]
    fn an_open_door_lets_the_cold_in() {
        let mut house = house(1);
        let before = house.climate("Kitchen").unwrap().temperature;
        house.set_aired("Kitchen", true);
        advance(&mut house, 120);
        assert!(house.climate("Kitchen").unwrap().temperature < before - 1.0);
    }

    #[test]
    fn days_stay_believable() {
        let mut house = house(3);
        house.set_heated("Living room", true);
        for hour in 0..24 * 4 {
            advance(&mut house, hour * 3_600);
            for room in ["Living room", "Kitchen"] {
                let Climate { temperature, humidity } = house.climate(room).unwrap();
                assert!((12.0..35.0).contains(&temperature), "{room} at hour {hour}: {temperature}");
                assert!((15.0..85.0).contains(&humidity), "{room} at hour {hour}: {humidity}");
            }
        }
    }

    #[test]
    fn the_afternoon_is_warmer_than_the_night() {
        let hour = |hour: i64| outdoor_temperature_at(Timestamp::from_millis(hour * 3_600_000));
        assert!(hour(15) > hour(3) + 9.0);
    }
}
