//! The file of a history that another process may be recording: it is only read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::Clock;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{ConnectOptions, SqlitePool};

use crate::rows::{RowsQuery, RowsReader, Store};
use crate::{HistoryError, database, still};

/// How long a reader waits for a lock of another process: SQLite takes one for moments, when it puts a log in order.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Longest time of one step of reading. Nobody else waits for it, so it is only there for a disk that hangs.
const STEP_TIME_LIMIT: Duration = Duration::from_secs(60);

/// A history that is only read, whoever records it.
#[derive(Clone, Debug)]
pub struct Archive {
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl Archive {
    /// Opens the file at `path`, which stays as it is.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is of a newer release, or has not all tables of this one yet
    /// ([`HistoryError::Behind`]), which opening it for recording would give it.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, HistoryError> {
        let explain = |source| database::explain_open(path, source);
        let options = still::options(path, still::is_still(path))
            .busy_timeout(LOCK_WAIT)
            .pragma("temp_store", "MEMORY")
            .pragma("mmap_size", "0")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let readers = pool.connect_with(options).await.map_err(explain)?;
        database::check_schema(path, &readers).await?;
        Ok(Self { readers, clock })
    }

    /// Begins to read rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read_rows(&self, query: &RowsQuery) -> Result<RowsReader, HistoryError> {
        let store = Store {
            readers: self.readers.clone(),
            clock: Arc::clone(&self.clock),
            limit: STEP_TIME_LIMIT,
            recording: None,
            notes: Arc::default(),
        };
        RowsReader::open(store, query).await
    }

    /// Closes it.
    pub async fn close(self) {
        self.readers.close().await;
    }
}
