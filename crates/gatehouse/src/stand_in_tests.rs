//! What is taken along, and where to.

use std::fs::OpenOptions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use gatehouse_board::memory::{Memory, OutputMemory};
use gatehouse_model::{Clock, DeviceId, ManualClock, PropertyId, Timestamp};
use tempfile::TempDir;

use super::copy::{MAX_COPIED_BYTES, WHOLE};
use super::*;
use crate::mqtt_ports;

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
    std::fs::write(data.path().join(mqtt_ports::FILE), "ports").unwrap();
    let home = take_in(data.path(), Why::ReadOnly, &[memory.path().to_owned()]).unwrap();
    let expected = ["broker.db", "gatehouse.db", "gatehouse.db-wal", mqtt_ports::FILE, "tls", WHOLE];
    assert_eq!(names(home.directory()), expected);
    assert_eq!(std::fs::read_to_string(home.directory().join("tls/ca.key")).unwrap(), "secret");
    assert_eq!(std::fs::metadata(home.directory()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(home.data(), data.path());
    let refusal = home.stranded().unwrap().refusal();
    assert!(refusal.contains("is read-only") && refusal.contains("restart the machine"), "{refusal}");
    // As long as it runs nobody else does.
    assert!(take_in(data.path(), Why::Full, &[memory.path().to_owned()]).is_err());
    // On a disk that can be written nothing of it is left.
    let place = home.directory().to_owned();
    drop(home);
    forget_left(data.path(), &place).unwrap();
    assert!(!place.exists());
}

/// Each crash forgot what memory knew: a boiler that has to rest a minute was on 5 s after it went off, and a message was delivered
/// again.
#[test]
fn a_restart_goes_on_with_what_is_in_memory_and_the_disk_gets_what_the_board_remembers() {
    let Some(memory) = memory() else { return };
    let data = left();
    let board = data.path().join(paths::BOARD_FILE);
    std::fs::write(&board, "of before").unwrap();
    let start = |why| take_in(data.path(), why, &[memory.path().to_owned()]).unwrap();
    let place = start(Why::ReadOnly).directory().to_owned();
    let (kept, marked) = (place.join(paths::BOARD_FILE), place.join(WHOLE));
    std::fs::write(&kept, "of now").unwrap();
    // Nobody can read the disk any more, which is no harm.
    std::fs::rename(data.path().join("gatehouse.db"), data.path().join("gone")).unwrap();
    let home = start(Why::Full);
    assert_eq!(home.directory(), place);
    assert!(home.stranded().unwrap().refusal().contains("make room"));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "of now");
    drop(home);
    std::fs::rename(data.path().join("gone"), data.path().join("gatehouse.db")).unwrap();
    // Half a copy, and one of another boot of the kernel, are worth nothing.
    let whole = std::fs::read_to_string(&marked).unwrap();
    for unusable in [None, Some(""), Some("{\"boot\":\"another\",\"knows_board\":true}")] {
        std::fs::write(&kept, "of now").unwrap();
        std::fs::remove_file(&marked).unwrap();
        if let Some(unusable) = unusable {
            std::fs::write(&marked, unusable).unwrap();
        }
        drop(start(Why::ReadOnly));
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "of before", "{unusable:?}");
        assert_eq!(std::fs::read_to_string(&marked).unwrap(), whole);
    }
    std::fs::write(&kept, "of now").unwrap();
    forget_left(data.path(), &place).unwrap();
    assert_eq!(std::fs::read_to_string(&board).unwrap(), "of now");
    assert!(!place.exists());
}

/// Messages that wait may fill the memory, and the next start finds no room beside them. Levels are worth more than they are.
#[test]
fn where_the_broker_has_filled_the_memory_a_restart_goes_on_without_its_messages() {
    let memory = TempDir::new().unwrap();
    let Some(_mounted) = probe::tests::Mounted::at(memory.path(), "12M") else { return };
    let data = left();
    let start = || take_in(data.path(), Why::ReadOnly, &[memory.path().to_owned()]).unwrap();
    let place = start().directory().to_owned();
    std::fs::write(place.join(paths::BOARD_FILE), "of now").unwrap();
    std::fs::write(place.join(paths::BROKER_FILE), vec![1; 5 * 1_024 * 1_024]).unwrap();
    drop(start());
    assert_eq!(names(&place), ["board.state", "gatehouse.db", "gatehouse.db-wal", "tls", WHOLE]);
    // What fills it otherwise does not go: it begins anew, if it can.
    std::fs::write(place.join("left"), vec![1; 5 * 1_024 * 1_024]).unwrap();
    drop(start());
    assert_eq!(names(&place), ["broker.db", "gatehouse.db", "gatehouse.db-wal", "tls", WHOLE]);
}

/// A pulse counter and a heater, as the board remembers them.
async fn remember(file: &Path, change: Option<(u64, f64)>) -> (Option<u64>, Option<f64>) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    let (board, _) = Memory::open(file, clock.clone()).unwrap();
    let (device, property) = (DeviceId::new("heater").unwrap(), PropertyId::new("total").unwrap());
    if let Some((pulses, level)) = change {
        board.set_total(&device, &property, pulses, std::time::Duration::ZERO);
        board.remember_output(&device, OutputMemory::of_level(level, clock.now(), true));
        board.flush().await.unwrap();
    }
    (board.total(&device, &property), board.output(&device).map(|output| output.level))
}

/// Where what the board remembers could not be read, what it remembered in memory began anew. Its totals are none to keep.
#[tokio::test]
async fn totals_that_began_anew_in_memory_do_not_come_to_the_disk() {
    let Some(memory) = memory() else { return };
    let data = left();
    let (board, aside) = (data.path().join(paths::BOARD_FILE), data.path().join("aside"));
    remember(&board, Some((7_000, 1.0))).await;
    std::fs::rename(&board, &aside).unwrap();
    symlink(UNREADABLE, &board).unwrap();
    let home = take_in(data.path(), Why::Failing, &[memory.path().to_owned()]).unwrap();
    let place = home.directory().to_owned();
    remember(&place.join(paths::BOARD_FILE), Some((3, 0.0))).await;
    drop(home);
    std::fs::rename(&aside, &board).unwrap();
    forget_left(data.path(), &place).unwrap();
    assert_eq!(remember(&board, None).await, (Some(7_000), Some(0.0)));
}

/// Notes the ports of a run that would have liked 1883.
fn note_ports(directory: &Path, ports: &[u16]) {
    mqtt_ports::remember(directory, 1883, ports, Timestamp::from_millis(1_795_252_440_000));
}

/// Phones that were paired while the gateway ran from memory found nobody at the port that they were given.
#[test]
fn the_ports_that_clients_were_given_meanwhile_come_to_the_disk() {
    let Some(memory) = memory() else { return };
    let data = left();
    let place_of = || {
        let home = take_in(data.path(), Why::Full, &[memory.path().to_owned()]).unwrap();
        home.directory().to_owned()
    };
    for ports in [[1884].as_slice(), &[1883, 1884], &[1883]] {
        let place = place_of();
        note_ports(&place, ports);
        forget_left(data.path(), &place).unwrap();
        let expected = if ports == [1883] { &[][..] } else { ports };
        assert_eq!(mqtt_ports::remembered(data.path()), expected);
    }
    // What could not be read began anew, and what is not known there is no news.
    let note = data.path().join(mqtt_ports::FILE);
    symlink(UNREADABLE, &note).unwrap();
    let place = place_of();
    std::fs::remove_file(&note).unwrap();
    note_ports(data.path(), &[1884]);
    forget_left(data.path(), &place).unwrap();
    assert_eq!(mqtt_ports::remembered(data.path()), [1884]);
}

/// A daemon that ends before it notes what it runs with is made safe by what the disk says.
#[test]
fn what_has_to_be_driven_safe_comes_to_the_disk() {
    let Some(memory) = memory() else { return };
    let data = left();
    let place = |name: &str| data.path().join(name);
    std::fs::write(place("running.toml"), "# of before").unwrap();
    let home = take_in(data.path(), Why::Full, &[memory.path().to_owned()]).unwrap();
    let in_memory = home.directory().to_owned();
    drop(home);
    std::fs::write(in_memory.join("running.toml"), "# of now").unwrap();
    std::fs::write(in_memory.join("running-left.toml"), "# a pump that was taken out").unwrap();
    forget_left(data.path(), &in_memory).unwrap();
    let text = |name: &str| std::fs::read_to_string(place(name)).unwrap();
    assert_eq!(text("running.toml"), "# of now");
    assert_eq!(text("running-left.toml"), "# a pump that was taken out");
}

/// A plain file that says EIO when it is read.
const UNREADABLE: &str = "/proc/self/mem";

/// One block of an earlier configuration that could not be read was enough, and the house had no gateway.
#[test]
fn what_cannot_be_read_and_nobody_needs_stops_no_start() {
    use rustix::fs::{CWD, FileType, Mode};
    let Some(memory) = memory() else { return };
    let data = left();
    let place = |name: &str| data.path().join(name);
    for name in ["board.state", "release.json", "run-ended"] {
        symlink(UNREADABLE, place(name)).unwrap();
    }
    rustix::fs::mknodat(CWD, place("run.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    std::fs::write(place("running.toml"), "[gateway]").unwrap();
    std::fs::create_dir(place("configuration")).unwrap();
    std::fs::write(place("configuration/1.toml"), "[gateway]").unwrap();
    // An authority without its key stops a start as well.
    std::fs::remove_file(place("tls/ca.key")).unwrap();
    symlink(UNREADABLE, place("tls/ca.key")).unwrap();
    for name in ["tls/ca.crt", "tls/server.pem"] {
        std::fs::write(place(name), "certificate").unwrap();
    }
    let start = || take_in(data.path(), Why::Failing, &[memory.path().to_owned()]);
    let home = start().unwrap();
    let copied =
        ["broker.db", "configuration", "gatehouse.db", "gatehouse.db-wal", "running.toml", "tls", WHOLE];
    assert_eq!(names(home.directory()), copied);
    assert_eq!(names(&home.directory().join("configuration")), ["1.toml"]);
    assert_eq!(names(&home.directory().join("tls")), ["server.pem"]);
    let left = home.directory().to_owned();
    drop(home);
    // Accounts without their log could be those of last year.
    std::fs::remove_dir_all(&left).unwrap();
    std::fs::remove_file(place("gatehouse.db-wal")).unwrap();
    symlink(UNREADABLE, place("gatehouse.db-wal")).unwrap();
    let problem = start().unwrap_err().to_string();
    assert!(problem.contains("gatehouse.db-wal cannot be copied"), "{problem}");
    assert!(!left.exists());
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
    assert_eq!(names(home.directory()), ["gatehouse.db", "gatehouse.db-wal", "tls", WHOLE]);
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

/// Copies of password digests stayed in everybody's memory after the gateway was stopped, and the check-up went on to tell that it
/// ran from there.
#[test]
fn what_stands_in_is_in_use_while_its_daemon_runs_and_goes_with_it() {
    let Some(memory) = memory() else { return };
    let data = left();
    assert!(!paths::is_claimed(data.path()));
    let home = take_in(data.path(), Why::Full, &[memory.path().to_owned()]).unwrap();
    assert!(paths::is_claimed(data.path()) && home.directory().exists());
    home.leave();
    assert!(!home.directory().exists() && data.path().join("gatehouse.db").exists());
    drop(home);
    assert!(!paths::is_claimed(data.path()));
    let refusal = refusal_beside(data.path());
    assert!(refusal.contains("runs from memory") && refusal.contains("Restart it"), "{refusal}");
    // One that has its disk loses nothing.
    Home::at(data.path()).leave();
    assert!(data.path().join("gatehouse.db").exists());
}
