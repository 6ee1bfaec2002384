//! Root brings rows into what the gateway's user owns, and takes them out again. That user may have been taken over and may have
//! put anything there.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use clap::Parser as _;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::*;
use crate::cli::{Command, CommandLine};
use crate::{export, paths};

/// The gateway's user, whom the machine need not know.
const OWNER: u32 = 12_345;

/// Somebody's readings.
const ROWS: &str = "time,topic,value\n2026-11-21T09:14:00Z,hall/temperature,21.5\n";

/// Calls `gatehouse` for a data directory.
fn call(words: &[&str], file: &Path, data: &Path) -> anyhow::Result<Exit> {
    let line = words.iter().map(std::ffi::OsStr::new).chain([file.as_os_str()]);
    let line = line.chain(["--data-dir".as_ref(), data.as_os_str()]);
    match CommandLine::try_parse_from(line).unwrap().command {
        Command::Import { command } => super::run(&command),
        Command::Export(arguments) => export::run(&arguments),
        other => panic!("{other:?}"),
    }
}

fn import_rows(file: &Path, data: &Path) -> anyhow::Result<Exit> {
    call(&["gatehouse", "import", "history"], file, data)
}

fn export_rows(file: &Path, data: &Path) -> anyhow::Result<Exit> {
    call(&["gatehouse", "export", "--output"], file, data)
}

/// An empty data directory of the gateway's user, and a place that only root may look into, with a file of rows. Nothing where the
/// tests run as another user, who can give nothing away.
fn places() -> Option<(TempDir, TempDir, std::path::PathBuf)> {
    let [data, of_root] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    std::fs::set_permissions(of_root.path(), Permissions::from_mode(0o700)).unwrap();
    let rows = of_root.path().join("rows.csv");
    std::fs::write(&rows, ROWS).unwrap();
    if chown(data.path(), Some(OWNER), Some(OWNER)).is_err() {
        println!("skipped: only root can work in the directory of another user");
        return None;
    }
    Some((data, of_root, rows))
}

/// The users to whom what lies in a directory belongs.
fn owners(directory: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut owners: Vec<u32> = entries.map(|entry| entry.metadata().unwrap().uid()).collect();
    owners.dedup();
    owners
}

/// A recorder's database with one state, as old ones were.
async fn recorder(file: &Path) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for statement in [
        "CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id TEXT, state TEXT, last_updated_ts REAL)",
        "INSERT INTO states VALUES (1, 'sensor.attic', '18.5', 1795252440.0)",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
}

/// The files that a person names need not be any that the gateway's user may read or write; what is made in the data is that user's.
#[test]
fn what_root_imports_is_the_owners_and_what_root_exports_is_roots() {
    let Some((data, of_root, rows)) = places() else { return };
    assert_eq!(import_rows(&rows, data.path()).unwrap(), Exit::Success);
    assert_eq!(owners(data.path()), [OWNER]);
    let database = of_root.path().join("home-assistant_v2.db");
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(recorder(&database));
    let imported = call(&["gatehouse", "import", "home-assistant"], &database, data.path());
    assert_eq!(imported.unwrap(), Exit::Success);
    let exported = of_root.path().join("out.csv");
    assert_eq!(export_rows(&exported, data.path()).unwrap(), Exit::Success);
    let text = std::fs::read_to_string(&exported).unwrap();
    assert!(text.contains("21.5") && text.contains("18.5"), "{text}");
    assert_eq!((owners(data.path()), owners(of_root.path())), (vec![OWNER], vec![0]));
    // A file that is not there is told, and those beside it are imported.
    assert_eq!(import_rows(&of_root.path().join("none.csv"), data.path()).unwrap(), Exit::Failure);
}

/// `ln -s` to a database of root's: its rows came out with the next export, and an import wrote into it.
#[test]
fn a_link_in_the_place_of_the_history_leads_root_nowhere() {
    let Some((data, of_root, rows)) = places() else { return };
    assert_eq!(import_rows(&rows, of_root.path()).unwrap(), Exit::Success);
    let secret = of_root.path().join(paths::HISTORY_FILE);
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(of_root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (std::fs::read(&secret).unwrap(), names());
    symlink(&secret, data.path().join(paths::HISTORY_FILE)).unwrap();
    let exported = of_root.path().join("out.csv");
    for refused in [export_rows(&exported, data.path()), import_rows(&rows, data.path())] {
        let problem = format!("{:#}", refused.unwrap_err());
        assert!(problem.contains("cannot be opened"), "{problem}");
    }
    // What was begun of a file for the rows is gone.
    assert!((std::fs::read(&secret).unwrap(), names()) == before);
}
