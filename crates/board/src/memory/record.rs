//! What is remembered, and how it stands in a slot.

use std::collections::BTreeMap;

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::OutputMemory;

/// What a slot begins with: the name and the version of the format, which is told apart before anything else is read.
const NAME: &str = "gatehouse-board";
const VERSION: u32 = 1;

/// Bytes of the line before the payload: name, version, sequence number, length and CRC with their blanks and the end of
/// the line.
const HEADER_BYTES: usize = NAME.len() + 1 + 1 + 1 + 20 + 1 + 8 + 1 + 8 + 1;

/// Bytes of a slot. A full record of [`super::MAX_REMEMBERED`] entries with the longest ids takes about 375 KiB.
pub(super) const SLOT_BYTES: usize = 512 * 1_024;

/// One value with the wall-clock time of its last change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) at: Timestamp,
    /// Whether somebody wrote it since the process started: then it is in use and is not forgotten.
    #[serde(skip)]
    pub(super) is_of_this_run: bool,
}

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Pulses, by `device/property`.
    #[serde(default)]
    pub(super) totals: BTreeMap<String, Entry<u64>>,
    /// Amounts, by `device/property`.
    #[serde(default)]
    pub(super) amounts: BTreeMap<String, Entry<f64>>,
    /// Outputs, by device.
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, Entry<OutputMemory>>,
}

/// Where an entry stands.
enum Place {
    Total(String),
    Amount(String),
    Output(String),
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.totals.len() + self.amounts.len() + self.outputs.len()
    }

    /// Forgets what nobody has written in this run, the oldest first, until there are no more than `most`.
    pub(super) fn forget_beyond(&mut self, most: usize) {
        while self.len() > most {
            let Some(place) = self.oldest_unused() else {
                // More than that are in use, which the limit of devices rules out.
                return;
            };
            let forgotten = match place {
                Place::Total(key) => self.totals.remove_entry(&key).map(|(key, _)| key),
                Place::Amount(key) => self.amounts.remove_entry(&key).map(|(key, _)| key),
                Place::Output(key) => self.outputs.remove_entry(&key).map(|(key, _)| key),
            };
            tracing::warn!(?forgotten, "the board remembers {most} things at most and forgot the oldest");
        }
    }

    fn oldest_unused(&self) -> Option<Place> {
        fn of<T>(
            entries: &BTreeMap<String, Entry<T>>,
            place: fn(String) -> Place,
        ) -> impl Iterator<Item = (Timestamp, Place)> {
            let unused = entries.iter().filter(|(_, entry)| !entry.is_of_this_run);
            unused.map(move |(key, entry)| (entry.at, place(key.clone())))
        }
        let all = of(&self.totals, Place::Total)
            .chain(of(&self.amounts, Place::Amount))
            .chain(of(&self.outputs, Place::Output));
        all.min_by_key(|(at, _)| *at).map(|(_, place)| place)
    }
}

/// A slot's bytes: a line with name, version, sequence number, length and CRC, then JSON.
pub(super) fn encode(record: &Record, sequence: u64) -> Vec<u8> {
    // A record is made of texts, whole numbers, times and finite numbers, which always have a JSON form.
    let payload = serde_json::to_vec(record).unwrap_or_default();
    let protected = format!("{sequence:020} {:08}", payload.len());
    let crc = crc_of(&protected, &payload);
    let mut bytes = format!("{NAME} {VERSION} {protected} {crc:08x}\n").into_bytes();
    bytes.extend_from_slice(&payload);
    bytes
}

fn crc_of(protected: &str, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(protected.as_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// What a slot holds.
#[derive(Debug)]
pub(super) enum Slot {
    /// Nothing was written there yet.
    Blank,
    /// A whole record.
    Whole { sequence: u64, record: Box<Record> },
    /// Something that cannot be used, and why.
    Damaged(String),
}

/// Reads a slot.
pub(super) fn decode(bytes: &[u8]) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Blank;
    }
    match whole(bytes) {
        Ok((sequence, record)) => Slot::Whole { sequence, record: Box::new(record) },
        Err(problem) => Slot::Damaged(problem),
    }
}

fn whole(bytes: &[u8]) -> Result<(u64, Record), String> {
    let header = bytes.get(..HEADER_BYTES).and_then(|header| std::str::from_utf8(header).ok());
    let header = header.and_then(|header| header.strip_suffix('\n')).ok_or("its first line is no header")?;
    let mut words = header.split(' ');
    let mut word = || words.next().unwrap_or_default();
    if word() != NAME {
        return Err("its first line is no header".to_owned());
    }
    let version = word();
    if version != VERSION.to_string() {
        return Err(format!("it was written in format {version}, and this version reads format {VERSION}"));
    }
    let (sequence, length, crc) = (word(), word(), word());
    let protected = format!("{sequence} {length}");
    let length: usize = length.parse().map_err(|_| "its length is no number")?;
    let crc = u32::from_str_radix(crc, 16).map_err(|_| "its checksum is no number")?;
    let payload = bytes.get(HEADER_BYTES..).and_then(|rest| rest.get(..length)).ok_or("it is cut off")?;
    if crc_of(&protected, payload) != crc {
        return Err("its checksum is wrong".to_owned());
    }
    let sequence = sequence.parse().map_err(|_| "its sequence number is no number")?;
    let record = serde_json::from_slice(payload).map_err(|error| format!("its content: {error}"))?;
    Ok((sequence, record))
}
