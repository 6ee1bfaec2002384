//! Gatehouse's broker beside Mosquitto and rumqttd, on the same machine in the same run: start-up time, idle memory and
//! messages per second. `scripts/bench` installs the peers, builds both programs and starts this one.
//!
//! What makes the comparison fair: one load generator for all, which speaks plain MQTT 3.1.1 over loopback; every broker
//! checks a password; rounds are interleaved and each begins with another broker, so that a warm or busy machine favours
//! nobody; no queue limit of a broker decides, since the generator never runs further ahead than [`load::MAX_AHEAD`].

mod arguments;
mod brokers;
mod load;
mod process;
mod report;
mod wire;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
use brokers::{Broker, Running};
use load::{CASES, Outcome};

/// How long a broker is left alone before its idle memory is read: it has finished starting, and the simulated house has
/// published everything once.
const SETTLE: Duration = Duration::from_secs(2);

/// What one broker did in one round.
struct Round {
    ready_after: Duration,
    idle: process::Memory,
    peak_bytes: u64,
    outcomes: Vec<Outcome>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(complaint) => {
            progress(&format!("bench: {complaint}"));
            return ExitCode::from(64);
        }
    };
    match run(&arguments) {
        Ok(report) => {
            let shown = std::io::stdout().write_all(report.as_bytes());
            if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(complaint) => {
            progress(&format!("bench: {complaint}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, String> {
    let brokers = &arguments.brokers;
    let mut rounds: Vec<Vec<Round>> = brokers.iter().map(|_| Vec::new()).collect();
    for number in 0..arguments.rounds {
        for turn in 0..brokers.len() {
            let index = (number + turn) % brokers.len();
            progress(&format!("round {} of {}: {}", number + 1, arguments.rounds, brokers[index].name()));
            rounds[index].push(round(&brokers[index], arguments.time)?);
        }
    }
    Ok(report::text(arguments, brokers, &rounds))
}

fn round(broker: &Broker, time: Duration) -> Result<Round, String> {
    let running = Running::start(broker)?;
    process::pause(SETTLE);
    let idle = running.process().memory()?;
    let mut outcomes = Vec::new();
    for case in &CASES {
        let before = running.process().cpu_time()?;
        let mut outcome = load::run(running.address(), case, time).map_err(|error| {
            format!("{}, {case}: {error}\n{}", broker.name(), running.process().last_words())
        })?;
        outcome.cpu = running.process().cpu_time()?.saturating_sub(before);
        outcomes.push(outcome);
    }
    let peak_bytes = running.process().peak_bytes()?;
    let ready_after = running.ready_after();
    running.stop()?;
    Ok(Round { ready_after, idle, peak_bytes, outcomes })
}

/// Progress goes to standard error, so that the report can be piped.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
