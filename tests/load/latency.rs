//! How long a message takes from one client through the broker to another, at a rate that no broker notices.

use std::net::SocketAddr;
use std::time::Duration;

use gatehouse_model::{Clock, SystemClock};

use crate::client::{Client, Memory};
use crate::ledger::{Faults, Ledger, blank, filter, stamp, topic};
use crate::poll::Poll;
use crate::wire::{put_puback, put_publish};

/// The time from one message to the next: 1,000 messages a second.
const EVERY: Duration = Duration::from_millis(1);

/// Bytes of a payload.
const BYTES: usize = 64;

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(2);

/// Numbers in the poll.
const SUBSCRIBER: usize = 0;
const PUBLISHER: usize = 1;

/// What was measured: nanoseconds of each message, and what went astray.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    pub(crate) nanos: Vec<u64>,
    pub(crate) faults: Faults,
}

/// Sends one message each millisecond for `time`.
pub(crate) fn run(address: SocketAddr, qos: u8, time: Duration) -> Result<Latency, String> {
    measure(address, qos, time).map_err(|error| error.to_string())
}

fn measure(address: SocketAddr, qos: u8, time: Duration) -> std::io::Result<Latency> {
    let poll = Poll::new()?;
    let mut subscriber = Client::connect(address, "bench-subscriber", Memory::None)?;
    subscriber.subscribe(&filter(0), qos)?;
    let mut publisher = Client::connect(address, "bench-publisher", Memory::None)?;
    for (client, number) in [(&subscriber, SUBSCRIBER), (&publisher, PUBLISHER)] {
        client.stop_blocking()?;
        poll.add(client, number)?;
    }
    let mut packet = Vec::new();
    put_publish(&mut packet, &topic(0, 0), &blank(BYTES), (qos > 0).then_some(0));
    let payload_at = packet.len() - BYTES;
    let mut ledger = Ledger::new(0, std::iter::once(0), BYTES);
    let clock = SystemClock::new();
    let start = clock.moment();
    let count = (time.as_micros() / EVERY.as_micros()) as u64;
    let mut nanos = Vec::with_capacity(count as usize);
    let (mut sent, mut end) = (0, start + time + LAST);
    while (nanos.len() as u64) < count && clock.moment() < end {
        let due = start + EVERY * sent as u32;
        let now = clock.moment();
        if sent < count && now >= due {
            // Counted from when it really goes: a late timer of this machine is not the broker's.
            stamp(&mut packet[payload_at..], 0, sent, now.since_start().as_nanos() as u64);
            if qos > 0 {
                packet[payload_at - 2..payload_at]
                    .copy_from_slice(&((sent % 65_535) as u16 + 1).to_be_bytes());
            }
            publisher.outgoing().extend_from_slice(&packet);
            publisher.flush()?;
            sent += 1;
            end = end.max(now + LAST);
            continue;
        }
        let wait = if sent < count { due.saturating_since(now) } else { LAST };
        for ready in poll.wait(wait)? {
            if ready.number == PUBLISHER {
                publisher.receive()?;
                while publisher.next().is_some() {}
                continue;
            }
            subscriber.receive()?;
            let arrived = clock.moment().since_start().as_nanos() as u64;
            let mut acknowledgements = Vec::new();
            while let Some(packet) = subscriber.next() {
                let Some(publish) = packet.publish().filter(|_| packet.is_publish()) else { continue };
                if let Some(id) = publish.id {
                    put_puback(&mut acknowledgements, id);
                }
                if let Some(left) = ledger.note(&publish) {
                    nanos.push(arrived.saturating_sub(left));
                }
            }
            subscriber.outgoing().append(&mut acknowledgements);
            subscriber.flush()?;
        }
    }
    let faults = ledger.faults(|_| sent);
    publisher.disconnect()?;
    subscriber.disconnect()?;
    Ok(Latency { nanos, faults })
}
