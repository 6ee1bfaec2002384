//! A file that is to stay as it is, whatever could be written.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Every file of a directory with its bytes.
fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Beside a disk that was full at the start the gateway runs from memory, and wrote to the history there as soon as somebody made
/// room, while it told that nothing was recorded.
#[tokio::test]
async fn a_history_that_is_opened_still_shows_what_there_is_and_writes_nothing() {
    // Left by a crash, with a log, and closed in order, without one.
    for is_left in [true, false] {
        let house = House::new();
        let before = house.open(eager()).await;
        record_all(&before, &[reading("kitchen", 21.5, NOW)]).await;
        let place = TempDir::new().unwrap();
        let file = place.path().join("history.db");
        if !is_left {
            before.clone().close().await;
        }
        std::fs::copy(house.file(), &file).unwrap();
        if is_left {
            std::fs::copy(house.directory.path().join("history.db-wal"), place.path().join("history.db-wal"))
                .unwrap();
            before.close().await;
        }
        let found = content(place.path());
        assert_eq!(found.len(), if is_left { 2 } else { 1 });
        let history = History::open_still(&file, eager(), house.clock.clone(), "is full");
        let why = history.trouble().borrow().as_deref().map(str::to_owned).unwrap();
        assert!(why.contains("is full") && why.contains("nothing more is recorded"), "{why}");
        assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
        let going = super::waiting::Going::with(&history, &[reading("kitchen", 22.0, NOW + 60_000)]).await;
        history.pulse().await;
        assert_eq!(history.status().await.unwrap().last_commit, None);
        // Nothing was to be kept, so that nothing has failed: a stop that somebody asked for ends well.
        going.end().await;
        history.close().await;
        assert!(content(place.path()) == found, "{:?}", content(place.path()).keys());
    }
}
