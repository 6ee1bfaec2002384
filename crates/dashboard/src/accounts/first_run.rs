//! How far the first run has come: which steps are done, so that whoever leaves it goes on where it was, on any phone.

use std::fmt;
use std::str::FromStr;

use super::{Accounts, AccountsError};

/// A step of the first run, after there is an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstRunStep {
    /// The name of the gateway.
    Name,
    /// Time zone and place.
    Place,
    /// What was found on the board.
    Board,
    /// The first device.
    Device,
    /// The first phone.
    Phone,
}

impl FirstRunStep {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Name, Self::Place, Self::Board, Self::Device, Self::Phone];

    /// The word for it in the file and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Place => "place",
            Self::Board => "board",
            Self::Device => "device",
            Self::Phone => "phone",
        }
    }
}

impl fmt::Display for FirstRunStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FirstRunStep {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|step| step.as_str() == word).ok_or(())
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It waits for somebody.
    Open,
    /// It was done.
    Done,
    /// It was passed over.
    Skipped,
}

impl StepOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }

    fn from_word(word: &str) -> Result<Self, AccountsError> {
        [Self::Open, Self::Done, Self::Skipped]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
            .ok_or_else(|| AccountsError::Damaged(format!("`{word}` is no outcome of a step")))
    }
}

impl Accounts {
    /// The steps of the first run with what came of each, in their order. Without a first run, all are done: the gateway was
    /// set up by a script or on the command line, and nobody wants to be led.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn first_run(&self) -> Result<Vec<(FirstRunStep, StepOutcome)>, AccountsError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT step, outcome FROM first_run").fetch_all(&self.inner.pool).await?;
        let outcome = |step: FirstRunStep| -> Result<StepOutcome, AccountsError> {
            let row = rows.iter().find(|(word, _)| word == step.as_str());
            row.map_or(Ok(StepOutcome::Done), |(_, outcome)| StepOutcome::from_word(outcome))
        };
        FirstRunStep::ALL.into_iter().map(|step| Ok((step, outcome(step)?))).collect()
    }

    /// Whether a step of the first run is open.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn first_run_is_open(&self) -> Result<bool, AccountsError> {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM first_run WHERE outcome = 'open'")
            .fetch_one(&self.inner.pool)
            .await?;
        Ok(open > 0)
    }

    /// Notes what came of a step. Of a gateway that had no first run nothing is noted.
    ///
    /// # Errors
    /// When the accounts cannot be written.
    pub async fn note_step(&self, step: FirstRunStep, outcome: StepOutcome) -> Result<(), AccountsError> {
        sqlx::query("UPDATE first_run SET outcome = ?, at_ms = ? WHERE step = ?")
            .bind(outcome.as_str())
            .bind(self.inner.clock.now().as_millis())
            .bind(step.as_str())
            .execute(&self.inner.pool)
            .await?;
        Ok(())
    }
}

/// All steps become open, in the transaction that makes the first administrator: a power cut leaves both or none.
pub(super) async fn begin(
    transaction: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    now: gatehouse_model::Timestamp,
) -> Result<(), sqlx::Error> {
    for step in FirstRunStep::ALL {
        sqlx::query("INSERT OR REPLACE INTO first_run (step, outcome, at_ms) VALUES (?, 'open', ?)")
            .bind(step.as_str())
            .bind(now.as_millis())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
