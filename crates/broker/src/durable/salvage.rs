//! What a damaged file still gives, in a new file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gatehouse_model::{Clock, Timestamp};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::file::{OpenProblem, Opened, explain_commit, open_and_read};
use super::load::{Care, load};
use super::state::State;
use super::write::write;
use super::{StoreOpenError, StoreOptions};
use crate::store::{Change, Snapshot};

/// Makes a new file at `path`, with what can be read of the damaged one at `aside`.
pub(super) async fn copy(
    path: &Path,
    aside: &Path,
    problem: &str,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, StoreOpenError> {
    let now = clock.now();
    let (snapshot, lost) = match read_damaged(aside, now).await {
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
    let (sessions, retained) = (snapshot.sessions.len(), snapshot.retained.len());
    let mut opened =
        open_and_read(path, options, clock, Care::Strict).await.map_err(|error| match error {
            OpenProblem::Other(error) => error,
            OpenProblem::Damaged(detail) => {
                StoreOpenError::StillDamaged { path: path.to_owned(), aside: aside.to_owned(), detail }
            }
        })?;
    let mut state = State::default();
    adopt(&mut state, now, &snapshot);
    write(&mut opened.connection, &state).await.map_err(|error| StoreOpenError::Copy {
        path: path.to_owned(),
        source: explain_commit(path, &error),
    })?;
    opened.loaded = load(&mut opened.connection, now, Care::Strict)
        .await
        .map_err(|source| StoreOpenError::Open { path: path.to_owned(), source })?;
    let lost =
        if lost.is_empty() { "nothing is known to be lost".to_owned() } else { format!("lost: {lost}") };
    opened.loaded.snapshot.warnings.push(format!(
        "The broker's file was damaged ({problem}). It was moved to {}, and {sessions} sessions and {retained} retained \
         messages were copied from it into a new one; {lost}. See to the health of the disk, and delete the old file when \
         nobody misses anything.",
        aside.display()
    ));
    Ok(opened)
}

async fn read_damaged(aside: &Path, now: Timestamp) -> Result<super::load::Loaded, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(aside).pragma("mmap_size", "0");
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
                sent_before: session.sent_before.unwrap_or(u64::MAX),
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
