//! Power cuts, torn writes and damage, on a disk that is simulated, and the real file with its thread.

use std::io;
use std::sync::Arc;

use gatehouse_model::{ManualClock, SystemClock};
use proptest::prelude::*;

use super::disk::Disk;
use super::record::SLOT_BYTES;
use super::slots::{Found, Slots, read};
use super::*;

/// The smallest piece that a medium writes whole or not at all.
const SECTOR: usize = 512;

/// A disk that keeps what was synchronised, and of the rest whatever it likes.
#[derive(Clone, Default)]
struct FickleDisk(Arc<Mutex<Medium>>);

#[derive(Default)]
struct Medium {
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    refuses: bool,
}

impl FickleDisk {
    fn new() -> Self {
        let disk = Self::default();
        disk.medium().durable = vec![0; 2 * SLOT_BYTES];
        disk
    }

    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.0.lock().unwrap()
    }

    /// The power goes: each sector that was not synchronised is written or not, as `luck` says.
    fn lose_power(&self, mut luck: impl FnMut() -> bool) {
        let mut medium = self.medium();
        for (offset, bytes) in std::mem::take(&mut medium.pending) {
            for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                if luck() {
                    let at = offset + number * SECTOR;
                    medium.durable[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
    }
}

impl Disk for FickleDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let medium = self.medium();
        let mut bytes = medium.durable.clone();
        for (offset, pending) in &medium.pending {
            bytes[*offset..offset + pending.len()].copy_from_slice(pending);
        }
        Ok(bytes)
    }

    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut medium = self.medium();
        if medium.refuses {
            return Err(io::Error::other("no space left on device"));
        }
        medium.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.lose_power(|| true);
        Ok(())
    }
}

fn meter() -> (DeviceId, PropertyId) {
    (DeviceId::new("water").unwrap(), PropertyId::new("total").unwrap())
}

/// A record of several sectors, so that it can be torn, that says `pulses` in each of its entries.
fn record(pulses: u64) -> Record {
    let mut record = Record::default();
    for meter in 0..40 {
        let entry = Entry { value: pulses, at: Timestamp::from_millis(0), is_of_this_run: false };
        record.totals.insert(format!("meter-{meter}/total"), entry);
    }
    record
}

fn pulses_of(found: &Found) -> u64 {
    let totals: Vec<u64> = found.record.totals.values().map(|entry| entry.value).collect();
    assert!(totals.windows(2).all(|pair| pair[0] == pair[1]), "a mixture of two records was taken");
    totals.first().copied().unwrap_or(0)
}

fn slots_of(disk: &FickleDisk) -> (Slots, Found) {
    let found = read(&mut disk.clone()).unwrap();
    (Slots::new(Box::new(disk.clone()), "board.state".into(), found.sequence, found.next), found)
}

proptest! {
    // Each case moves half a megabyte about a few times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever the power goes, the record that was last said to be kept is there, or the one that was being written.
    #[test]
    fn a_power_cut_costs_at_most_the_record_that_was_being_written(
        lives in proptest::collection::vec((0u64..6, proptest::collection::vec(any::<bool>(), 12)), 1..12)
    ) {
        let disk = FickleDisk::new();
        slots_of(&disk).0.write(&record(0)).unwrap();
        let (mut kept, mut written) = (0, 0);
        for (records, luck) in lives {
            let (mut slots, found) = slots_of(&disk);
            let pulses = pulses_of(&found);
            prop_assert!(pulses == kept || pulses == written, "{pulses} of {kept} or {written}");
            prop_assert!(!found.is_lost);
            // What was torn is told, and nothing else is.
            prop_assert!(found.problem.is_none() || pulses == kept);
            kept = pulses;
            for _ in 0..records {
                slots.write(&record(kept + 1)).unwrap();
                kept += 1;
            }
            // The last write is interrupted before its synchronisation.
            written = kept + 1;
            let bytes = record::encode(&record(written), found.sequence + records + 1);
            let next = if records % 2 == 0 { found.next } else { 1 - found.next };
            disk.clone().write_at(next * SLOT_BYTES, &bytes).unwrap();
            let mut luck = luck.into_iter().cycle();
            disk.lose_power(|| luck.next().unwrap_or(true));
        }
    }

    /// One flipped bit anywhere costs one record and is told.
    #[test]
    fn a_flipped_bit_is_noticed(records in 1u64..6, slot in 0usize..2, place in 0usize..3_000, bit in 0u8..8) {
        let disk = FickleDisk::new();
        let (mut slots, _) = slots_of(&disk);
        for pulses in 1..=records {
            slots.write(&record(pulses)).unwrap();
        }
        disk.medium().durable[slot * SLOT_BYTES + place] ^= 1 << bit;
        let (mut slots, found) = slots_of(&disk);
        let pulses = pulses_of(&found);
        prop_assert!(pulses == records || pulses + 1 == records, "{pulses} of {records}");
        if pulses < records {
            prop_assert!(found.problem.is_some(), "a total went back and nobody was told");
        }
        // The next record takes the place of the damaged one, and everything is well again.
        slots.write(&record(records + 1)).unwrap();
        let (_, found) = slots_of(&disk);
        prop_assert_eq!(pulses_of(&found), records + 1);
    }

    /// A file of any length and content is read without a panic.
    #[test]
    fn no_file_is_too_strange(length in 0usize..SLOT_BYTES + 4_000, noise in proptest::collection::vec(any::<u8>(), 0..80)) {
        let disk = FickleDisk::new();
        let (mut slots, _) = slots_of(&disk);
        slots.write(&record(7)).unwrap();
        slots.write(&record(8)).unwrap();
        let mut medium = disk.medium();
        medium.durable.truncate(length);
        let count = noise.len().min(length);
        medium.durable[..count].copy_from_slice(&noise[..count]);
        drop(medium);
        let found = read(&mut disk.clone()).unwrap();
        prop_assert!([0, 7, 8].contains(&pulses_of(&found)));
        prop_assert!(pulses_of(&found) == 8 || found.problem.is_some() || length < SLOT_BYTES);
    }
}

#[test]
fn after_a_write_that_failed_the_whole_slot_is_left_alone() {
    let disk = FickleDisk::new();
    let (mut slots, _) = slots_of(&disk);
    slots.write(&record(1)).unwrap();
    for _ in 0..3 {
        disk.medium().refuses = true;
        let error = slots.write(&record(2)).unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
        disk.medium().refuses = false;
        disk.lose_power(|| false);
        assert_eq!(pulses_of(&slots_of(&disk).1), 1);
    }
    slots.write(&record(2)).unwrap();
    assert_eq!(pulses_of(&slots_of(&disk).1), 2);
}

#[test]
fn the_largest_record_fits_into_its_slot() {
    let mut record = Record::default();
    for number in 0..MAX_REMEMBERED {
        let key = format!("{number:0>32}");
        let value = OutputMemory {
            level: 0.123_456_789_012_345_67,
            changed: Timestamp::from_millis(0),
            clock_was_set: false,
            position: Some(0.123_456_789_012_345_67),
            travel: Some(u32::MAX),
            commanded: Some((0.123_456_789_012_345_67, u64::MAX)),
            since_change_ms: Some(u64::MAX),
            away_ms: Some(u64::MAX),
            used_ms: Some(u64::MAX),
            rests_ms: Some(u64::MAX),
            had_fault: false,
        };
        let entry = Entry { value, at: Timestamp::from_millis(0), is_of_this_run: true };
        record.outputs.insert(key, entry);
    }
    let bytes = record::encode(&record, u64::MAX);
    assert!(bytes.len() <= SLOT_BYTES, "{} bytes", bytes.len());
}

#[test]
fn at_the_limit_the_oldest_that_nobody_uses_is_forgotten() {
    let mut record = record(5);
    record.totals.get_mut("meter-3/total").unwrap().at = Timestamp::from_millis(-1);
    record.totals.get_mut("meter-4/total").unwrap().at = Timestamp::from_millis(-2);
    record.totals.get_mut("meter-4/total").unwrap().is_of_this_run = true;
    record.forget_beyond(39);
    assert!(!record.totals.contains_key("meter-3/total") && record.totals.contains_key("meter-4/total"));
    assert_eq!(record.len(), 39);
}

fn open(path: &Path) -> (Memory, MemoryNotice) {
    Memory::open(path, Arc::new(SystemClock::new())).unwrap()
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_and_people_can_read_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("board.state");
    let (device, property) = meter();
    let output = OutputMemory::of_level(1.0, Timestamp::from_millis(1_795_252_440_250), true);
    {
        let (memory, notice) = open(&path);
        assert_eq!(notice, MemoryNotice::Fresh);
        let mark = memory.set_total(&device, &property, 41, Duration::ZERO);
        memory.kept(mark).await.unwrap();
        memory.set_total(&device, &property, 42, Duration::from_secs(3_600));
        memory.set_amount(&device, &property, 2.5, Duration::from_secs(3_600));
        memory.set_amount(&device, &property, f64::NAN, Duration::ZERO);
        memory.remember_output(&DeviceId::new("heater").unwrap(), output);
        memory.flush().await.unwrap();
    }
    let (memory, notice) = open(&path);
    assert_eq!(notice, MemoryNotice::Whole);
    assert_eq!(memory.total(&device, &property), Some(42));
    assert_eq!(memory.amount(&device, &property), Some(2.5));
    assert_eq!(memory.output(&DeviceId::new("heater").unwrap()), Some(output));
    assert_eq!(memory.output(&device), None);
    let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    assert!(text.contains("\"water/total\":{\"value\":42"), "{}", &text[..200]);
}

#[tokio::test]
async fn a_file_that_is_damaged_throughout_is_put_aside_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("board.state");
    std::fs::write(&path, "this is no memory").unwrap();
    let (memory, notice) = open(&path);
    let MemoryNotice::Lost { kept_as, .. } = &notice else { panic!("{notice:?}") };
    assert!(notice.may_have_lost() && notice.to_string().contains("board.state.damaged"));
    assert_eq!(std::fs::read_to_string(kept_as).unwrap(), "this is no memory");
    let (device, property) = meter();
    memory.set_total(&device, &property, 1, Duration::ZERO);
    memory.flush().await.unwrap();
    drop(memory);
    assert_eq!(open(&path).1, MemoryNotice::Whole);
}

#[tokio::test]
async fn nothing_is_written_while_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("board.state");
    let (memory, _) = open(&path);
    let (device, property) = meter();
    memory.set_total(&device, &property, 1, Duration::ZERO);
    memory.flush().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    memory.set_total(&device, &property, 1, Duration::ZERO);
    memory.flush().await.unwrap();
    assert!(before == std::fs::read(&path).unwrap(), "the same total was written again");
}

#[tokio::test]
async fn a_volatile_memory_keeps_at_once() {
    let memory = Memory::volatile(Arc::new(ManualClock::new(Timestamp::from_millis(0))));
    let (device, property) = meter();
    let mark = memory.set_total(&device, &property, 9, Duration::from_secs(60));
    memory.kept(mark).await.unwrap();
    memory.flush().await.unwrap();
    assert_eq!(memory.clone().total(&device, &property), Some(9));
}
