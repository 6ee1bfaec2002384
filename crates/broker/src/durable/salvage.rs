//! What a damaged file still gives, in a new file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gatehouse_model::{Clock, Timestamp};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::file::{OpenProblem, Opened, beside, explain_commit, move_aside, open_and_read};
use super::load::{Care, Loaded, load};
use super::state::State;
use super::write::write;
use super::{StoreOpenError, StoreOptions};
use crate::store::{Change, Snapshot};

/// The ending of the new file while it is made.
const UNFINISHED: &str = ".salvaged";

/// The ending of the file that the writer makes of what is still open when its file was taken away.
pub(super) const RESTORED: &str = ".restored";

/// Takes up what a power cut interrupted between the two renames of [`copy`], or what the writer could not put into the
/// place of a file that was taken away ([`RESTORED`]). As long as there is a file in its place the new one may be
/// incomplete or old, and is made again.
pub(super) fn finish(path: &Path) -> std::io::Result<()> {
    for ending in [UNFINISHED, RESTORED] {
        let fresh = beside(path, ending);
        if fresh.exists() {
            if path.exists() {
                // One that cannot be deleted is written over when it is needed.
                let _ = std::fs::remove_file(fresh);
            } else {
                std::fs::rename(fresh, path)?;
            }
        }
    }
    Ok(())
}

/// Makes a new file of what can be read of the damaged one at `path`, moves that aside, and opens the new one.
pub(super) async fn copy(
    path: &Path,
    problem: &str,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, StoreOpenError> {
    let now = clock.now();
    let (snapshot, lost) = match read_damaged(path, now).await {
        Ok(loaded) => {
            let mut lost: Vec<String> =
                loaded.broken.iter().map(|(table, error)| format!("{table} ({error})")).collect();
            if loaded.passed_over > 0 {
                lost.push(format!("{} rows that refer to what is lost", loaded.passed_over));
            }
            (loaded.snapshot, lost.join(", "))
        }
        Err(error) => (Snapshot::default(), format!("everything ({error})")),
    };
    let fresh = beside(path, UNFINISHED);
    for ending in ["", "-wal", "-shm"] {
        // What an earlier try left; where it cannot be deleted, opening it says why.
        let _ = std::fs::remove_file(beside(&fresh, ending));
    }
    write_fresh(&fresh, now, &snapshot, options, clock).await?;
    let aside = move_aside(path, now).map_err(|source| StoreOpenError::Aside {
        path: path.to_owned(),
        detail: problem.to_owned(),
        source,
    })?;
    finish(path).map_err(|source| StoreOpenError::File { path: path.to_owned(), source })?;
    let mut opened = open_fresh(path, options, clock).await?;
    let lost =
        if lost.is_empty() { "nothing is known to be lost".to_owned() } else { format!("lost: {lost}") };
    let (sessions, retained) = (snapshot.sessions.len(), snapshot.retained.len());
    opened.loaded.snapshot.warnings.push(format!(
        "The broker's file was damaged ({problem}). It was moved to {}, and {sessions} sessions and {retained} retained \
         messages were copied from it into a new one; {lost}. See to the health of the disk, and delete the old file when \
         nobody misses anything.",
        aside.display()
    ));
    Ok(opened)
}

/// Makes a file with everything in a snapshot, and closes it.
async fn write_fresh(
    fresh: &Path,
    now: Timestamp,
    snapshot: &Snapshot,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<(), StoreOpenError> {
    let mut connection = open_fresh(fresh, options, clock).await?.connection;
    let mut state = State::default();
    adopt(&mut state, now, snapshot);
    let written = write(&mut connection, &state).await;
    let closed = connection.close().await;
    written.and(closed).map_err(|error| StoreOpenError::Copy {
        path: fresh.to_owned(),
        source: explain_commit(fresh, &error),
    })
}

async fn open_fresh(
    path: &Path,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, StoreOpenError> {
    open_and_read(path, options, clock).await.map_err(|error| match error {
        OpenProblem::Other(error) => error,
        OpenProblem::Damaged(detail) => StoreOpenError::StillDamaged { path: path.to_owned(), detail },
    })
}

async fn read_damaged(path: &Path, now: Timestamp) -> Result<Loaded, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).pragma("mmap_size", "0");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let loaded = load(&mut connection, now, Care::Salvage).await;
    // It was only read.
    let _ = connection.close().await;
    loaded
}

/// Records everything in a snapshot as if it were new, with the times that it has.
fn adopt(state: &mut State, now: Timestamp, snapshot: &Snapshot) {
    let at = |age: std::time::Duration| {
        now.as_millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    };
    // The snapshot keeps every message alive, so that an address means the same message all the way.
    let mut bodies = HashMap::new();
    let now = now.as_millis();
    for session in &snapshot.sessions {
        let client_id = || Arc::clone(&session.client_id);
        let opened = Change::SessionOpened {
            client_id: client_id(),
            user: Arc::clone(&session.user),
            expiry_seconds: session.expiry_seconds,
            will: session.will.clone().map(Arc::new),
        };
        state.apply_one(now, opened, &mut bodies);
        if let Some(away) = session.away {
            let left = Change::SessionLeft {
                client_id: client_id(),
                expiry_seconds: session.expiry_seconds,
                // Where nothing is known all may have been sent. What follows goes on from there.
                sent_before: session.sent_before.unwrap_or_else(|| {
                    session.deliveries.last().map_or(0, |last| last.delivery.number.saturating_add(1))
                }),
            };
            state.apply_one(at(away), left, &mut bodies);
        }
        for subscription in session.subscriptions.iter().cloned() {
            state.apply_one(now, Change::Subscribed { client_id: client_id(), subscription }, &mut bodies);
        }
        for packet in &session.incoming {
            state.apply_one(now, Change::IncomingBegun(client_id(), *packet), &mut bodies);
        }
        for restored in &session.deliveries {
            let delivery = restored.delivery.clone();
            let number = delivery.number;
            let queued = Change::Queued { client_id: client_id(), delivery };
            state.apply_one(at(restored.age), queued, &mut bodies);
            if restored.received {
                state.apply_one(now, Change::Received(client_id(), number), &mut bodies);
            }
        }
    }
    for (message, age) in &snapshot.retained {
        let retained = Change::Retained { message: Arc::new(message.clone()), lazily: false };
        state.apply_one(at(*age), retained, &mut bodies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeptSession;

    /// It became the greatest number that a file can hold, and from then on every delivery of the session had that number.
    #[test]
    fn a_session_of_which_is_not_known_what_was_sent_goes_on_counting() {
        let session = KeptSession {
            client_id: "a".into(),
            user: "ana".into(),
            expiry_seconds: 60,
            away: Some(std::time::Duration::from_secs(1)),
            sent_before: None,
            will: None,
            subscriptions: Vec::new(),
            incoming: Vec::new(),
            deliveries: Vec::new(),
        };
        let mut state = State::default();
        let snapshot = Snapshot { sessions: vec![session], ..Snapshot::default() };
        adopt(&mut state, Timestamp::from_millis(1_795_252_440_000), &snapshot);
        assert_eq!(state.sessions.get("a").unwrap().row.sent_before, Some(0));
    }
}
