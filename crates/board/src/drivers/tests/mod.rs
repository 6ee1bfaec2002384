//! Drivers against simulated chips, which were written from the datasheets on their own.

mod air;
mod climate;
mod electric;
mod every;
mod light;
mod motion;
mod rig;
mod serial;
mod texts;

use std::sync::{Arc, Mutex};

use crate::buses::{I2cBus, Pause};
use crate::catalogue::{Bus, Open, Opening, Settings, find};
use crate::drivers::{Driver, Measured, Said};
use crate::sim::chips::{Chip, ChipBus, Fault, Surroundings, make};
use crate::traits::ReadError;

/// A chip on a bus, in surroundings that the test changes.
struct Bench {
    word: &'static str,
    address: u8,
    chips: ChipBus,
    bus: I2cBus,
    surroundings: Arc<Mutex<Surroundings>>,
}

impl Bench {
    fn new(word: &'static str) -> Self {
        let entry = find(word).unwrap();
        let Bus::I2c { addresses } = entry.bus else { panic!("{word} is not on I²C") };
        let Some(Chip::I2c(chip)) = make(word, &Settings::defaults(entry.settings)) else {
            panic!("there is no simulated {word}")
        };
        let surroundings = Arc::new(Mutex::new(Surroundings::default()));
        let chips = ChipBus::default();
        chips.add(None, addresses[0], chip, {
            let surroundings = surroundings.clone();
            move || surroundings.lock().unwrap().clone()
        });
        let bus = I2cBus::start("bench", Box::new(chips.clone())).unwrap();
        Self { word, address: addresses[0], chips, bus, surroundings }
    }

    fn feel(&self, change: impl FnOnce(&mut Surroundings)) {
        change(&mut self.surroundings.lock().unwrap());
    }

    fn open(&self) -> Result<Box<dyn Driver>, ReadError> {
        let entry = find(self.word).unwrap();
        let settings = Settings::defaults(entry.settings);
        let opening = Opening {
            settings: &settings,
            pause: Pause::Skipped,
            every: entry.periods.default,
            interrupts: false,
        };
        let Open::I2c(open) = entry.open else { panic!("{} is no sensor on I²C", self.word) };
        open(self.bus.port(None), self.address, &opening)
    }

    fn fault(&self, fault: Option<Fault>) {
        self.chips.set_fault(None, self.address, fault);
    }
}

fn value(measured: &[Measured], property: &str) -> f64 {
    match measured.iter().find(|measured| measured.property == property).unwrap().value {
        Said::Number(number) => number,
        Said::Text(ref text) => panic!("{property} is the text {text}"),
    }
}
