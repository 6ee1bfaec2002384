//! How fast the MQTT codec is, and what it does with a million spoiled packets of each version.
//!
//! `cargo run --release -p gatehouse-broker --example codec_throughput`
//!
//! It measures the codec that the broker uses (rmqtt-codec) on PUBLISH packets with a topic of 22 bytes, on one core.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to tell")]

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gatehouse_model::{Clock, Randomness, SeededRandomness, SystemClock};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

const TOPIC: &str = "casa/ático/temperatura";

/// Packets of one measurement: enough for a tenth of a second at ten million a second.
const PACKETS: usize = 1_000_000;

/// Bytes in one buffer: one read of a busy socket.
const BUFFER: usize = 64 * 1_024;

const SPOILED: usize = 1_000_000;

fn publish(payload: usize, version_5: bool) -> Publish {
    Publish {
        dup: false,
        retain: false,
        qos: QoS::AtMostOnce,
        topic: TOPIC.into(),
        packet_id: None,
        payload: Bytes::from(vec![b'x'; payload]),
        properties: version_5.then(v5::PublishProperties::default),
    }
}

/// Calls `work` until [`PACKETS`] are done; it tells how many it did.
fn measure(clock: &SystemClock, what: &str, bytes_each: usize, mut work: impl FnMut() -> usize) {
    let start = clock.moment();
    let mut done = 0;
    while done < PACKETS {
        done += work();
    }
    let took = clock.moment().saturating_since(start).max(Duration::from_nanos(1));
    let rate = done as f64 / took.as_secs_f64();
    println!(
        "  {what:<44} {:>6.2} million/s {:>7.0} MB/s {:>5.0} ns each",
        rate / 1e6,
        rate * bytes_each as f64 / 1e6,
        1e9 / rate
    );
}

fn throughput(clock: &SystemClock, payload: usize) {
    println!("PUBLISH with {payload} bytes of payload");
    let mut one = BytesMut::new();
    v3::Codec::default().encode(v3::Packet::Publish(Box::new(publish(payload, false))), &mut one).unwrap();
    let size = one.len();
    let in_one = BUFFER / size;
    let batch = one.repeat(in_one);
    measure(clock, "rmqtt-codec decode 3.1.1", size, || {
        let mut bytes = BytesMut::from(&batch[..]);
        let mut codec = v3::Codec::default();
        std::iter::from_fn(|| codec.decode(&mut bytes).unwrap()).map(black_box).count()
    });
    let message = publish(payload, false);
    measure(clock, "rmqtt-codec encode 3.1.1", size, || {
        let mut bytes = BytesMut::with_capacity(batch.len());
        let mut codec = v3::Codec::default();
        for _ in 0..in_one {
            codec.encode(v3::Packet::Publish(Box::new(message.clone())), &mut bytes).unwrap();
        }
        black_box(bytes);
        in_one
    });
    let mut one_v5 = BytesMut::new();
    v5::Codec::default().encode(v5::Packet::Publish(Box::new(publish(payload, true))), &mut one_v5).unwrap();
    let batch_v5 = one_v5.repeat(in_one);
    measure(clock, "rmqtt-codec decode 5", size + 1, || {
        let mut bytes = BytesMut::from(&batch_v5[..]);
        let mut codec = v5::Codec::default();
        std::iter::from_fn(|| codec.decode(&mut bytes).unwrap()).map(black_box).count()
    });
    let message_v5 = publish(payload, true);
    measure(clock, "rmqtt-codec encode 5", size + 1, || {
        let mut bytes = BytesMut::with_capacity(batch_v5.len());
        let mut codec = v5::Codec::default();
        for _ in 0..in_one {
            codec.encode(v5::Packet::Publish(Box::new(message_v5.clone())), &mut bytes).unwrap();
        }
        black_box(bytes);
        in_one
    });
}

/// Good packets of every kind, in the version that is asked for.
fn good_packets(version_5: bool) -> Vec<Vec<u8>> {
    let level = if version_5 { 5 } else { 4 };
    let properties: &[u8] = if version_5 { &[0] } else { &[] };
    let packet = |first: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[first, body.len() as u8], &body[..]].concat()
    };
    let user_property: &[u8] = if version_5 { &[7, 0x26, 0, 1, b'a', 0, 1, b'b'] } else { &[] };
    vec![
        packet(
            0x10,
            &[
                b"\0\x04MQTT",
                &[level, 0b1110_1110, 0, 60],
                properties,
                b"\0\x01c",
                properties,
                b"\0\x04will\0\x01x\0\x03bar\0\x03pwd",
            ],
        ),
        packet(0x30, &[b"\0\x06casa/a", user_property, b"21.5"]),
        packet(0x32, &[b"\0\x06casa/a", &[0, 9], user_property, b"21.5"]),
        packet(0x40, &[&[0, 1]]),
        packet(0x50, &[&[0, 2]]),
        packet(0x62, &[&[0, 3]]),
        packet(0x70, &[&[0, 4]]),
        packet(0x82, &[&[0, 5], properties, b"\0\x06casa/+", &[1]]),
        packet(0xA2, &[&[0, 6], properties, b"\0\x06casa/+"]),
        packet(0xC0, &[]),
        packet(0xE0, &[]),
    ]
}

/// Changes one to four bytes, or cuts, or inserts.
fn spoil(packet: &[u8], random: &SeededRandomness) -> Vec<u8> {
    let mut dice = [0u8; 16];
    random.fill(&mut dice);
    let mut bytes = packet.to_vec();
    for spoils in dice[4..].chunks_exact(3).take(1 + usize::from(dice[0] % 4)) {
        let place = usize::from(spoils[0]) % bytes.len();
        match spoils[1] % 8 {
            0 => bytes.truncate(place.max(2)),
            1 => bytes.insert(place, spoils[2]),
            2..=4 => bytes[place] ^= 1 << (spoils[2] % 8),
            _ => bytes[place] = spoils[2],
        }
    }
    bytes
}

#[derive(Default)]
struct Outcome {
    packets: usize,
    waiting: usize,
    errors: usize,
    panics: usize,
}

fn try_spoiled(what: &str, version_5: bool, mut read: impl FnMut(&[u8]) -> Result<bool, ()>) {
    let random = SeededRandomness::new(1);
    let packets = good_packets(version_5);
    let mut outcome = Outcome::default();
    for number in 0..SPOILED {
        let bytes = spoil(&packets[number % packets.len()], &random);
        match catch_unwind(AssertUnwindSafe(|| read(&bytes))) {
            Ok(Ok(true)) => outcome.packets += 1,
            Ok(Ok(false)) => outcome.waiting += 1,
            Ok(Err(())) => outcome.errors += 1,
            Err(_) => outcome.panics += 1,
        }
    }
    let Outcome { packets, waiting, errors, panics } = outcome;
    println!(
        "  {what:<32} {errors:>7} errors {waiting:>7} incomplete {packets:>7} still packets {panics} panics"
    );
}

fn main() {
    let clock = SystemClock::new();
    for payload in [64, 1_024] {
        throughput(&clock, payload);
    }
    println!("{SPOILED} spoiled packets each");
    try_spoiled("rmqtt-codec 3.1.1", false, |bytes| {
        let read = v3::Codec::new(65_536).decode(&mut BytesMut::from(bytes));
        read.map(|packet| packet.is_some()).map_err(|_| ())
    });
    try_spoiled("rmqtt-codec 5", true, |bytes| {
        let read = v5::Codec::new(65_536, 0).decode(&mut BytesMut::from(bytes));
        read.map(|packet| packet.is_some()).map_err(|_| ())
    });
}
