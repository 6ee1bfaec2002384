//! The owner of a bus, with chips that are sick.

use super::*;
use crate::catalogue::Settings;
use crate::sim::chips::{Chip, ChipBus, Fault, Surroundings, make};

fn thermometer_of(chips: &ChipBus, through: Option<Through>, address: u8, celsius: f64) {
    add(chips, "lm75", through, address, celsius);
}

fn add(chips: &ChipBus, word: &str, through: Option<Through>, address: u8, celsius: f64) {
    let Some(Chip::I2c(chip)) = make(word, &Settings::default()) else { panic!("no {word}") };
    chips.add(through, address, chip, move || Surroundings {
        temperature: celsius,
        ..Surroundings::default()
    });
}

fn started(chips: &ChipBus) -> I2cBus {
    I2cBus::start("test", Box::new(chips.clone())).unwrap()
}

fn celsius(port: &mut I2cPort, address: u8) -> Result<i8, BusFault> {
    let mut register = [0; 2];
    port.write_read(address, &[0], &mut register)?;
    Ok(register[0].cast_signed())
}

#[test]
fn a_bus_that_is_stuck_is_clocked_free_and_the_transfer_done_again() {
    let chips = ChipBus::default();
    thermometer_of(&chips, None, 0x48, 21.0);
    chips.set_fault(None, 0x48, Some(Fault::Stuck));
    assert_eq!(celsius(&mut started(&chips).port(None), 0x48), Ok(21));
    assert_eq!(chips.recoveries(), 1);
    chips.set_fault(None, 0x48, Some(Fault::StuckForGood));
    assert_eq!(celsius(&mut started(&chips).port(None), 0x48), Err(BusFault::Stuck));
    assert_eq!(chips.recoveries(), 2, "it is tried once a transfer, not for ever");
}

#[test]
fn a_device_that_hangs_does_not_delay_another_bus_and_urgent_transfers_go_first() {
    let (sick, well) = (ChipBus::default(), ChipBus::default());
    let served = Arc::<Mutex<Vec<u8>>>::default();
    for address in [0x48, 0x49, 0x4A] {
        let Some(Chip::I2c(chip)) = make("lm75", &Settings::default()) else { panic!() };
        let served = served.clone();
        // A chip is told its surroundings when it is served.
        sick.add(None, address, chip, move || {
            served.lock().unwrap().push(address);
            Surroundings::default()
        });
    }
    thermometer_of(&well, None, 0x48, 23.0);
    sick.set_fault(None, 0x48, Some(Fault::Hangs));
    let (sick_bus, well_bus) = (started(&sick), started(&well));
    let in_background = |mut port: I2cPort, address| {
        std::thread::spawn(move || {
            celsius(&mut port, address).unwrap();
        })
    };
    let wait_for_queue = |urgent: usize, normal: usize| {
        while {
            let queue = sick_bus.asking.0.queue();
            (queue.urgent.len(), queue.normal.len()) != (urgent, normal)
        } {
            std::thread::yield_now();
        }
    };
    let first = in_background(sick_bus.port(None), 0x48);
    while sick.hanging() == 0 {
        std::thread::yield_now();
    }
    let sensor = in_background(sick_bus.port(None), 0x49);
    wait_for_queue(0, 1);
    let output = in_background(sick_bus.urgent_port(None), 0x4A);
    wait_for_queue(1, 1);
    assert_eq!(celsius(&mut well_bus.port(None), 0x48), Ok(23), "the other bus does not know of it");
    sick.set_fault(None, 0x48, None);
    for thread in [first, sensor, output] {
        thread.join().unwrap();
    }
    assert_eq!(*served.lock().unwrap(), [0x48, 0x4A, 0x49], "the output went first");
}

/// A bus that ends like a USB adapter that is pulled out.
struct PulledOut;

impl I2cBackend for PulledOut {
    fn transfer(&mut self, _: u8, _: &mut [Operation<'_>]) -> Result<(), BusFault> {
        Err(BusFault::Gone)
    }
}

#[test]
fn a_bus_that_is_gone_says_so() {
    let bus = I2cBus::start("test", Box::new(PulledOut)).unwrap();
    let mut port = bus.port(None);
    assert!(!bus.is_gone());
    assert_eq!(celsius(&mut port, 0x48), Err(BusFault::Gone));
    while !bus.is_gone() {
        std::thread::yield_now();
    }
    assert_eq!(celsius(&mut port, 0x48), Err(BusFault::Gone));
}

#[test]
fn two_multiplexers_with_the_same_addresses_behind_them_do_not_collide() {
    let chips = ChipBus::default();
    for multiplexer in [0x70, 0x71] {
        add(&chips, "tca9548a", None, multiplexer, 0.0);
    }
    let places: Vec<Through> =
        [(0x70, 0), (0x70, 7), (0x71, 0)].map(|(address, channel)| Through { address, channel }).into();
    for (number, through) in places.iter().enumerate() {
        thermometer_of(&chips, Some(*through), 0x48, number as f64 + 10.0);
    }
    let bus = started(&chips);
    for _ in 0..2 {
        for (number, through) in places.iter().enumerate() {
            let expected = i8::try_from(number).unwrap() + 10;
            assert_eq!(celsius(&mut bus.port(Some(*through)), 0x48), Ok(expected), "{through:?}");
        }
        assert_eq!(celsius(&mut bus.port(None), 0x48), Err(BusFault::NoAcknowledge));
    }
    // A multiplexer that lost power has no channel any more; the next transfer sets it again by itself.
    assert_eq!(celsius(&mut bus.port(Some(places[2])), 0x48), Ok(12));
    chips.with_chip(None, 0x71, |chip| chip.lose_power());
    assert_eq!(celsius(&mut bus.port(Some(places[2])), 0x48), Ok(12));
    // And one that is gone is not in the way of the other.
    chips.set_fault(None, 0x71, Some(Fault::Vanished));
    assert_eq!(celsius(&mut bus.port(Some(places[1])), 0x48), Ok(11));
    assert_eq!(celsius(&mut bus.port(Some(places[2])), 0x48), Err(BusFault::NoAcknowledge));
}

/// Counts what is written to a multiplexer, on its way to chips in memory.
struct Counted {
    chips: ChipBus,
    writes: Arc<Mutex<Vec<(u8, u8)>>>,
}

impl I2cBackend for Counted {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        if let [Operation::Write([channels])] = operations {
            self.writes.lock().unwrap().push((address, *channels));
        }
        self.chips.transfer(address, operations)
    }
}

/// A multiplexer that was unplugged, and taken out of the configuration, was told to close its channels before each transfer
/// of everybody else, for as long as the gateway ran.
#[test]
fn a_multiplexer_that_is_gone_costs_less_and_less_and_is_closed_when_it_is_back() {
    let chips = ChipBus::default();
    add(&chips, "tca9548a", None, 0x70, 0.0);
    let through = Some(Through { address: 0x70, channel: 3 });
    thermometer_of(&chips, through, 0x49, 11.0);
    thermometer_of(&chips, None, 0x48, 21.0);
    let writes = Arc::<Mutex<Vec<(u8, u8)>>>::default();
    let backend = Counted { chips: chips.clone(), writes: writes.clone() };
    let bus = I2cBus::start("test", Box::new(backend)).unwrap();
    let closings = |transfers: u32| {
        writes.lock().unwrap().clear();
        for _ in 0..transfers {
            assert_eq!(celsius(&mut bus.port(None), 0x48), Ok(21));
        }
        let writes = writes.lock().unwrap();
        assert!(writes.iter().all(|write| *write == (0x70, 0)), "{writes:?}");
        u32::try_from(writes.len()).unwrap()
    };
    // While it answers it is closed once.
    assert_eq!(celsius(&mut bus.port(through), 0x49), Ok(11));
    assert_eq!(closings(100), 1);
    // It misses a transfer, with its channel open: it is told again at once.
    assert_eq!(celsius(&mut bus.port(through), 0x49), Ok(11));
    chips.set_fault(None, 0x70, Some(Fault::Refuses(2)));
    assert_eq!(closings(10), 3);
    // It is unplugged.
    assert_eq!(celsius(&mut bus.port(through), 0x49), Ok(11));
    chips.set_fault(None, 0x70, Some(Fault::Vanished));
    assert_eq!(closings(TRIES_AT_ONCE), TRIES_AT_ONCE);
    assert!(closings(1_000) <= 12, "in growing distance");
    let rest = closings(10 * MAX_LEFT_ALONE);
    assert!((9..=10).contains(&rest), "and not less than that: {rest}");
    // Whoever has a device there learns of it each time.
    assert_eq!(celsius(&mut bus.port(through), 0x49), Err(BusFault::NoAcknowledge));
    // It is back with a channel open, as its supply had stayed.
    chips.set_fault(None, 0x70, None);
    closings(MAX_LEFT_ALONE + 1);
    assert_eq!(celsius(&mut bus.port(None), 0x49), Err(BusFault::NoAcknowledge), "its channel is closed");
    assert_eq!(celsius(&mut bus.port(through), 0x49), Ok(11));
    chips.set_fault(None, 0x70, Some(Fault::Vanished));
    assert_eq!(closings(TRIES_AT_ONCE), TRIES_AT_ONCE, "it counts anew");
}
