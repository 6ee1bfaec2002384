//! What stands around the daemon inside the virtual rigs (`scripts/virtual-pi`): I2C chips, switches that are thrown fast,
//! and a phone that measures. It runs in the guest, beside the real daemon and on a real kernel.

mod chips;
mod edges;
mod latency;
mod pulls;
mod time;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
rig chips BUS WORLD                     is the chips of /dev/rig-i2c-BUS, whose surroundings are the file WORLD
rig edges RATE SECONDS PULL...          throws each gpio-sim line RATE times a second; says how many edges each got
rig latency ADDRESS TOPIC COUNT PULL    throws a line COUNT times; says how long until each came over MQTT
                                        (user and password: RIG_USER, RIG_PASSWORD)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // When standard error is gone there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "rig: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["chips", bus, world] => chips::serve(bus.parse()?, world.as_ref()),
        ["edges", rate, seconds, pulls @ ..] if !pulls.is_empty() => {
            edges::throw(rate.parse()?, seconds.parse()?, pulls)
        }
        ["latency", address, topic, count, pull] => {
            latency::measure(address.parse()?, topic, count.parse()?, pull.as_ref())
        }
        _ => bail!("what to do?\n{USAGE}"),
    }
}

/// A line for whoever reads the job.
pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
