//! A question to the file: a reader of its own, a time limit, and what can go wrong.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Moment};
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;

use crate::time_limit::{explain_read, lift_time_limit, limit_time};
use crate::{History, HistoryError};

/// What ended a query.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// SQLite could not answer, or was stopped.
    Sql(sqlx::Error),
    /// Its time was up while it computed.
    TooLong,
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// When a question has to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    at: Moment,
    limit: Duration,
}

impl Deadline {
    /// Whether there is time left for more.
    pub(crate) fn go_on(&self) -> Result<(), Trouble> {
        if self.clock.moment() < self.at { Ok(()) } else { Err(Trouble::TooLong) }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.at.since_start().saturating_sub(self.clock.moment().since_start())
    }
}

/// Waits for a reader and sets its time limit. Whoever asks reads in one transaction, so that the file is seen as it
/// was at one moment.
pub(crate) async fn begin(history: &History) -> Result<(PoolConnection<Sqlite>, Deadline), HistoryError> {
    let limit = history.options.query_time_limit;
    let explain = |error| explain_read(error, limit);
    let mut connection = history.readers.acquire().await.map_err(explain)?;
    let clock = Arc::clone(&history.clock);
    let deadline = Deadline { at: clock.moment() + limit, clock, limit };
    limit_time(&mut connection, &history.clock, limit).await.map_err(explain)?;
    Ok((connection, deadline))
}

/// Gives the reader back, and the answer in the room's words.
pub(crate) async fn end<T>(
    mut connection: PoolConnection<Sqlite>,
    deadline: &Deadline,
    answer: Result<T, Trouble>,
) -> Result<T, HistoryError> {
    let limit = deadline.limit;
    let lifted = lift_time_limit(&mut connection).await;
    lifted.map_err(|error| explain_read(error, limit))?;
    answer.map_err(|trouble| match trouble {
        Trouble::Sql(error) => explain_read(error, limit),
        Trouble::TooLong => HistoryError::TimeLimit { limit },
    })
}
