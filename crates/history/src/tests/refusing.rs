//! A disk that refuses: at the start, and while recording goes on.

use super::*;

/// The house came up without outputs and broker because its card was full.
#[tokio::test]
async fn a_file_that_cannot_be_opened_holds_nothing_up_and_is_opened_when_it_can_be() {
    let house = House::new();
    // A directory in its place, even root cannot open.
    std::fs::create_dir(house.file()).unwrap();
    let options = Options { buffer_limit: 1_000, ..eager() };
    let history = History::open_in_any_case(&house.file(), options, house.clock.clone()).await;
    let mut trouble = history.trouble();
    assert!(trouble.borrow_and_update().as_deref().is_some_and(|why| why.contains("history.db")));
    assert!(history.range(query("kitchen", NOW, NOW + 1, 1)).await.is_err(), "a query says so");
    let readings: Vec<Reading> = (0..1_500).map(|n| reading("kitchen", n as f64, NOW + n)).collect();
    let going = super::waiting::Going::with(&history, &readings).await;
    let status = history.status().await.unwrap();
    assert_eq!((status.refused_since, status.last_commit), (Some(Timestamp::from_millis(NOW)), None));
    assert!(status.waiting <= 1_000 && status.not_recorded.buffer_full >= 500, "{status:?}");
    std::fs::remove_dir(house.file()).unwrap();
    while trouble.borrow_and_update().is_some() {
        trouble.changed().await.unwrap();
    }
    going.end().await;
    let status = history.status().await.unwrap();
    assert_eq!((status.refused_since, status.series, status.waiting), (None, 1, 0));
    // What had to go is a gap behind a mark; what waited is there.
    let stored = u64::from(counts(&day_of(&history, "kitchen").await));
    assert_eq!(stored + status.not_recorded.buffer_full, 1_500, "{status:?}");
    history.close().await;
}

/// The watchdog of a house is fed while the recorder answers: not while a write hangs, as here, where the one connection that
/// writes is lent to somebody else, and well on a disk that refuses.
#[tokio::test]
async fn the_recorder_answers_on_a_disk_that_refuses_and_not_while_a_write_hangs() {
    let house = House::new();
    let history = house.open(eager()).await;
    let lent = history.writer.acquire().await.unwrap();
    let (recorder, shutdown) = (history.clone(), CancellationToken::new());
    let token = shutdown.clone();
    // The start of the recording is written at once.
    let going = tokio::spawn(async move { recorder.record(scheme(), stream::pending(), token).await });
    // Answers come until that commit is on its way.
    while tokio::time::timeout(Duration::from_millis(300), history.pulse()).await.is_ok() {}
    assert!(history.status().await.unwrap().last_commit.is_none());
    drop(lent);
    history.pulse().await;
    assert!(history.status().await.unwrap().last_commit.is_some());
    shutdown.cancel();
    going.await.unwrap().unwrap();
    history.close().await;

    let house = House::new();
    std::fs::create_dir(house.file()).unwrap();
    let history = History::open_in_any_case(&house.file(), eager(), house.clock.clone()).await;
    let going = super::waiting::Going::with(&history, &[reading("kitchen", 1.0, NOW)]).await;
    history.pulse().await;
    assert!(history.trouble().borrow().is_some(), "it answered, and cannot write");
    std::fs::remove_dir(house.file()).unwrap();
    going.end().await;
    history.close().await;
}

/// What is not opened is not made either: the next start finds what this one found.
#[tokio::test]
async fn a_history_that_was_never_opened_closes_and_leaves_the_file_alone() {
    let house = House::new();
    house.open(Options::default()).await.close().await;
    with_sqlite3(
        &house.file(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', 1, x'00', 0)",
    )
    .await;
    let history = History::open_in_any_case(&house.file(), eager(), house.clock.clone()).await;
    let messages = stream::iter([delivered(&reading("kitchen", 1.0, NOW))]);
    let error = history.record(scheme(), messages, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("another release"), "{error}");
    history.close().await;
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM sample").await, 0);
}

/// A disk of 256 KiB that other files fill: what is recorded waits, and goes on by itself when there is room again. Only
/// root may mount one.
#[tokio::test]
async fn a_disk_without_room_holds_nothing_up_and_recording_goes_on_when_there_is_room() {
    let house = House::new();
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .status()
            .is_ok_and(|status| status.success())
    };
    let disk = house.directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let place = disk.to_str().unwrap();
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place]) {
        eprintln!("not tried: this user cannot mount a disk");
        return;
    }
    let _unmounted = Unmounted(disk.clone());
    let filler = disk.join("filler");
    fill(&filler);
    let file = disk.join("history.db");
    let history = History::open_in_any_case(&file, eager(), house.clock.clone()).await;
    let mut trouble = history.trouble();
    assert!(trouble.borrow_and_update().is_some(), "a start on a full disk");
    let going = super::waiting::Going::with(&history, &[reading("kitchen", 1.0, NOW)]).await;
    std::fs::remove_file(&filler).unwrap();
    while trouble.borrow_and_update().is_some() {
        trouble.changed().await.unwrap();
    }
    going.end().await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
    // And once more, while it is open.
    fill(&filler);
    let many: Vec<Reading> = (1..4_000).map(|n| reading("kitchen", n as f64, NOW + n)).collect();
    let going = super::waiting::Going::with(&history, &many).await;
    while trouble.borrow_and_update().is_none() {
        trouble.changed().await.unwrap();
    }
    assert!(history.status().await.unwrap().refused_since.is_some());
    std::fs::remove_file(&filler).unwrap();
    while trouble.borrow_and_update().is_some() {
        trouble.changed().await.unwrap();
    }

    going.end().await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 4_000);
    history.close().await;
}

/// Fills the disk to the last byte.
fn fill(filler: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(filler).unwrap();
    let block = [0; 512];
    while file.write_all(&block).is_ok() {}
}

/// Gives the mounted disk back when the test ends, however it ends.
struct Unmounted(std::path::PathBuf);

impl Drop for Unmounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
