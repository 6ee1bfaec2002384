//! What tests and benchmarks let happen on the lines: bouncing contacts, pulse trains, turning knobs, floating inputs.

use std::time::Duration;

use gatehouse_model::DeviceId;

use super::board::SimulatedBoard;
use super::lines::is_high;
use super::train::Train;
use crate::traits::Level;

impl SimulatedBoard {
    /// Sets an input to these levels, each so long after now. A device that is no input is left alone.
    pub fn play(&self, device: &DeviceId, changes: &[(Duration, bool)]) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, active, _)) = world.plan.input(device) else { return };
            for (after, on) in changes {
                world.schedule(now + *after, line, is_high(Level::from_on(*on), active));
            }
        });
    }

    /// Lets an input change `edges` times, at even distances, from one pause after now. Two edges are a pulse.
    pub fn pulse(&self, device: &DeviceId, edges: u64, pause: Duration) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, _, _)) = world.plan.input(device) else { return };
            world.start_train(Train::even(line, now, edges, pause));
        });
    }

    /// Turns a rotary encoder by so many detents of four quarters, backwards when negative, once it was turned by what was
    /// asked for before. It takes one `quarter` from one edge to the next. Whether the device is one.
    pub fn turn(&self, device: &DeviceId, detents: i32, quarter: Duration) -> bool {
        let now = self.now();
        let mut is_there = false;
        self.with_world(|world| is_there = world.turn(device, detents, quarter, now));
        is_there
    }

    /// Lets an input float for so many edges: nothing holds it, and it catches whatever is in the air.
    pub fn float(&self, device: &DeviceId, edges: u64) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, _, _)) = world.plan.input(device) else { return };
            world.start_train(Train::noise(line, now, edges));
        });
    }

    /// Puts something before an ultrasonic sensor, so many metres away; nothing lets no echo come back.
    pub fn set_distance(&self, device: &DeviceId, metres: Option<f64>) {
        self.with_world(|world| {
            match metres {
                Some(metres) => world.distances.insert(device.clone(), metres),
                None => world.distances.remove(device),
            };
        });
    }
}
