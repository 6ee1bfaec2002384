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
            Progress::Failing(error) => error,
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
    for all in [true, false] {
        let place = Place::new();
        let mut opening = place.open().await;
        opening.commit(vec![opened("a"), queued("a", 1, &message("t", "x"))]).await;
        for ending in if all { &["", "-wal", "-shm"][..] } else { &[""] } {
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

/// Root may write what is read-only; a directory in the place of the log stops root as well.
#[tokio::test]
async fn a_file_that_cannot_be_opened_again_is_tried_until_it_can() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let holder = holder(&place).await;
    opening.submit(vec![opened("b")]);
    opening.fails().await;
    // While it fails the file is closed; now it is not there for a while.
    let elsewhere = place.directory.path().join("elsewhere.db");
    std::fs::rename(place.file(), &elsewhere).unwrap();
    holder.close().await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(400), opening.store.progress(Ticket(1))).await;
    assert!(quiet.is_err(), "{quiet:?}");
    std::fs::rename(&elsewhere, place.file()).unwrap();
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
