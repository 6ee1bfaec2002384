//! A disk that is full, a file that may not be written, is locked, or is gone.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::model::assert_same;
use super::*;

impl Opening {
    /// Waits until the store says that it fails.
    async fn fails(&mut self) -> StoreError {
        let committed = Ticket(self.ticket.0 - 1);
        match self.next(committed).await {
            Progress::Failing(error) | Progress::Gone(error) => error,
            Progress::Committed(ticket) => panic!("{ticket:?} is committed"),
        }
    }
}

/// A program that holds the file.
async fn holder(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.file());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

fn small() -> StoreOptions {
    StoreOptions { max_file_bytes: 40 * u64::from(file::PAGE_BYTES), ..prompt() }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_lost_and_nothing_is_half_written() {
    let place = Place::new();
    let mut model = Model::default();
    let mut opening = place.open_with(small()).await;
    let rounds = [
        vec![opened("a"), queued("a", 1, &message("t", &"x".repeat(60_000)))],
        vec![queued("a", 2, &message("t", "small")), queued("a", 3, &message("t", &"y".repeat(100_000)))],
        vec![queued("a", 4, &message("t", "small"))],
    ];
    for change in rounds.iter().flatten() {
        model.apply(NOW, change);
    }
    let [first, second, third] = rounds;
    opening.commit(first).await;
    let commits = (opening.commits)();
    opening.submit(second);
    let error = opening.fails().await;
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(error.to_string().contains("broker.db") && error.to_string().contains("make room"), "{error}");
    assert!(opening.store.uncommitted_bytes() > 100_000);
    opening.submit(third);
    let quiet = tokio::time::timeout(Duration::from_millis(400), opening.store.progress(Ticket(1))).await;
    assert!(quiet.is_err(), "it is told once: {quiet:?}");
    assert_eq!((opening.commits)(), commits);
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM delivery").await, 1, "no part of a group");
    // A client reads what waited for it, which makes room.
    model.apply(NOW, &delivered("a", 1));
    opening.submit(vec![delivered("a", 1)]);
    assert_eq!(opening.next(Ticket(3)).await, Progress::Committed(Ticket(4)));
    assert_eq!(opening.store.uncommitted_bytes(), 0);
    opening.close().await;
    assert_same(place.open_with(small()).await.snapshot, &model.snapshot(NOW));
}

#[tokio::test]
async fn what_a_store_could_not_commit_before_it_was_closed_is_told() {
    let place = Place::new();
    let mut opening = place.open_with(small()).await;
    opening.commit(vec![opened("a")]).await;
    opening.submit(vec![queued("a", 1, &message("t", &"x".repeat(200_000)))]);
    let error = opening.store.close().await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert_eq!(place.open_with(small()).await.snapshot.sessions.len(), 1, "what was committed is there");
}

/// The watchdog of a house is fed while the store answers. A disk that is full answers; one that hangs does not, as here,
/// where another program holds the file and the commit waits for it.
#[tokio::test]
async fn the_store_answers_on_a_full_disk_and_not_while_a_write_hangs() {
    let place = Place::new();
    let mut opening = place.open_with(small()).await;
    let pulse = opening.store.pulse();
    tokio::time::timeout(LIMIT, pulse()).await.expect("it has nothing to do");
    let holder = holder(&place).await;
    opening.submit(vec![opened("a")]);
    let asked = pulse();
    tokio::pin!(asked);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err() && (opening.commits)() == 0, "it waits for the commit");
    holder.close().await.unwrap();
    tokio::time::timeout(LIMIT, asked).await.expect("the file is free");
    assert_eq!((opening.commits)(), 1, "the answer comes behind what was submitted before");
    opening.submit(vec![queued("a", 1, &message("t", &"x".repeat(200_000)))]);
    let error = opening.fails().await;
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    tokio::time::timeout(LIMIT, pulse()).await.expect("a full disk is no dead one");
}

#[tokio::test]
async fn a_file_that_another_program_holds_is_written_when_it_lets_go() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let holder = holder(&place).await;
    opening.submit(vec![opened("b")]);
    let error = opening.fails().await;
    assert!(error.to_string().contains("another program holds"), "{error}");
    holder.close().await.unwrap();
    assert_eq!(opening.next(Ticket(1)).await, Progress::Committed(Ticket(2)));
    // And it can fail, and be told, again.
    let holder = self::holder(&place).await;
    opening.submit(vec![opened("c")]);
    opening.fails().await;
    holder.close().await.unwrap();
    opening.settle().await;
    opening.close().await;
    assert_eq!(place.open().await.snapshot.sessions.len(), 3);
}

/// The file is made again from what is still open; what was acknowledged stays.
#[tokio::test]
async fn a_file_that_somebody_deletes_is_made_again_with_all_that_it_held() {
    // The log alone as well: what is written into one that has lost its name is gone with the process.
    for taken in [&["", "-wal", "-shm"][..], &[""], &["-wal"]] {
        let place = Place::new();
        let mut opening = place.open().await;
        opening.commit(vec![opened("a"), queued("a", 1, &message("t", "x"))]).await;
        for ending in taken {
            std::fs::remove_file(file::beside(&place.file(), ending)).unwrap();
        }
        opening.commit(vec![queued("a", 2, &message("t", "y"))]).await;
        let snapshot = place.power_cut().open().await.snapshot;
        assert_eq!(snapshot.sessions[0].deliveries.len(), 2);
        opening.commit(vec![delivered("a", 1)]).await;
        opening.close().await;
        assert_eq!(place.open().await.snapshot.sessions[0].deliveries.len(), 1);
    }
}

/// A directory stands in its place, where no file can be put: the broker used to close what it had open at the first try,
/// so that it could never write again, and what had been acknowledged was lost with the next restart.
#[tokio::test]
async fn a_file_that_was_replaced_by_a_directory_is_made_again_when_that_is_gone() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    std::fs::remove_file(place.file()).unwrap();
    std::fs::create_dir(place.file()).unwrap();
    opening.submit(vec![opened("b")]);
    let error = opening.fails().await;
    assert!(error.to_string().contains("could not be made again"), "{error}");
    std::fs::remove_dir(place.file()).unwrap();
    assert_eq!(opening.next(Ticket(1)).await, Progress::Committed(Ticket(2)));
    assert_eq!(place.power_cut().open().await.snapshot.sessions.len(), 2);
    // Stopped before it is gone, the gateway has what was acknowledged at its next start.
    std::fs::remove_file(place.file()).unwrap();
    std::fs::create_dir(place.file()).unwrap();
    opening.submit(vec![opened("c")]);
    opening.fails().await;
    opening.store.close().await.unwrap_err();
    std::fs::remove_dir(place.file()).unwrap();
    assert_eq!(place.open().await.snapshot.sessions.len(), 2);
}

/// Somebody makes room on a full disk, and takes the broker's file for something that can go.
#[tokio::test]
async fn a_file_that_is_deleted_while_it_cannot_be_written_is_made_again() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let holder = holder(&place).await;
    opening.submit(vec![opened("b")]);
    opening.fails().await;
    for ending in ["", "-wal", "-shm"] {
        std::fs::remove_file(file::beside(&place.file(), ending)).unwrap();
    }
    assert_eq!(opening.next(Ticket(1)).await, Progress::Committed(Ticket(2)));
    holder.close().await.unwrap();
    opening.commit(vec![opened("c")]).await;
    assert_eq!(place.power_cut().open().await.snapshot.sessions.len(), 3);
}

/// It used to be told to look for space on the disk.
#[tokio::test]
async fn a_file_that_is_held_at_the_start_is_told_as_such() {
    let place = Place::new();
    place.open().await.close().await;
    let holder = holder(&place).await;
    let error = SqliteStore::open(&place.file(), prompt(), place.clock.clone()).await.unwrap_err();
    assert!(matches!(error, StoreOpenError::Held { .. }), "{error}");
    holder.close().await.unwrap();
    place.open().await.close().await;
}

#[tokio::test]
async fn a_log_whose_file_is_gone_is_kept_and_told() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let left = place.power_cut();
    std::fs::remove_file(left.file()).unwrap();
    let mut again = left.open().await;
    assert!(again.snapshot.sessions.is_empty());
    let [warning] = &again.snapshot.warnings[..] else { panic!("{:?}", again.snapshot.warnings) };
    assert!(warning.contains("only its log was left"), "{warning}");
    again.commit(vec![opened("b")]).await;
    let names: Vec<_> =
        std::fs::read_dir(left.directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(
        names.iter().any(
            |name| name.to_string_lossy().contains("damaged") && name.to_string_lossy().ends_with("-wal")
        ),
        "{names:?}"
    );
}

/// Root may write what is read-only; a directory in the place of the log stops root as well.
#[tokio::test]
async fn a_file_that_cannot_be_opened_again_is_tried_until_it_can() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let log = file::beside(&place.file(), "-wal");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    opening.submit(vec![opened("b")]);
    let error = opening.fails().await;
    assert!(error.to_string().contains("broker.db"), "{error}");
    let quiet = tokio::time::timeout(Duration::from_millis(400), opening.store.progress(Ticket(1))).await;
    assert!(quiet.is_err(), "{quiet:?}");
    std::fs::remove_dir(&log).unwrap();
    assert_eq!(opening.next(Ticket(1)).await, Progress::Committed(Ticket(2)));
    opening.close().await;
    assert_eq!(place.open().await.snapshot.sessions.len(), 2);
}

/// Every message that came and went while the disk was full left the keys of its rows behind, and a day of that filled the
/// memory.
#[test]
fn what_comes_and_goes_while_the_disk_fails_leaves_nothing_behind() {
    let mut state = state::State::default();
    state.apply(NOW, vec![opened("a"), queued("a", 1, &message("t", "x"))]);
    state.failed();
    state.apply(NOW, vec![Change::Received("a".into(), 1)]);
    let bytes = state.group_bytes();
    for number in 2..100 {
        state.apply(NOW, vec![queued("a", number, &message("t", "x"))]);
        state.apply(NOW, vec![delivered("a", number), Change::Received("a".into(), 1)]);
        state.apply(NOW, vec![opened("b"), queued("b", 1, &message("t", "x"))]);
        state.apply(NOW, vec![Change::SessionEnded("b".into())]);
    }
    assert_eq!(state.group_bytes(), bytes);
    // What was in the group that failed may be in the file.
    state.apply(NOW, vec![delivered("a", 1)]);
    assert_eq!((state.group.gone_deliveries.len(), state.group.gone_messages.len()), (1, 1));
}
