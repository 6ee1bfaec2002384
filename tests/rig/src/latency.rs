//! From an edge at a pin to the message in a phone's hands.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS, RecvTimeoutError};

use crate::pulls::Pull;
use crate::{say, time};

/// A message that takes longer than this is lost.
const LIMIT: Duration = Duration::from_secs(10);
/// Rest between two edges: a button is not pressed more often, and each edge finds the daemon idle.
const REST: Duration = Duration::from_millis(50);
/// Requests that the client keeps before it sends them; there is one.
const REQUESTS: usize = 10;

/// Throws a line, waits for its new state on `topic`, and says after `count` rounds how long it took.
pub(crate) fn measure(address: SocketAddr, topic: &str, count: usize, pull: &Path) -> Result<()> {
    ensure!(count > 0, "measure at least once");
    let mut options = MqttOptions::new("rig-latency", address.ip().to_string(), address.port());
    options.set_credentials(
        env::var("RIG_USER").context("RIG_USER")?,
        env::var("RIG_PASSWORD").context("RIG_PASSWORD")?,
    );
    let (client, mut connection) = Client::new(options, REQUESTS);
    client.subscribe(topic, QoS::AtLeastOnce)?;
    wait(&mut connection, |packet| matches!(packet, Packet::SubAck(_)).then_some(()))
        .context("subscribing")?;
    let mut pull = Pull::open(pull)?;
    // What is retained, and what the line's first level brings, is not an answer to an edge of ours.
    drain(&mut connection, Duration::from_secs(2))?;

    let mut times = Vec::with_capacity(count);
    let mut last = None;
    for round in 0..count {
        let before = time::now();
        pull.toggle()?;
        let payload = wait(&mut connection, message).with_context(|| format!("edge {round}"))?;
        times.push(time::now() - before);
        ensure!(last.as_ref() != Some(&payload), "edge {round}: the state stayed {payload:?}");
        last = Some(payload);
        drain(&mut connection, REST)?;
    }
    if pull.is_up() {
        pull.toggle()?;
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
    say(&format!(
        "count={count} min_ms={:.2} median_ms={:.2} p95_ms={:.2} max_ms={:.2}",
        at(0.0),
        at(0.5),
        at(0.95),
        at(1.0)
    ))
}

fn message(packet: Packet) -> Option<Vec<u8>> {
    match packet {
        Packet::Publish(publish) if !publish.retain => Some(publish.payload.to_vec()),
        _ => None,
    }
}

/// Waits for a packet that is wanted.
fn wait<T>(connection: &mut Connection, wanted: impl Fn(Packet) -> Option<T>) -> Result<T> {
    let until = time::now() + LIMIT;
    loop {
        match connection.recv_timeout(until.saturating_sub(time::now())) {
            Ok(Ok(Event::Incoming(packet))) => {
                if let Some(found) = wanted(packet) {
                    return Ok(found);
                }
            }
            Ok(Ok(Event::Outgoing(_))) => {}
            Ok(Err(problem)) => return Err(problem.into()),
            Err(RecvTimeoutError::Timeout) => bail!("nothing came within {} s", LIMIT.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("the connection ended"),
        }
    }
}

/// Takes what comes until nothing has come for a while.
fn drain(connection: &mut Connection, quiet: Duration) -> Result<()> {
    loop {
        match connection.recv_timeout(quiet) {
            Ok(Ok(_)) => {}
            Ok(Err(problem)) => return Err(problem.into()),
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the connection ended"),
        }
    }
}
