//! Root backs up and restores what the gateway's user owns, who may have been taken over and may have put anything there.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::ConnectOptions as _;
use tokio_util::sync::CancellationToken;

use super::tests::{House, PASSPHRASE, names, restore, users};
use super::*;

/// The gateway's user, whom the machine need not know.
const OWNER: u32 = 12_345;

/// Gives everything in a directory to the gateway's user; not where the tests run as another user than root.
fn give(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| match path.is_dir() {
        true => std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).chain([path]).collect(),
        false => vec![path],
    });
    let is_given =
        all.chain([directory.to_owned()]).all(|path| chown(path, Some(OWNER), Some(OWNER)).is_ok());
    if !is_given {
        println!("not tried: only root can work in the directory of another user");
    }
    is_given
}

fn locks() -> [Lock<'static>; 2] {
    [Lock::Plain, Lock::Passphrase(PASSPHRASE)]
}

/// `ln -s /etc/shadow board.state`, then `sudo gatehouse backup` and `sudo gatehouse restore`: the gateway's user had the file.
#[tokio::test]
async fn a_link_brings_nothing_of_roots_into_a_backup() {
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let house = House::new("ana").await;
    let data = house.directory.path();
    if !give(data) {
        return;
    }
    // A database of root's, since others are refused by SQLite.
    let other = House::new("root").await.close().await;
    let secret = other.path().join(paths::ACCOUNTS_FILE);
    std::fs::copy(&secret, outside.path().join("ca.pem")).unwrap();
    let file = place.path().join("backup.tar");
    for (name, target) in [
        (paths::BOARD_FILE, &secret),
        ("gatehouse.toml", &secret),
        (paths::BROKER_FILE, &secret),
        (paths::TLS_DIRECTORY, &outside.path().to_owned()),
    ] {
        let (path, aside) = (data.join(name), data.join("aside"));
        let _ = std::fs::rename(&path, &aside);
        symlink(target, &path).unwrap();
        for lock in locks() {
            let problem = format!("{:#}", house.back_up(&file, lock).await.unwrap_err());
            assert!(
                problem.contains("cannot be read by the user who owns the data")
                    || problem.contains("unable to open database file"),
                "{name}: {problem}"
            );
            assert_eq!(names(place.path()), Vec::<String>::new());
        }
        std::fs::remove_file(&path).unwrap();
        let _ = std::fs::rename(&aside, &path);
    }
    house.back_up(&file, Lock::Plain).await.unwrap();
}

/// A pipe where a file belongs made root wait for ever.
#[tokio::test]
async fn a_pipe_in_the_data_keeps_nobody_waiting() {
    use rustix::fs::{CWD, FileType, Mode};
    let place = tempfile::tempdir().unwrap();
    let house = House::new("ana").await;
    let board = house.directory.path().join(paths::BOARD_FILE);
    std::fs::remove_file(&board).unwrap();
    rustix::fs::mknodat(CWD, &board, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let problem = house.back_up(&place.path().join("backup.tar"), Lock::Plain).await.unwrap_err();
    assert!(format!("{problem:#}").contains("is no plain file"), "{problem:#}");
}

/// Before a backup root tries whether the disk can be written, in a directory of somebody else: a link under the name of what it
/// writes let that one empty any file, and a pipe there kept the command waiting.
#[tokio::test]
async fn what_root_tries_to_write_empties_no_file_of_roots() {
    use rustix::fs::{CWD, FileType, Mode};
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let house = House::new("ana").await.close().await;
    let (tried, precious) = (house.path().join("write-test"), outside.path().join("shadow"));
    std::fs::write(&precious, "of root").unwrap();
    if !give(house.path()) {
        return;
    }
    // Nobody else may search it: the rights of the owner of the data do not lead there at all.
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["link", "pipe"] {
        match name {
            "link" => symlink(&precious, &tried).unwrap(),
            _ => rustix::fs::mknodat(CWD, &tried, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        }
        let arguments = BackupArguments {
            file: Some(place.path().join(name)),
            config: place.path().join("none.toml"),
            plain: true,
            passphrase_file: None,
            data: crate::cli::DataArguments { data_dir: Some(house.path().to_owned()) },
        };
        let made = tokio::task::spawn_blocking(move || run(&arguments)).await.unwrap();
        assert_eq!(made.unwrap(), Exit::Success, "{name}");
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "of root");
        assert!(tried.symlink_metadata().is_err(), "{name}");
    }
}

/// Root made the copies below the data directory, whose owner could put a link in the place of the directory meanwhile, and
/// with it let root write over any file. A directory that only root could write to shows whose rights it is done with.
#[tokio::test]
async fn copies_in_the_data_are_made_with_the_rights_of_its_owner() {
    let place = tempfile::tempdir().unwrap();
    let house = House::new("ana").await;
    let data = house.directory.path();
    if !give(data) {
        return;
    }
    let mode = |mode| std::fs::set_permissions(data, std::fs::Permissions::from_mode(mode)).unwrap();
    let file = place.path().join("backup.tar.age");
    let within = data.join("backup.tar");
    mode(0o500);
    for (file, lock) in [(&file, locks()[1]), (&within, Lock::Plain)] {
        let problem = house.back_up(file, lock).await.unwrap_err();
        assert!(format!("{problem:#}").contains("nothing can be written to"), "{problem:#}");
    }
    // On a stick that is root's, copies that may be read lie beside the archive, as before.
    house.back_up(&place.path().join("plain.tar"), Lock::Plain).await.unwrap();
    mode(0o700);
    house.back_up(&file, locks()[1]).await.unwrap();
    house.back_up(&within, Lock::Plain).await.unwrap();
    assert_eq!(names(place.path()), ["backup.tar.age", "plain.tar"]);
    assert!(names(data).iter().all(|name| !name.starts_with(".gatehouse")), "{:?}", names(data));
}

/// The history on a disk of its own, and a configuration that root keeps elsewhere for everybody to read.
#[tokio::test]
async fn links_that_the_gateway_itself_can_follow_are_backed_up() {
    let (place, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = House::new("ana").await.close().await;
    let (link, history) = (directory.path().join(paths::HISTORY_FILE), disk.path().join("history.db"));
    std::fs::rename(&link, &history).unwrap();
    let configuration = place.path().join("gatehouse.toml");
    std::fs::write(&configuration, "[gateway]\n").unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if !give(directory.path()) || !give(disk.path()) {
        return;
    }
    symlink(&history, &link).unwrap();
    for (lock, name) in locks().into_iter().zip(["plain.tar", "sealed.tar"]) {
        let order = Order {
            directory: directory.path(),
            copies: directory.path(),
            configuration: &configuration,
            lock,
            now: super::tests::NOW,
            randomness: &SystemRandomness,
            disks: &Disks::of(directory.path(), 0),
            stop: &CancellationToken::new(),
        };
        let file = place.path().join(name);
        back_up(&order, &file, &mut Progress::silent()).await.unwrap();
        // It comes back where the link was, and says so.
        let restored = restore(directory.path(), &file).await.unwrap();
        let is_link = |path: &Path| path.symlink_metadata().unwrap().is_symlink();
        assert!(!is_link(&link) && history.exists());
        let [former] = restored.links.as_slice() else { panic!("{restored:?}") };
        assert_eq!((former.name.as_str(), &former.target), ("history.db", &history));
        let said = former.sentence(directory.path());
        assert!(said.contains("is as it was") && said.contains("lies in"), "{said}");
        assert!(is_link(&restored.aside.unwrap().join(paths::HISTORY_FILE)));
        assert_eq!(users(directory.path()).await, ["ana"]);
        std::fs::remove_file(&link).unwrap();
        symlink(&history, &link).unwrap();
        give(directory.path());
    }
}

/// `systemctl stop`, Ctrl-C, or a connection that is lost: copies of all passwords and keys were left lying about.
#[tokio::test]
async fn a_backup_that_is_interrupted_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let house = House::new("ana").await;
    let before = names(house.directory.path());
    house.stop.cancel();
    for lock in locks() {
        let problem = house.back_up(&place.path().join("backup.tar"), lock).await.unwrap_err();
        assert!(format!("{problem:#}").contains("it was interrupted"), "{problem:#}");
        assert_eq!(names(place.path()), Vec::<String>::new());
        assert_eq!(names(house.directory.path()), before);
    }
}

/// Where the process that [`a_signal_takes_away_what_was_made_so_far`] starts makes its backup.
const PLACE: &str = "GATEHOUSE_TEST_PLACE_OF_BACKUP";

/// All of the command: it waits for a database that somebody holds, and is ended meanwhile.
#[tokio::test]
async fn a_signal_takes_away_what_was_made_so_far() {
    if let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) {
        let arguments = BackupArguments {
            file: Some(place.join("backup.tar")),
            config: place.join("none.toml"),
            plain: true,
            passphrase_file: None,
            data: crate::cli::DataArguments { data_dir: Some(place.join("data")) },
        };
        let outcome = tokio::task::spawn_blocking(move || run(&arguments)).await.unwrap();
        let problem = outcome.unwrap_err();
        assert!(format!("{problem:#}").contains("it was interrupted"), "{problem:#}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (data, house) = (place.path().join("data"), House::new("ana").await.close().await);
    std::fs::create_dir(&data).unwrap();
    std::fs::rename(house.path().join(paths::ACCOUNTS_FILE), data.join(paths::ACCOUNTS_FILE)).unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join(paths::ACCOUNTS_FILE));
    let mut held = options.locking_mode(sqlx::sqlite::SqliteLockingMode::Exclusive).connect().await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut held).await.unwrap();
    let before = names(&data);
    // A shell starts what runs in the background with SIGINT switched off, and `nohup` with SIGHUP.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let heard = |signal: &Signal| !is_ignored(&status, signal.as_raw());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP].into_iter().filter(heard) {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backup::root_tests::a_signal_takes_away_what_was_made_so_far"])
            .env(PLACE, place.path())
            .spawn()
            .unwrap();
        let began = async {
            while !names(place.path()).iter().any(|name| name.starts_with(".gatehouse-backup-")) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), began).await.unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(ended.success(), "{signal:?}: {ended}");
        assert_eq!(names(place.path()), ["data"], "{signal:?}");
        assert_eq!(names(&data), before);
    }
}

/// `nohup gatehouse backup` goes on without its terminal, and can be ended all the same.
#[test]
fn a_signal_that_is_switched_off_stays_so() {
    let status = "Name:\tgatehouse\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
    assert_eq!([1, 2, 13, 15].map(|number| is_ignored(status, number)), [true, false, true, false]);
    assert!(!is_ignored("", 1) && !is_ignored("SigIgn:\tnone", 1));
}

/// All of `sudo gatehouse restore`: the archive is root's, and what comes out of it the gateway's.
#[tokio::test]
async fn what_root_restores_is_the_gateways() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup.tar");
    House::new("ana").await.back_up(&file, Lock::Plain).await.unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    if !give(directory.path()) {
        return;
    }
    let arguments = crate::cli::RestoreArguments {
        with_configuration: true,
        config: directory.path().join(CONFIGURATION),
        file,
        data: crate::cli::DataArguments { data_dir: Some(directory.path().to_owned()) },
        passphrase_file: None,
    };
    let restored = tokio::task::spawn_blocking(move || restore_on_command_line(&arguments)).await.unwrap();
    assert_eq!(restored.unwrap(), Exit::Success);
    for name in names(directory.path()) {
        assert_eq!(std::fs::metadata(directory.path().join(&name)).unwrap().uid(), OWNER, "{name}");
    }
    assert!(names(directory.path()).contains(&paths::LOCK_FILE.to_owned()));
    assert_eq!(users(directory.path()).await, ["ana"]);
}

/// A stick that was there when the service started: the unit shows it read-only.
#[tokio::test]
async fn a_stick_that_the_service_sees_read_only_is_told_with_what_lets_it_write() {
    let (house, stick) = (House::new("ana").await, tempfile::tempdir().unwrap());
    let mount = |arguments: &[&str]| {
        let done = std::process::Command::new("mount").args(arguments).arg(stick.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=16M", "none"]) {
        println!("not tried: this user cannot mount a disk");
        return;
    }
    let (place, folder) = (stick.path().display(), stick.path().join("gatehouse"));
    std::fs::create_dir(&folder).unwrap();
    let try_it =
        async || format!("{:#}", house.back_up(&folder.join("a.tar"), Lock::Plain).await.unwrap_err());
    assert!(mount(&["-o", "remount,bind,ro"]));
    let problem = try_it().await;
    assert!(problem.contains(&format!("the line ReadWritePaths=-{place}; ")), "{problem}");
    // Nothing in the unit helps a stick that is worn out.
    assert!(mount(&["-o", "remount,ro"]));
    let problem = try_it().await;
    assert!(problem.contains("Read-only file system") && !problem.contains("ReadWritePaths"), "{problem}");
    let _ = std::process::Command::new("umount").arg("-l").arg(stick.path()).output();
}
