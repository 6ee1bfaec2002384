//! What is taken along, and where to.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

/// Memory, where this machine has some that everybody may use.
fn memory() -> Option<TempDir> {
    let shared = Path::new("/dev/shm");
    is_in_memory(shared).then(|| TempDir::new_in(shared).unwrap())
}

/// Data that a gateway left.
fn left() -> TempDir {
    let data = TempDir::new().unwrap();
    for (name, content) in [
        ("gatehouse.db", "accounts"),
        ("gatehouse.db-wal", "log"),
        ("broker.db", "sessions"),
        ("history.db", "years"),
    ] {
        std::fs::write(data.path().join(name), content).unwrap();
    }
    std::fs::write(data.path().join(paths::LOCK_FILE), "").unwrap();
    std::fs::create_dir(data.path().join(paths::TLS_DIRECTORY)).unwrap();
    std::fs::write(data.path().join("tls/ca.key"), "secret").unwrap();
    data
}

fn names(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_needed_is_copied_for_its_owner_alone_and_history_stays() {
    let Some(memory) = memory() else { return };
    let data = left();
    let home = take_in(data.path(), Why::ReadOnly, &[memory.path().to_owned()]).unwrap();
    assert_eq!(names(home.directory()), ["broker.db", "gatehouse.db", "gatehouse.db-wal", "tls"]);
    assert_eq!(std::fs::read_to_string(home.directory().join("tls/ca.key")).unwrap(), "secret");
    assert_eq!(std::fs::metadata(home.directory()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(home.data(), data.path());
    let refusal = home.stranded().unwrap().refusal();
    assert!(refusal.contains("is read-only") && refusal.contains("restart the machine"), "{refusal}");
    // As long as it runs nobody else does; and after a crash the next one begins anew.
    assert!(take_in(data.path(), Why::Full, &[memory.path().to_owned()]).is_err());
    std::fs::write(home.directory().join("left.json"), "by a run that crashed").unwrap();
    drop(home);
    let home = take_in(data.path(), Why::Full, &[memory.path().to_owned()]).unwrap();
    assert!(!home.directory().join("left.json").exists());
    assert!(home.stranded().unwrap().refusal().contains("make room"));
    // On a disk that can be written nothing of it is left.
    let place = home.directory().to_owned();
    drop(home);
    forget_left(data.path(), &place).unwrap();
    assert!(!place.exists());
}

/// A house with a crowd of sessions that wait: it switches without them.
#[test]
fn a_broker_that_kept_more_than_fits_is_left_out_whole() {
    let Some(memory) = memory() else { return };
    let data = left();
    std::fs::write(data.path().join("broker.db-wal"), "the newest").unwrap();
    let file = OpenOptions::new().write(true).open(data.path().join("broker.db-wal")).unwrap();
    file.set_len(MAX_COPIED_BYTES).unwrap();
    let home = take_in(data.path(), Why::ReadOnly, &[memory.path().to_owned()]).unwrap();
    assert_eq!(names(home.directory()), ["gatehouse.db", "gatehouse.db-wal", "tls"]);
}

/// `/dev/shm` is everybody's: who knows the name could have made it before, as a way to other files.
#[test]
fn what_somebody_else_has_put_there_is_neither_used_nor_followed() {
    let Some(memory) = memory() else { return };
    let (data, other) = (left(), TempDir::new().unwrap());
    std::fs::write(other.path().join("precious"), "").unwrap();
    let place = places(data.path(), &[memory.path().to_owned()]).remove(0);
    symlink(other.path(), &place).unwrap();
    let problem = take_in(data.path(), Why::ReadOnly, &[memory.path().to_owned()]).unwrap_err().to_string();
    assert!(problem.contains("cannot be made"), "{problem}");
    assert_eq!(names(other.path()), ["precious"]);
}

#[test]
fn without_memory_or_accounts_there_is_no_start_and_the_reason_is_told() {
    let data = left();
    // A disk is no memory.
    let disk = TempDir::new().unwrap();
    let bases: Vec<PathBuf> =
        Some(disk.path().to_owned()).into_iter().filter(|base| !is_in_memory(base)).collect();
    let problem = take_in(data.path(), Why::Failing, &bases).unwrap_err().to_string();
    assert!(problem.contains("fails") && problem.contains("no file system in memory"), "{problem}");
    std::fs::remove_file(data.path().join(paths::ACCOUNTS_FILE)).unwrap();
    let problem = take_in(data.path(), Why::Full, &bases).unwrap_err().to_string();
    assert!(problem.contains("no gateway was ever set up"), "{problem}");
    assert!(why_not_writable(data.path()).is_none() && !data.path().join(probe::TRIED).exists());
}
