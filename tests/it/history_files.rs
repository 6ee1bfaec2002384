//! What was recorded leaves and comes back: export, import, backup and restore on the command line, as a person uses them.

use std::path::Path;

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::process::Finished;
use gatehouse_tests::{Gateway, LIMIT, Setup, until};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// Calls `gatehouse` for a data directory; it must succeed.
fn succeed(directory: &Path, arguments: &[&str]) -> Finished {
    let finished = command_line(&[arguments, &["--data-dir", text(directory)]].concat(), "");
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished
}

/// Calls `gatehouse` for a data directory in which the daemon runs; it must refuse and say why.
fn refused(directory: &Path, arguments: &[&str]) {
    let finished = command_line(&[arguments, &["--data-dir", text(directory)]].concat(), "");
    assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
    assert!(finished.stderr.contains("systemctl stop gatehouse"), "{arguments:?}: {finished:?}");
}

/// All rows, one a line, the header first.
fn rows(directory: &Path) -> Vec<String> {
    let target = TempDir::new().expect("a temporary directory can be made");
    let file = target.path().join("rows.csv");
    succeed(directory, &["export", "--output", text(&file)]);
    let rows = std::fs::read_to_string(&file).expect("the export can be read");
    rows.lines().map(str::to_owned).collect()
}

/// A house that has recorded numbers, switches and texts.
fn a_house_with_history() -> Gateway {
    let gateway = Setup::demo().start();
    let has = |rows: &[String], kind: &str| rows.iter().any(|row| row.contains(&format!(",{kind},")));
    until("rows of numbers, switches and texts", LIMIT, || {
        let rows = rows(&gateway.data_directory());
        let missing = ["number", "switch", "text"].iter().find(|kind| !has(&rows, kind));
        missing.map_or(Ok(()), |kind| Err(format!("no {kind} among {} rows", rows.len())))
    });
    gateway
}

#[test]
fn what_is_exported_is_the_same_after_an_import() {
    let gateway = a_house_with_history();
    let elsewhere = TempDir::new().expect("a temporary directory can be made");
    let early = elsewhere.path().join("early.csv");
    succeed(&gateway.data_directory(), &["export", "--output", text(&early)]);
    refused(&gateway.data_directory(), &["import", "history", text(&early)]);

    let stopped = gateway.stop();
    let directory = stopped.setup.data_directory();
    let all = rows(&directory);
    assert!(all.len() > 10, "{all:#?}");
    for format in ["csv", "jsonl", "parquet"] {
        let file = elsewhere.path().join(format!("all.{format}"));
        succeed(&directory, &["export", "--output", text(&file)]);
        let fresh = elsewhere.path().join(format);
        succeed(&fresh, &["import", "history", text(&file)]);
        assert_eq!(rows(&fresh), all, "{format}");
        // And nothing is there twice.
        let again = succeed(&fresh, &["import", "history", text(&file), text(&early)]);
        assert!(again.stderr.contains("0 rows are new"), "{again:?}");
        assert_eq!(rows(&fresh), all, "{format}");
    }
    // A file of this name is not written over.
    let again = command_line(&["export", "--output", text(&early), "--data-dir", text(&directory)], "");
    assert_eq!(again.code, Some(1), "{again:?}");
}

#[test]
fn a_backup_of_a_running_gateway_is_whole_when_it_is_restored() {
    let gateway = a_house_with_history();
    let directory = gateway.data_directory();
    let elsewhere = TempDir::new().expect("a temporary directory can be made");
    let file = elsewhere.path().join("house.tar");
    let configuration = gateway.configuration();
    succeed(&directory, &["backup", text(&file), "--plain", "--config", text(&configuration)]);
    refused(&directory, &["restore", text(&file)]);

    let stopped = gateway.stop();
    let all = rows(&stopped.setup.data_directory());
    let fresh = elsewhere.path().join("data");
    succeed(&fresh, &["restore", text(&file)]);
    let restored = rows(&fresh);
    // What was recorded up to that moment: of each series the rows from its first one on, and nothing else.
    assert!(restored.len() > 10 && restored.len() <= all.len(), "{} of {}", restored.len(), all.len());
    assert!(restored.iter().all(|row| all.contains(row)));

    // A single bit elsewhere in the archive, and nothing is replaced.
    let mut bytes = std::fs::read(&file).expect("the backup can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("the backup can be written");
    let refused = command_line(&["restore", text(&file), "--data-dir", text(&fresh)], "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(rows(&fresh), restored);
}
