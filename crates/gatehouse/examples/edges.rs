//! Eight lines with a thousand edges a second each, from the simulated board through the bridge and the broker to an MQTT
//! client over TCP: what was counted of what was produced, how long an edge takes to the client, and what it costs.
//! `scripts/bench edges` starts it.
//!
//! `cargo run --release -p gatehouse --example edges [-- SECONDS]`
//!
//! Eight counters take the load; a ninth line changes [`PROBES_A_SECOND`] times a second, and each of its changes is
//! followed from its time stamp to the client. The simulator's timer has a resolution of a millisecond, which the latency
//! includes: an edge of the kernel arrives sooner.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_board::config::{CounterConfig, DeviceConfig, DriverConfig, InputConfig, LineNumber};
use gatehouse_board::host::HostPlaces;
use gatehouse_board::memory::Memory;
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::{Bridge, BridgeParts};
use gatehouse_broker::{
    Authenticator, Broker, Identity, Login, LoginError, MemoryStore, OpenGuard, Parts, Rights, Settings,
};
use gatehouse_model::{Clock, DeviceId, Moment, Qos, Scheme, SeededRandomness, SystemClock};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The lines with the load.
const METERS: std::ops::Range<u32> = 4..12;

/// From one edge of a meter to the next: a thousand a second.
const METER_PAUSE: Duration = Duration::from_millis(1);

/// The line whose edges are followed, and how often it changes.
const PROBE: u32 = 12;
const PROBES_A_SECOND: u64 = 50;

/// How long it takes when nobody says.
const DEFAULT_SECONDS: u64 = 10;

/// Longest time to wait for what has to arrive behind the last edge.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets everybody do everything.
struct Anybody;

#[async_trait]
impl Authenticator for Anybody {
    async fn authenticate(&self, _: Login<'_>) -> Result<Identity, LoginError> {
        Ok(Identity { user: "bench".into(), rights: Rights::everything() })
    }

    async fn recall(&self, _: &str, _: &str) -> Result<Option<Rights>, LoginError> {
        Ok(Some(Rights::everything()))
    }
}

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(DEFAULT_SECONDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(seconds)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say(&format!("edges: {problem}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example speaks to the person who started it")]
fn say(text: &str) {
    println!("{text}");
}

fn meter(line: u32) -> String {
    format!("meter-{line}")
}

fn devices() -> Result<Vec<DeviceConfig>, Box<dyn Error>> {
    let mut devices = Vec::new();
    for line in METERS {
        let every = Duration::from_secs(1);
        let config =
            CounterConfig { debounce: Duration::ZERO, every, ..CounterConfig::at(LineNumber::new(line)) };
        devices.push(DeviceConfig::new(DeviceId::new(&meter(line))?, "Meter", DriverConfig::Counter(config)));
    }
    let config = InputConfig { debounce: Duration::ZERO, ..InputConfig::at(LineNumber::new(PROBE)) };
    devices.push(DeviceConfig::new(DeviceId::new("probe")?, "Probe", DriverConfig::Input(config)));
    Ok(devices)
}

/// Measures, prints, and tells whether every edge was counted.
async fn run(seconds: u64) -> Result<bool, Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (broker, handle) = Broker::new(Parts {
        settings: Settings::default(),
        authenticator: Arc::new(Anybody),
        guard: Arc::new(OpenGuard),
        store: Box::new(MemoryStore),
        clock: clock.clone(),
        randomness: Arc::new(SeededRandomness::new(1)),
    });
    let brokering = tokio::spawn(broker.run(vec![listener], stop.clone()));

    let mut arrivals = subscribe(port, clock.clone());
    let devices = devices()?;
    let board = SimulatedBoard::still(&devices, 1, clock.clone());
    let scheme = Scheme::new("home")?;
    let directory = std::env::temp_dir().join(format!("gatehouse-edges-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let (memory, _) = Memory::open(&directory.join("board.state"), clock.clone())?;
    let host = HostPlaces::of_this_machine(&directory);
    let bridge = Bridge::new(BridgeParts {
        scheme: scheme.clone(),
        devices,
        board: Arc::new(board.clone()),
        host,
        memory,
        clock: clock.clone(),
    })?;
    let client = handle.client("bridge");
    let commands = client.subscribe(&[(scheme.all_commands(), Qos::ExactlyOnce)]).await?;
    let (outbox, mut messages) = mpsc::channel(256);
    let carrying = tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if client.publish(message).await.is_err() {
                return;
            }
        }
    });
    let bridging = tokio::spawn(bridge.run(outbox, commands, stop.clone()));

    // The first state of the probe says that everything is there.
    let mut seen = Seen::default();
    while seen.probes.is_empty() {
        seen.take(tokio::time::timeout(PATIENCE, arrivals.recv()).await?.ok_or("the client went away")?);
    }
    let (edges, probes) = (seconds * 1_000, seconds * PROBES_A_SECOND);
    let probe_pause = Duration::from_micros(1_000_000 / PROBES_A_SECOND);
    let (busy_before, began) = (processor_time(), clock.moment());
    for line in METERS {
        board.pulse(&DeviceId::new(&meter(line))?, edges, METER_PAUSE);
    }
    let probing = clock.moment();
    board.pulse(&DeviceId::new("probe")?, probes, probe_pause);

    let wanted = edges / 2;
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let complete = tokio::time::timeout(limit, async {
        while !seen.is_complete(wanted, probes) {
            match arrivals.recv().await {
                Some(arrival) => seen.take(arrival),
                None => return,
            }
        }
    });
    let is_complete = complete.await.is_ok();
    let (busy, took) = (processor_time() - busy_before, clock.moment().saturating_since(began));

    let mut latencies: Vec<Duration> = seen
        .probes
        .iter()
        .skip(1)
        .zip(1u32..)
        .map(|(arrived, number)| arrived.saturating_since(probing + probe_pause * number))
        .collect();
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    let counted: u64 = METERS.map(|line| seen.totals.get(&meter(line)).copied().unwrap_or(0)).sum();
    let produced = wanted * u64::try_from(METERS.len())?;
    say("| what | figure |\n|---|---|");
    say(&format!("| lines, edges a second on each | {}, {} |", METERS.len(), 1_000));
    say(&format!("| pulses counted of those produced | {counted} of {produced} |"));
    say(&format!("| followed edges that arrived | {} of {probes} |", latencies.len()));
    say(&format!("| edge to MQTT client, median | {:.2} ms |", at(50).as_secs_f64() * 1e3));
    say(&format!("| edge to MQTT client, 99 % | {:.2} ms |", at(99).as_secs_f64() * 1e3));
    say(&format!(
        "| edge to MQTT client, longest | {:.2} ms |",
        at(100).max(latencies.last().copied().unwrap_or_default()).as_secs_f64() * 1e3
    ));
    say(&format!(
        "| processor, all of the process | {:.1} % of one core |",
        100.0 * busy.as_secs_f64() / took.as_secs_f64()
    ));

    stop.cancel();
    bridging.await??;
    carrying.await?;
    brokering.await??;
    std::fs::remove_dir_all(&directory)?;
    Ok(is_complete && counted == produced)
}

/// What arrived at the client, and when.
struct Arrival {
    topic: String,
    payload: String,
    at: Moment,
}

#[derive(Default)]
struct Seen {
    totals: BTreeMap<String, u64>,
    probes: Vec<Moment>,
}

impl Seen {
    fn take(&mut self, arrival: Arrival) {
        let Arrival { topic, payload, at } = arrival;
        match topic.split('/').collect::<Vec<_>>().as_slice() {
            ["home", "probe", "state"] => self.probes.push(at),
            ["home", meter, "total"] => {
                self.totals.insert((*meter).to_owned(), payload.parse().unwrap_or(0));
            }
            _ => {}
        }
    }

    fn is_complete(&self, pulses: u64, probes: u64) -> bool {
        METERS.into_iter().all(|line| self.totals.get(&meter(line)).is_some_and(|total| *total >= pulses))
            && self.probes.len() as u64 > probes
    }
}

/// A client of another make, over TCP. The moment is taken when the packet was read.
fn subscribe(port: u16, clock: Arc<dyn Clock>) -> mpsc::UnboundedReceiver<Arrival> {
    let mut options = MqttOptions::new("edges", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = AsyncClient::new(options, 1_024);
    let (arrived, arrivals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        if client.subscribe("home/#", QoS::AtLeastOnce).await.is_err() {
            return;
        }
        while let Ok(event) = connection.poll().await {
            let Event::Incoming(Packet::Publish(publish)) = event else { continue };
            let payload = String::from_utf8_lossy(&publish.payload).into_owned();
            let arrival = Arrival { topic: publish.topic, payload, at: clock.moment() };
            if arrived.send(arrival).is_err() {
                return;
            }
        }
    });
    arrivals
}

/// Processor time of this process so far, in the kernel's ticks of 10 ms (proc(5), fields 14 and 15 of `stat`).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 =
        behind_name.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
