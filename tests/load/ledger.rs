//! What every message says, and the account of what became of it.

use std::collections::BTreeSet;

use crate::wire::Publish;

/// Bytes at the front of a payload: whose message it is, which of them, and when it was sent.
const HEAD_BYTES: usize = 4 + 8 + 8;

/// Most sequence numbers of one publisher that one subscriber remembers as missing. With more, what comes late counts
/// as a duplicate; either way the run is reported as wrong.
const MOST_MISSING: usize = 100_000;

/// The topic of a publisher. Those of one group go to the subscribers of that group.
pub(crate) fn topic(group: usize, publisher: usize) -> String {
    format!("bench/{group}/room-{publisher}/temperature")
}

/// What the subscribers of a group ask for.
pub(crate) fn filter(group: usize) -> String {
    format!("bench/{group}/#")
}

/// Writes a payload over the one of the former message: the head changes, the rest stays.
pub(crate) fn stamp(payload: &mut [u8], publisher: usize, sequence: u64, nanos: u64) {
    payload[..4].copy_from_slice(&(publisher as u32).to_be_bytes());
    payload[4..12].copy_from_slice(&sequence.to_be_bytes());
    payload[12..20].copy_from_slice(&nanos.to_be_bytes());
}

/// A payload before it is stamped. Every byte can be told from the one before, so that a shifted payload is noticed.
pub(crate) fn blank(bytes: usize) -> Vec<u8> {
    (0..bytes.max(HEAD_BYTES)).map(|index| b'a' + (index % 26) as u8).collect()
}

/// What went astray.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Never came.
    pub(crate) lost: u64,
    /// Came more than once.
    pub(crate) doubled: u64,
    /// Came after a later one of the same publisher.
    pub(crate) reordered: u64,
    /// Not what was sent.
    pub(crate) changed: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.changed += other.changed;
    }
}

/// What one subscriber has received from one publisher.
#[derive(Debug)]
struct Column {
    publisher: usize,
    topic: String,
    next: u64,
    missing: BTreeSet<u64>,
}

/// What one subscriber has received.
#[derive(Debug)]
pub(crate) struct Ledger {
    columns: Vec<Column>,
    /// What a payload is like behind its head.
    tail: Vec<u8>,
    faults: Faults,
}

impl Ledger {
    /// For a subscriber of these publishers, whose payloads have so many bytes.
    pub(crate) fn new(group: usize, publishers: impl Iterator<Item = usize>, bytes: usize) -> Self {
        let column = |publisher| Column {
            publisher,
            topic: topic(group, publisher),
            next: 0,
            missing: BTreeSet::new(),
        };
        Self {
            columns: publishers.map(column).collect(),
            tail: blank(bytes).split_off(HEAD_BYTES),
            faults: Faults::default(),
        }
    }

    /// Notes a message. Gives when it was sent; nothing when it is not one that may come now.
    pub(crate) fn note(&mut self, publish: &Publish<'_>) -> Option<u64> {
        let Some((head, tail)) = publish.payload.split_at_checked(HEAD_BYTES) else {
            self.faults.changed += 1;
            return None;
        };
        let number = |range: std::ops::Range<usize>| {
            head[range].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let (publisher, sequence, nanos) = (number(0..4) as usize, number(4..12), number(12..20));
        let first = self.columns.first().map_or(0, |column| column.publisher);
        let step = self.columns.get(1).map_or(1, |column| column.publisher - first);
        // Publishers of one group have numbers at equal distances.
        let column = publisher.checked_sub(first).and_then(|far| self.columns.get_mut(far / step));
        let Some(column) = column.filter(|column| {
            column.publisher == publisher && publish.topic == column.topic.as_bytes() && tail == self.tail
        }) else {
            self.faults.changed += 1;
            return None;
        };
        if sequence == column.next {
            column.next += 1;
        } else if sequence > column.next {
            let room = (MOST_MISSING - column.missing.len().min(MOST_MISSING)) as u64;
            let gap = sequence - column.next;
            column.missing.extend(column.next..column.next + gap.min(room));
            self.faults.lost += gap.saturating_sub(room);
            column.next = sequence + 1;
        } else if column.missing.remove(&sequence) {
            self.faults.reordered += 1;
        } else {
            self.faults.doubled += 1;
            return None;
        }
        Some(nanos)
    }

    /// What went astray, when `published` tells how many messages of a publisher there were.
    pub(crate) fn faults(&self, published: impl Fn(usize) -> u64) -> Faults {
        let mut faults = self.faults;
        for column in &self.columns {
            let never = published(column.publisher).saturating_sub(column.next);
            faults.lost += column.missing.len() as u64 + never;
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(ledger: &mut Ledger, publisher: usize, sequence: u64) -> Option<u64> {
        let mut payload = blank(64);
        stamp(&mut payload, publisher, sequence, 7);
        let topic = topic(0, publisher);
        ledger.note(&Publish { topic: topic.as_bytes(), id: None, payload: &payload })
    }

    #[test]
    fn every_kind_of_fault_is_counted_as_what_it_is() {
        let mut ledger = Ledger::new(0, [3, 5].into_iter(), 64);
        assert_eq!(receive(&mut ledger, 3, 0), Some(7));
        assert_eq!(receive(&mut ledger, 3, 0), None, "doubled");
        assert_eq!(receive(&mut ledger, 3, 3), Some(7), "1 and 2 are missing");
        assert_eq!(receive(&mut ledger, 3, 1), Some(7), "late");
        assert_eq!(receive(&mut ledger, 4, 0), None, "nobody's");
        let payload = vec![0; 64];
        assert_eq!(ledger.note(&Publish { topic: b"bench/0", id: None, payload: &payload }), None);
        let published = |publisher| if publisher == 3 { 5 } else { 1 };
        let expected = Faults { lost: 2 + 1, doubled: 1, reordered: 1, changed: 2 };
        assert_eq!(ledger.faults(published), expected);
    }
}
