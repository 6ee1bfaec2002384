//! Files that are not as they should be.

use super::*;

/// The files that were moved aside.
fn moved_aside(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains("broker.db.damaged-")).collect();
    found.sort();
    found
}

async fn open_error(place: &Place) -> StoreOpenError {
    let clock: Arc<dyn Clock> = place.clock.clone();
    SqliteStore::open(&place.file(), StoreOptions::default(), clock).await.unwrap_err()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside() {
    let place = Place::new();
    std::fs::write(place.file(), "this is not a database ".repeat(1_000)).unwrap();
    let mut opening = place.open().await;
    let [warning] = opening.snapshot.warnings.as_slice() else { panic!("{:?}", opening.snapshot.warnings) };
    let aside = moved_aside(&place);
    assert!(warning.contains(aside[0].to_str().unwrap()) && warning.contains("damaged"), "{warning}");
    assert!(std::fs::read(&aside[0]).unwrap().starts_with(b"this is not"));
    opening.commit(vec![opened("a")]).await;
    opening.close().await;
    let opening = place.open().await;
    assert_eq!((opening.snapshot.sessions.len(), opening.snapshot.warnings.len()), (1, 0));
}

/// Fills a file so that each table has many pages, and closes it.
async fn fill(place: &Place) {
    let mut opening = place.open().await;
    for client in 0..50 {
        let name = format!("client-{client:03}");
        let mut changes = vec![opened(&name), subscribed(&name, None, "t/#", 1), left(&name, 3)];
        for number in 0..40 {
            changes.push(queued(&name, number, &message(&format!("t/{number}"), &"x".repeat(200))));
        }
        changes.push(Change::Received(name.as_str().into(), 0));
        changes.push(Change::Retained { message: message(&format!("kept/{client}"), "x"), lazily: false });
        opening.commit(changes).await;
    }
    opening.close().await;
}

#[tokio::test]
async fn what_is_left_of_a_damaged_file_is_copied() {
    let place = Place::new();
    fill(&place).await;
    let whole = place.open().await.snapshot;
    // A page in the middle of the messages.
    let mut bytes = std::fs::read(place.file()).unwrap();
    let at = bytes.windows(200).rposition(|window| window == [b'x'; 200]).unwrap() / 4_096 / 2 * 4_096;
    bytes[at..at + 4_096].fill(0x5a);
    std::fs::write(place.file(), &bytes).unwrap();
    place.clock.advance(Duration::from_secs(60));
    let mut opening = place.open().await;
    let snapshot = opening.snapshot.clone();
    let [warning] = snapshot.warnings.as_slice() else { panic!("{:?}", snapshot.warnings) };
    assert!(warning.contains("50 sessions and 50 retained messages were copied"), "{warning}");
    assert!(warning.contains("message ("), "{warning}");
    let count =
        |snapshot: &Snapshot| snapshot.sessions.iter().map(|session| session.deliveries.len()).sum::<usize>();
    assert!((1..2_000).contains(&count(&snapshot)), "{} of {}", count(&snapshot), count(&whole));
    let (first, known) = (&snapshot.sessions[0], &whole.sessions[0]);
    assert_eq!(first.subscriptions, known.subscriptions);
    assert_eq!(first.deliveries[0].delivery, known.deliveries[0].delivery);
    assert_eq!(first.deliveries[0].age, Duration::from_secs(60), "ages go on");
    assert!(first.deliveries[0].received);
    assert_eq!(first.away, Some(Duration::from_secs(60)));
    assert_eq!(moved_aside(&place).len(), 1);
    opening.commit(vec![delivered("client-000", 0)]).await;
    opening.close().await;
    assert!(place.open().await.snapshot.warnings.is_empty());
}

/// A power cut between the two renames leaves the finished copy under its other name.
#[tokio::test]
async fn a_copy_that_was_finished_and_not_put_into_its_place_is_found() {
    let place = Place::new();
    fill(&place).await;
    std::fs::rename(place.file(), file::beside(&place.file(), ".salvaged")).unwrap();
    assert_eq!(place.open().await.snapshot.sessions.len(), 50);
}

/// Wherever one page of a file is spoiled, the store opens.
#[tokio::test]
async fn no_damaged_page_keeps_the_broker_from_starting() {
    let original = Place::new();
    fill(&original).await;
    let pages = std::fs::metadata(original.file()).unwrap().len() / 4_096;
    for page in (0..pages).step_by(usize::try_from(pages / 40).unwrap().max(1)) {
        let place = original.power_cut();
        let mut bytes = std::fs::read(place.file()).unwrap();
        let at = usize::try_from(page * 4_096).unwrap();
        bytes[at..at + 4_096].fill(u8::try_from(page % 256).unwrap());
        std::fs::write(place.file(), &bytes).unwrap();
        // A log left behind is the sign of an unclean stop; SQLite discards one without a valid header.
        std::fs::write(file::beside(&place.file(), "-wal"), [0; 32]).unwrap();
        let mut opening = place.open().await;
        opening.commit(vec![opened("new")]).await;
        opening.close().await;
    }
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_left_alone() {
    use sqlx::Connection;
    let place = Place::new();
    place.open().await.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.file());
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = open_error(&place).await;
    assert!(matches!(error, StoreOpenError::OtherRelease { .. }), "{error}");
    assert!(error.to_string().contains("newest release"), "{error}");
    assert!(moved_aside(&place).is_empty());
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let place = Place::new();
    let path = place.directory.path().join("missing/broker.db");
    let error = SqliteStore::open(&path, StoreOptions::default(), place.clock.clone()).await.unwrap_err();
    assert!(matches!(error, StoreOpenError::File { .. }), "{error}");
    assert!(error.to_string().contains("missing/broker.db"), "{error}");
}
