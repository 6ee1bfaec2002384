//! Puts load on brokers, counts and checks every message, and prints what came of it. `scripts/bench` installs the other
//! brokers, builds the programs and starts this one.
//!
//! What makes the comparison fair: one client for all, which speaks plain MQTT 3.1.1 over loopback; every broker checks
//! a password and has the same core to itself, the clients another; rounds are interleaved and each begins with another
//! broker, so that a warm or busy machine favours nobody; and the load follows what is delivered ([`throughput`]), so
//! that no broker's limits decide and dropping messages is no way to be fast.

mod arguments;
mod brokers;
mod client;
mod connections;
mod latency;
mod ledger;
mod poll;
mod process;
mod report;
mod soak;
mod tables;
mod throughput;
mod wire;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
use brokers::{Broker, Durability, Running};
use connections::{Idle, Rate};
use latency::Latency;
use throughput::{CASES, DURABLE, Outcome};

/// How long a broker is left alone before its idle memory is read: it has finished starting, and the simulated house has
/// published everything once.
const SETTLE: Duration = Duration::from_secs(1);

/// Numbers of idle clients whose memory is measured.
const IDLE_CLIENTS: [usize; 2] = [1_000, 10_000];

/// What one broker did in one round.
struct Round {
    ready_after: Duration,
    at_rest: process::Memory,
    load: Option<Load>,
}

/// What it did under load.
struct Load {
    rate: Rate,
    idle: Vec<Idle>,
    outcomes: Vec<Outcome>,
    /// With QoS 0 and QoS 1.
    latency: [Latency; 2],
    /// A second after the last client of the load has gone.
    after: process::Memory,
    durable: Option<Outcome>,
}

fn main() -> ExitCode {
    process::prepare();
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
    if let (Some(time), Some(broker)) = (arguments.soak, brokers.first()) {
        progress(&format!("soak of {}", broker.name()));
        return soak::run(broker, time).map_err(|text| format!("{}: {text}", broker.name()));
    }
    let mut rounds: Vec<Vec<Round>> = brokers.iter().map(|_| Vec::new()).collect();
    for number in 0..arguments.rounds {
        for turn in 0..brokers.len() {
            let index = (number + turn) % brokers.len();
            let broker = &brokers[index];
            progress(&format!("round {} of {}: {}", number + 1, arguments.rounds, broker.name()));
            let done = round(broker, arguments).map_err(|text| format!("{}: {text}", broker.name()))?;
            rounds[index].push(done);
        }
    }
    Ok(report::text(arguments, &rounds))
}

/// One broker, started anew for what must not disturb each other: the clients of the load, ten thousand idle ones, and
/// the disk.
fn round(broker: &Broker, arguments: &Arguments) -> Result<Round, String> {
    let running = Running::start(broker, Durability::Memory)?;
    process::pause(SETTLE);
    let (ready_after, at_rest) = (running.ready_after(), running.process().memory()?);
    let load = match broker.takes_load() {
        true => Some(load(broker, running, arguments)?),
        false => {
            running.stop()?;
            None
        }
    };
    Ok(Round { ready_after, at_rest, load })
}

fn load(broker: &Broker, running: Running, arguments: &Arguments) -> Result<Load, String> {
    let explain = |what: &str, text: String, running: &Running| {
        format!("{what}: {text}\n{}", running.process().last_words())
    };
    let mut outcomes = Vec::new();
    for case in CASES.iter().filter(|case| arguments.wants(&case.to_string())) {
        let outcome = throughput::run(running.process(), running.address(), case, arguments.times)
            .map_err(|text| explain(&case.to_string(), text, &running))?;
        outcomes.push(outcome);
    }
    if arguments.case.is_some() {
        let after = running.process().memory()?;
        running.stop()?;
        let latency = [Latency::default(), Latency::default()];
        return Ok(Load { rate: Rate::default(), idle: Vec::new(), outcomes, latency, after, durable: None });
    }
    let mut latencies = Vec::new();
    for qos in [0, 1] {
        let latency = latency::run(running.address(), qos, arguments.latency_time)
            .map_err(|text| explain("latency", text, &running))?;
        latencies.push(latency);
    }
    process::pause(SETTLE);
    let after = running.process().memory()?;
    running.stop()?;

    let running = Running::start(broker, Durability::Memory)?;
    process::pause(SETTLE);
    let idle = connections::idle(running.process(), running.address(), &IDLE_CLIENTS)
        .map_err(|text| explain("idle clients", text, &running))?;
    let rate = connections::rate(running.process(), running.address(), arguments.connections)
        .map_err(|text| explain("connections", text, &running))?;
    running.stop()?;

    let durable = match broker.can_keep() {
        true => {
            let running = Running::start(broker, Durability::Disk)?;
            let outcome = throughput::run(running.process(), running.address(), &DURABLE, arguments.times)
                .map_err(|text| explain("durable", text, &running))?;
            running.stop()?;
            Some(outcome)
        }
        false => None,
    };
    let mut latencies = latencies.into_iter();
    let latency = [latencies.next().unwrap_or_default(), latencies.next().unwrap_or_default()];
    Ok(Load { rate, idle, outcomes, latency, after, durable })
}

/// Progress goes to standard error, so that the report can be piped.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
