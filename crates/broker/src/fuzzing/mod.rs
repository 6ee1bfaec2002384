//! What the fuzz targets call. The same code runs with fixed cases in the ordinary tests, so that a finding can be
//! repeated without a fuzzer. It is built for tests and with the feature `fuzzing` only, and is no part of the product.

mod client;
mod disk;
mod heard;
mod model;
mod play;
mod schedule;
mod wire;
mod world;

use std::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Takes any bytes for what a client sent, and checks everything that must hold for the codec: it does not panic, it
/// does not ask for more memory than the limit on a packet, the places at which the stream is cut into reads do not
/// matter, and what it takes can be written again and read by another make's codec.
///
/// The first byte chooses the version, and whether a CONNECT is expected first; the second seeds the cuts.
///
/// # Panics
/// When something does not hold.
pub fn decode(bytes: &[u8]) {
    wire::check(bytes);
}

/// Takes any bytes for a schedule of what happens to a broker with four clients: packets good and bad, time, lost
/// connections, a store that commits late, and sudden ends. What the broker sends is held against a model of the
/// specification: at most once, at least once, exactly once, also over sudden ends; order; retained messages; wills; what
/// is acknowledged is kept; packet identifiers; receive maximum; session present.
///
/// # Panics
/// When something does not hold, with the story of the schedule so far.
pub fn schedule(bytes: &[u8]) {
    if let Err(story) = play(bytes) {
        panic!("{story}");
    }
}

/// Plays a schedule; gives its story when something does not hold.
fn play(bytes: &[u8]) -> Result<(), String> {
    let (house, steps) = schedule::read(bytes);
    let mut play = play::Play::new(house);
    for (number, planned) in steps.iter().enumerate() {
        play.step(planned).map_err(|error| story(house, &steps[..=number], &error))?;
    }
    play.finish().map_err(|error| story(house, &steps, &format!("at the end: {error}")))
}

fn story(house: schedule::House, steps: &[schedule::Planned], error: &str) -> String {
    let mut story = format!("{error}\n{house:?}\n");
    for schedule::Planned { step, round_goes_on } in steps {
        let goes_on = if *round_goes_on { " (and, in the same round)" } else { "" };
        // Writing to a text cannot fail.
        let _ = writeln!(story, "  {step:?}{goes_on}");
    }
    story
}
