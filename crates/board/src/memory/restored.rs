//! The memory of a backup that takes the place of the present one: counters go back to what they were, outputs do not.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::MemoryError;
use super::disk::FileDisk;
use super::record::{Entry, Record};
use super::slots::{failed, open, read};
use super::{BTreeMap, OutputMemory};

/// Makes the memory of a backup one that a house can start with: totals and amounts stay those of the backup, and what is
/// known of the outputs comes from the `present` memory of the house. What was on when the backup was made must not come on
/// by it, and a fault or a rest since then is not forgotten. Where the present memory is not there or cannot be used, nothing
/// is known of any output, which is then started as one that was never seen.
///
/// The present one is only read, and may be in use. A `restored` one that cannot be used is left as it is, so that the start
/// tells of it.
///
/// # Errors
/// When one of the files cannot be read, or the restored one cannot be written.
pub fn keep_outputs(restored: &Path, present: &Path) -> Result<(), MemoryError> {
    let outputs = outputs_of(present).map_err(|error| failed(present, &error))?;
    let found = FileDisk::open(restored).and_then(|mut disk| read(&mut disk));
    if found.map_err(|error| failed(restored, &error))?.is_lost {
        return Ok(());
    }
    let (mut slots, record, _) = open(restored)?;
    let record = Record { outputs, ..record };
    // Into both slots: damage of one must not bring the outputs of the backup back.
    slots.write(&record)?;
    slots.write(&record)
}

fn outputs_of(file: &Path) -> io::Result<BTreeMap<String, Entry<OutputMemory>>> {
    match FileDisk::open_to_read(file) {
        Ok(mut disk) => Ok(read(&mut disk)?.record.outputs),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatehouse_model::{DeviceId, ManualClock, PropertyId, Timestamp};

    use super::super::Memory;
    use super::super::record::SLOT_BYTES;
    use super::*;

    /// A memory with a total and an output.
    async fn keep(file: &Path, pulses: u64, level: f64, had_fault: bool) {
        let (memory, _) = Memory::open(file, Arc::new(ManualClock::new(Timestamp::from_millis(0)))).unwrap();
        let (device, property) = ids();
        memory.set_total(&device, &property, pulses, super::super::DEFAULT_SAVE_EVERY);
        let output = OutputMemory {
            commanded: Some((level, 0)),
            had_fault,
            ..OutputMemory::of_level(level, Timestamp::from_millis(0), true)
        };
        memory.remember_output(&device, output);
        memory.flush().await.unwrap();
    }

    fn ids() -> (DeviceId, PropertyId) {
        (DeviceId::new("pump").unwrap(), PropertyId::new("total").unwrap())
    }

    fn found(file: &Path) -> (Option<u64>, Option<(f64, bool)>) {
        let (memory, _) = Memory::open(file, Arc::new(ManualClock::new(Timestamp::from_millis(0)))).unwrap();
        let (device, property) = ids();
        let output = memory.output(&device).map(|output| (output.level, output.had_fault));
        (memory.total(&device, &property), output)
    }

    #[tokio::test]
    async fn counters_come_from_the_backup_and_outputs_from_the_house() {
        let place = tempfile::tempdir().unwrap();
        let (restored, present) = (place.path().join("restored"), place.path().join("present"));
        keep(&restored, 40, 1.0, false).await;
        keep(&present, 90, 0.0, true).await;
        keep_outputs(&restored, &present).unwrap();
        assert_eq!(found(&present), (Some(90), Some((0.0, true))), "it is as it was");
        let whole = std::fs::read(&restored).unwrap();
        for damaged in [0, SLOT_BYTES] {
            let mut bytes = whole.clone();
            bytes[damaged + 80] ^= 1;
            std::fs::write(&restored, bytes).unwrap();
            assert_eq!(found(&restored), (Some(40), Some((0.0, true))));
        }
    }

    #[tokio::test]
    async fn where_nothing_is_known_of_the_outputs_the_backup_does_not_tell_it() {
        let place = tempfile::tempdir().unwrap();
        let (restored, present) = (place.path().join("restored"), place.path().join("present"));
        keep(&restored, 40, 1.0, false).await;
        keep_outputs(&restored, &present).unwrap();
        assert_eq!(found(&restored), (Some(40), None));
        assert!(!present.exists());
        keep(&restored, 41, 1.0, false).await;
        std::fs::write(&present, "nothing that anybody can read").unwrap();
        keep_outputs(&restored, &present).unwrap();
        assert_eq!(found(&restored), (Some(41), None));
        std::fs::write(&restored, "neither this").unwrap();
        keep_outputs(&restored, &present).unwrap();
        assert_eq!(std::fs::read_to_string(&restored).unwrap(), "neither this");
    }
}
