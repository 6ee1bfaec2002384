//! What was backed up comes back, and what is damaged changes nothing.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use gatehouse_dashboard::{Accounts, Role};
use gatehouse_history::{History, Options, snapshot};
use gatehouse_model::{Clock, Timestamp};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::container::{Archive, Builder};
use super::make::Made;
use super::restore::{Restored, Taken};
use super::*;
use crate::config::{Addresses, Source};

pub(super) const PASSPHRASE: &str = "a lamp in the window";
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_250);

/// A data directory with something in each file, whose databases are in use.
pub(super) struct House {
    pub(super) directory: TempDir,
    accounts: Accounts,
    history: History,
    pub(super) stop: CancellationToken,
}

impl House {
    pub(super) async fn new(user: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let accounts = Accounts::open(
            &directory.path().join(paths::ACCOUNTS_FILE),
            Arc::clone(&clock),
            Arc::new(SystemRandomness),
        )
        .await
        .unwrap();
        accounts.add(user, Role::Admin, "long-enough-password").await.unwrap();
        let history = History::open(&directory.path().join(paths::HISTORY_FILE), Options::default(), clock)
            .await
            .unwrap();
        std::fs::write(directory.path().join(paths::BOARD_FILE), format!("board of {user}")).unwrap();
        std::fs::create_dir(directory.path().join(paths::TLS_DIRECTORY)).unwrap();
        std::fs::write(directory.path().join("tls/ca.pem"), format!("authority of {user}")).unwrap();
        std::fs::write(directory.path().join("gatehouse.toml"), "[gateway]\n").unwrap();
        Self { directory, accounts, history, stop: CancellationToken::new() }
    }

    pub(super) async fn back_up(&self, file: &Path, lock: Lock<'_>) -> anyhow::Result<Made> {
        let directory = self.directory.path();
        let order = Order {
            directory,
            copies: directory,
            configuration: &directory.join("gatehouse.toml"),
            lock,
            now: NOW,
            randomness: &SystemRandomness,
            disks: &Disks::of(directory, 0),
            stop: &self.stop,
        };
        back_up(&order, file, &mut Progress::new()).await
    }

    /// The gateway stops.
    pub(super) async fn close(self) -> TempDir {
        self.accounts.close().await;
        self.history.close().await;
        self.directory
    }
}

pub(super) async fn users(directory: &Path) -> Vec<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let accounts = Accounts::open(&directory.join(paths::ACCOUNTS_FILE), clock, Arc::new(SystemRandomness))
        .await
        .unwrap();
    let users = accounts.list().await.unwrap().into_iter().map(|user| user.name.to_string()).collect();
    accounts.close().await;
    users
}

pub(super) async fn restore(directory: &Path, file: &Path) -> anyhow::Result<Restored> {
    restore_with(directory, file, Lock::Passphrase(PASSPHRASE), Taken::No).await
}

pub(super) async fn restore_with(
    directory: &Path,
    file: &Path,
    lock: Lock<'_>,
    configuration: Taken,
) -> anyhow::Result<Restored> {
    let source = Source::new(Some(directory.join(CONFIGURATION)), false, Addresses::default());
    let archive = Archive::open(file)?;
    super::restore::restore(directory, &archive, lock, (&source, configuration), &mut Progress::new()).await
}

pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_backed_up_while_in_use_comes_back_and_what_was_there_is_kept() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar");
    let ana = House::new("ana").await;
    let made = ana.back_up(&file, Lock::Passphrase(PASSPHRASE)).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().len(), made.bytes);
    assert_eq!(names(place.path()), ["backup.tar"], "nothing else is left");
    let again = ana.back_up(&file, Lock::Passphrase(PASSPHRASE)).await.unwrap_err();
    assert!(format!("{again:#}").contains("is there already"), "{again:#}");

    let directory = House::new("ben").await.close().await;
    let restored = restore(directory.path(), &file).await.unwrap();
    assert_eq!(restored.contents.made, "2026-11-21T09:14:00.250Z");
    assert_eq!(users(directory.path()).await, ["ana"]);
    assert_eq!(std::fs::read_to_string(directory.path().join("tls/ca.pem")).unwrap(), "authority of ana");
    assert_eq!(
        std::fs::read_to_string(directory.path().join("gatehouse.toml.restored")).unwrap(),
        "[gateway]\n"
    );
    let aside = restored.aside.unwrap();
    assert_eq!(users(&aside).await, ["ben"]);
    assert_eq!(std::fs::read_to_string(aside.join(paths::BOARD_FILE)).unwrap(), "board of ben");

    let empty = TempDir::new().unwrap();
    let restored = restore(empty.path(), &file).await.unwrap();
    assert!(restored.aside.is_none());
    assert_eq!(users(empty.path()).await, ["ana"]);
}

/// Each byte of a backup counts, and so does its end.
#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar");
    House::new("ana").await.back_up(&file, Lock::Plain).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let directory = House::new("ben").await.close().await;
    let before = names(directory.path());
    let spoiled = place.path().join("spoiled.tar");
    let length = whole.len();
    let mut seen = String::new();
    for place in [0, 100, 300, 600, length / 3, length / 2, length * 2 / 3] {
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        std::fs::write(&spoiled, &bytes).unwrap();
        // Some bytes mean nothing: the padding of a header.
        if let Err(problem) = restore(directory.path(), &spoiled).await {
            seen += &format!("{problem:#}\n");
            assert_eq!(names(directory.path()), before);
        }
    }
    assert!(seen.contains("the checksum of") && seen.contains("nothing was changed"), "{seen}");
    for cut in [0, 10, 600, length / 2, length - 1_024 - 2_048] {
        std::fs::write(&spoiled, &whole[..cut]).unwrap();
        let problem = restore(directory.path(), &spoiled).await.unwrap_err();
        assert_eq!(names(directory.path()), before, "{problem:#}");
    }
    let problem = restore(directory.path(), &place.path().join("none.tar")).await.unwrap_err();
    assert!(format!("{problem:#}").contains("cannot be read"), "{problem:#}");
    assert_eq!(users(directory.path()).await, ["ben"]);
}

/// The checksums fit, but what was backed up was damaged already.
#[tokio::test]
async fn a_damaged_database_is_not_restored() {
    let place = TempDir::new().unwrap();
    let copy = place.path().join("history.db");
    let house = House::new("ana").await;
    snapshot::take(&house.directory.path().join(paths::HISTORY_FILE), &copy, |_, _| ()).await.unwrap();
    snapshot::check(&copy).await.unwrap();
    let mut opened = OpenOptions::new().read(true).write(true).open(&copy).unwrap();
    let mut page = [0; 4_096];
    opened.seek(SeekFrom::Start(4_096 * 2)).unwrap();
    opened.read_exact(&mut page).unwrap();
    opened.seek(SeekFrom::Start(4_096 * 2)).unwrap();
    opened.write_all(&page.map(|byte| !byte)).unwrap();
    drop(opened);
    let file = place.path().join("backup.tar");
    let mut builder =
        Builder::new(std::fs::File::create(&file).unwrap(), Lock::Plain, &SystemRandomness).unwrap();
    let opened = (copy.as_path(), std::fs::File::open(&copy).unwrap());
    builder.add(paths::HISTORY_FILE, opened, &CancellationToken::new()).unwrap();
    builder.finish(NOW).unwrap();
    let directory = House::new("ben").await.close().await;
    let before = names(directory.path());
    let problem = restore(directory.path(), &file).await.unwrap_err();
    assert!(format!("{problem:#}").contains("history.db is damaged"), "{problem:#}");
    assert_eq!(names(directory.path()), before);
}

/// An archive from elsewhere cannot write outside, nor bring links and other files.
#[tokio::test]
async fn an_archive_of_something_else_is_refused() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("evil.tar");
    let directory = TempDir::new().unwrap();
    for (name, kind) in [
        ("../outside", tar::EntryType::Regular),
        ("/tmp/outside", tar::EntryType::Regular),
        ("tls/../../outside", tar::EntryType::Regular),
        ("tls/a/b", tar::EntryType::Regular),
        ("passwd", tar::EntryType::Regular),
        ("history.db", tar::EntryType::Symlink),
        ("tls", tar::EntryType::Directory),
    ] {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_cksum();
        let mut archive = tar::Builder::new(std::fs::File::create(&file).unwrap());
        archive.append(&header, std::io::empty()).unwrap();
        archive.finish().unwrap();
        let problem = restore(directory.path(), &file).await.unwrap_err();
        assert!(format!("{problem:#}").contains("is no backup"), "{name}: {problem:#}");
        assert_eq!(names(directory.path()), Vec::<String>::new(), "{name}");
    }
    assert_eq!(names(place.path()), ["evil.tar"]);
}

/// A name or an attribute of many gigabytes would be read into memory before anything is known of the archive.
#[tokio::test]
async fn an_archive_with_a_name_that_goes_on_and_on_is_refused_unread() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("evil.tar");
    let directory = TempDir::new().unwrap();
    for kind in [tar::EntryType::GNULongName, tar::EntryType::GNULongLink, tar::EntryType::XHeader] {
        let mut header = tar::Header::new_gnu();
        header.set_path("history.db").unwrap();
        header.set_entry_type(kind);
        // More than any machine has, so that reading it would show.
        header.set_size(1 << 50);
        header.set_cksum();
        std::fs::write(&file, header.as_bytes()).unwrap();
        let problem = restore(directory.path(), &file).await.unwrap_err();
        assert!(format!("{problem:#}").contains("history.db is no plain file"), "{problem:#}");
    }
    // What is made keeps to that.
    let house = House::new("ana").await;
    let long = house.directory.path().join(format!("tls/{}", "x".repeat(97)));
    std::fs::write(&long, "x").unwrap();
    let problem = house.back_up(&place.path().join("backup.tar"), Lock::Plain).await.unwrap_err();
    assert!(format!("{problem:#}").contains("has too long a name for a backup"), "{problem:#}");
    std::fs::rename(&long, house.directory.path().join(format!("tls/{}", "x".repeat(96)))).unwrap();
    house.back_up(&place.path().join("backup.tar"), Lock::Plain).await.unwrap();
}

/// The power goes, or the gateway stops, while a backup is made: what it has left is as large as the history.
#[tokio::test]
async fn what_an_interrupted_backup_left_goes_with_the_next() {
    let place = TempDir::new().unwrap();
    let house = House::new("ana").await;
    let data = house.directory.path();
    let left = [place.path().join(".gatehouse-backup-4000001"), data.join(".gatehouse-copies-4000001")];
    for left in &left {
        std::fs::create_dir(left).unwrap();
        std::fs::write(left.join("archive"), "half").unwrap();
    }
    let others = [place.path().join(".gatehouse-backup-of-ana"), place.path().join("gatehouse-backup-1")];
    for other in &others {
        std::fs::create_dir(other).unwrap();
    }
    // Somebody else makes one at this moment.
    let busy = place.path().join(".gatehouse-backup-4000002");
    std::fs::create_dir(&busy).unwrap();
    let held = std::fs::File::open(&busy).unwrap();
    held.lock().unwrap();
    house.back_up(&place.path().join("backup.tar.age"), Lock::Passphrase(PASSPHRASE)).await.unwrap();
    assert!(left.iter().all(|left| !left.exists()));
    assert!(busy.exists() && others.iter().all(|other| other.exists()));
    drop(held);
    super::make::sweep(place.path());
    assert!(!busy.exists());
}

#[test]
fn names_of_backups_suit_every_file_system() {
    assert_eq!(default_name(NOW, false), "gatehouse-2026-11-21T09-14-00Z.tar");
    assert_eq!(default_name(NOW, true), "gatehouse-2026-11-21T09-14-00Z.tar.age");
}

/// What is refused names the passphrase, so that nobody throws a good backup away.
#[tokio::test]
async fn an_encrypted_backup_opens_with_its_passphrase_only() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar.age");
    House::new("ana").await.back_up(&file, Lock::Passphrase(PASSPHRASE)).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    assert!(!bytes.windows(9).any(|some| some == b"authority"), "nothing of what is in it can be read");
    let directory = House::new("ben").await.close().await;
    let before = names(directory.path());
    for (lock, expected) in [
        (Lock::Plain, "it is encrypted"),
        (Lock::Passphrase("a lamp in a window"), "the passphrase does not open it"),
    ] {
        let tried = restore_with(directory.path(), &file, lock, Taken::No).await.unwrap_err();
        assert!(format!("{tried:#}").contains(expected), "{tried:#}");
        assert_eq!(names(directory.path()), before);
    }
    // Cut off just behind the piece before the last.
    std::fs::write(&file, &bytes[..bytes.len() - 1_000]).unwrap();
    let cut = restore(directory.path(), &file).await.unwrap_err();
    assert!(format!("{cut:#}").contains("its end is missing"), "{cut:#}");
    assert_eq!(names(directory.path()), before);
    assert_eq!(users(directory.path()).await, ["ben"]);
}

/// A database that a newer release has changed would not be understood.
#[tokio::test]
async fn a_backup_of_a_newer_schema_is_refused() {
    let place = TempDir::new().unwrap();
    let house = House::new("ana").await;
    let copy = place.path().join("gatehouse.db");
    snapshot::take(&house.directory.path().join(paths::ACCOUNTS_FILE), &copy, |_, _| ()).await.unwrap();
    // The number of the schema stands in the header of the file, at offset 60.
    let mut opened = OpenOptions::new().write(true).open(&copy).unwrap();
    opened.seek(SeekFrom::Start(60)).unwrap();
    opened.write_all(&99_u32.to_be_bytes()).unwrap();
    drop(opened);
    let file = place.path().join("backup.tar");
    let mut builder =
        Builder::new(std::fs::File::create(&file).unwrap(), Lock::Plain, &SystemRandomness).unwrap();
    let opened = (copy.as_path(), std::fs::File::open(&copy).unwrap());
    builder.add(paths::ACCOUNTS_FILE, opened, &CancellationToken::new()).unwrap();
    builder.finish(NOW).unwrap();
    let directory = House::new("ben").await.close().await;
    let before = names(directory.path());
    let problem = restore(directory.path(), &file).await.unwrap_err();
    assert!(format!("{problem:#}").contains("newer"), "{problem:#}");
    assert_eq!(names(directory.path()), before);
    assert_eq!(users(directory.path()).await, ["ben"]);
}

/// Somebody was logged out after the backup was made: the browser that was stays so.
#[tokio::test]
async fn sessions_of_a_backup_have_ended() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar");
    let house = House::new("ana").await;
    let sessions = async |directory: &Path| {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join(paths::ACCOUNTS_FILE));
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM session").fetch_one(&pool).await.unwrap();
        (pool, count)
    };
    let (pool, _) = sessions(house.directory.path()).await;
    sqlx::query(
        "INSERT INTO session (token_hash, user_key, created_ms, seen_ms) VALUES (x'00', 'ana', 1, 1)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    house.back_up(&file, Lock::Plain).await.unwrap();
    let directory = TempDir::new().unwrap();
    restore_with(directory.path(), &file, Lock::Plain, Taken::No).await.unwrap();
    let (pool, left) = sessions(directory.path()).await;
    pool.close().await;
    assert_eq!((users(directory.path()).await, left), (vec!["ana".to_owned()], 0));
    assert_eq!(sessions(house.directory.path()).await.1, 1, "the one that was backed up goes on");
}

/// The heater was on in the backup, and is off now with a fault: it stays so. What was counted is as in the backup.
#[tokio::test]
async fn a_restore_switches_nothing_on() {
    use gatehouse_board::memory::{Memory, OutputMemory};
    use gatehouse_model::{DeviceId, PropertyId};

    let open = |directory: &Path| {
        Memory::open(&directory.join(paths::BOARD_FILE), Arc::new(SystemClock::new())).unwrap().0
    };
    let (heater, total) = (DeviceId::new("heater").unwrap(), PropertyId::new("total").unwrap());
    let keep = async |directory: &Path, pulses, level, had_fault| {
        std::fs::remove_file(directory.join(paths::BOARD_FILE)).unwrap();
        let memory = open(directory);
        memory.set_total(&heater, &total, pulses, std::time::Duration::ZERO);
        let output = OutputMemory {
            commanded: Some((level, 0)),
            had_fault,
            ..OutputMemory::of_level(level, SystemClock::new().now(), true)
        };
        memory.remember_output(&heater, output);
        memory.flush().await.unwrap();
    };
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar");
    let ana = House::new("ana").await;
    keep(ana.directory.path(), 40, 1.0, false).await;
    ana.back_up(&file, Lock::Passphrase(PASSPHRASE)).await.unwrap();
    let ben = House::new("ben").await.close().await;
    keep(ben.path(), 90, 0.0, true).await;
    restore(ben.path(), &file).await.unwrap();
    let memory = open(ben.path());
    assert_eq!(memory.total(&heater, &total), Some(40));
    assert_eq!(memory.output(&heater).map(|output| (output.level, output.had_fault)), Some((0.0, true)));

    let fresh = TempDir::new().unwrap();
    restore(fresh.path(), &file).await.unwrap();
    let memory = open(fresh.path());
    assert_eq!((memory.total(&heater, &total), memory.output(&heater)), (Some(40), None));
}

/// On a fresh machine nothing but the configuration says which devices there are.
#[tokio::test]
async fn the_configuration_comes_along_for_who_asks_and_only_where_it_can_be_used() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("backup.tar");
    let backed_up = async |text: &str| {
        let _ = std::fs::remove_file(&file);
        let ana = House::new("ana").await;
        std::fs::write(ana.directory.path().join(CONFIGURATION), text).unwrap();
        ana.back_up(&file, Lock::Plain).await.unwrap();
    };
    let in_use = |directory: &TempDir| std::fs::read_to_string(directory.path().join(CONFIGURATION)).unwrap();
    backed_up("[gateway]\nname = \"Casa\"\n").await;
    for (taken, expected) in [(Taken::No, "# fresh\n"), (Taken::OrNothing, "[gateway]\nname = \"Casa\"\n")] {
        let fresh = TempDir::new().unwrap();
        std::fs::write(fresh.path().join(CONFIGURATION), "# fresh\n").unwrap();
        let restored = restore_with(fresh.path(), &file, Lock::Plain, taken).await.unwrap();
        assert_eq!(restored.configuration, (taken == Taken::OrNothing).then_some(Ok(())));
        assert_eq!((in_use(&fresh).as_str(), users(fresh.path()).await), (expected, vec!["ana".to_owned()]));
        let source = Source::new(Some(fresh.path().join(CONFIGURATION)), false, Addresses::default());
        let data = fresh.path();
        let gives_way = crate::changes::take_back_restored(&source, data, SystemClock::new().now());
        assert_eq!(
            gives_way,
            taken == Taken::OrNothing,
            "a start that fails with it puts the other one back"
        );
        assert_eq!(in_use(&fresh), "# fresh\n");
    }
    backed_up("[http]\nlisten = \"192.0.2.1:9000\"\n").await;
    let ben = House::new("ben").await.close().await;
    let before = names(ben.path());
    let refused = restore_with(ben.path(), &file, Lock::Plain, Taken::OrNothing).await.unwrap_err();
    let refused = format!("{refused:#}");
    for words in ["nothing was changed", "no address of this machine", "Without --with-configuration"] {
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!((names(ben.path()), users(ben.path()).await), (before, vec!["ben".to_owned()]));
}
