//! Who may come in: names, roles, passwords and sessions, shared by page and MQTT.
//!
//! They are kept in a file that the daemon and the command line may have open at the same time; each change is one
//! transaction.

mod attempts;
mod audit;
mod clients;
mod first_run;
mod home;
mod known;
mod login;
mod password;
mod refusals;
mod revoked;
mod rules;
mod sessions;
mod setup;
mod store;
mod tokens;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gatehouse_model::{Clock, Randomness, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{Semaphore, watch};

pub use audit::{
    AuditEntry, By, Deed, MAX_AUDIT_CHANGES, MAX_AUDIT_PAGE, MAX_AUDIT_REFUSALS, MAX_AUDIT_VISITS,
    MAX_AUDIT_WRONG_LOG_INS,
};
pub use clients::{Client, MAX_CLIENTS, MqttLogin, random_password};
pub use first_run::{FirstRunStep, StepOutcome};
pub use login::LogIn;
pub use revoked::AccessChange;
pub use rules::{ANONYMOUS, MAX_NAME_LENGTH, MAX_PASSWORD_BYTES, MIN_PASSWORD_LENGTH};
pub use setup::{Guided, MAX_SETUP_TRIES, SETUP_CODE_LIFE, SetupError};
pub use tokens::{ApiToken, MAX_TOKENS, Scope};

pub(crate) use rules::check_password;
pub(crate) use sessions::{SESSION_LONGEST, SessionToken};
pub(crate) use tokens::TokenHash;

/// Most users. A household and its devices stay far below; it bounds what the file and the list can become.
pub const MAX_USERS: i64 = 256;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Look and switch.
    Operator,
    /// Look.
    Viewer,
}

impl Role {
    /// `admin`, `operator` or `viewer`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// Whether this role may switch outputs.
    pub const fn may_switch(self) -> bool {
        matches!(self, Self::Admin | Self::Operator)
    }

    /// The role that may do what both this and `limit` may.
    pub(crate) const fn at_most(self, limit: Self) -> Self {
        match (self, limit) {
            (Self::Viewer, _) | (_, Self::Viewer) => Self::Viewer,
            (Self::Operator, _) | (_, Self::Operator) => Self::Operator,
            (Self::Admin, Self::Admin) => Self::Admin,
        }
    }

    fn from_word(word: &str) -> Result<Self, AccountsError> {
        word.parse().map_err(AccountsError::Damaged)
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Admin, Self::Operator, Self::Viewer]
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| format!("`{word}` is not a role: choose admin, operator or viewer"))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person, or a program that speaks MQTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name as it was given.
    pub name: Arc<str>,
    /// What this user may do at the page.
    pub role: Role,
    /// The name of the rights set that says what this user may do over MQTT; without one, that of the role's name.
    pub rights: Option<String>,
}

impl User {
    /// The name of the rights set that holds over MQTT.
    pub fn rights_set(&self) -> &str {
        self.rights.as_deref().unwrap_or(self.role.as_str())
    }

    fn from_row((name, role, rights): UserRow) -> Result<Self, AccountsError> {
        Ok(Self { name: name.into(), role: Role::from_word(&role)?, rights })
    }
}

/// Name, role and rights set of a user.
type UserRow = (String, String, Option<String>);

/// Why something about accounts was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The name breaks a rule.
    #[error("{0}")]
    InvalidName(String),
    /// The password breaks a rule.
    #[error("{0}")]
    WeakPassword(String),
    /// There is a user of this name, whatever its small and large letters.
    #[error("There is a user named `{0}` already. Choose another name.")]
    NameTaken(String),
    /// There is no user of this name.
    #[error("There is no user named `{0}`. `gatehouse user list` shows all.")]
    UnknownUser(String),
    /// Without an administrator nobody could make one.
    #[error("`{0}` is the last administrator. Add another one first.")]
    LastAdministrator(String),
    /// As many users as there may be.
    #[error("There are {MAX_USERS} users already. Remove one that is not needed.")]
    TooManyUsers,
    /// There is no client of this name below this user.
    #[error("The user `{user}` has no client named `{client}`. `gatehouse client list` shows all.")]
    UnknownClient {
        /// Whose.
        user: String,
        /// Its name.
        client: String,
    },
    /// As many clients as there may be.
    #[error("There are {MAX_CLIENTS} clients already. Remove one that is not needed.")]
    TooManyClients,
    /// There is no token of this number.
    #[error("There is no such token: it was taken back already.")]
    UnknownToken,
    /// The user has a token of this name.
    #[error("There is a token named `{0}` already. Choose another name.")]
    TokenNameTaken(String),
    /// As many tokens as there may be.
    #[error("There are {MAX_TOKENS} tokens already. Remove one that is not needed.")]
    TooManyTokens,
    /// More passwords are being checked than may wait.
    #[error("The gateway is busy checking passwords. Try again in a few seconds.")]
    Busy,
    /// The file cannot be made or opened; the source of this error says what the system says.
    #[error("cannot open the accounts in {} (its folder must exist and belong to the user of the gateway)", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file was written by a newer program.
    #[error(
        "the accounts have form {found}, and this program knows forms up to {known}: install the newer version again"
    )]
    TooNew {
        /// The form of the file.
        found: i64,
        /// The newest known form.
        known: usize,
    },
    /// The file does not hold what it should.
    #[error("the accounts are damaged: {0}")]
    Damaged(String),
    /// A hash could not be made or read.
    #[error("the password could not be hashed or checked: {0}")]
    Hash(String),
    /// There is no room on the disk: nobody can log in to the page, or be added.
    #[error("The gateway's disk is full. Make room on it, and try again.")]
    DiskFull,
    /// The database failed. Its words are in the message and therefore not the source of this error as well: whoever
    /// prints the chain would print them twice.
    #[error("the accounts cannot be read or written: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for AccountsError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL, <https://www.sqlite.org/rescode.html>.
        let is_full =
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "13");
        if is_full { Self::DiskFull } else { Self::Database(error) }
    }
}

/// The accounts of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    hasher: password::Hasher,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    own_code: Mutex<Option<setup::OwnCode>>,
    sessions_changed: watch::Sender<u64>,
    /// What logins over MQTT were let in with.
    granted: revoked::Granted,
    attempts: Mutex<attempts::Attempts>,
    /// Refusals that were written down of late.
    refusals: refusals::Refusals,
    /// Places to wait for a log-in.
    log_ins: Semaphore,
    /// What was right lately.
    known: known::Known,
    /// Whose log-in is being checked.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Accounts {
    /// Opens the accounts kept in the file at `path`, and makes it (mode 0600) when it is not there; its folder must
    /// be. Another process may have it open too.
    ///
    /// # Errors
    /// When the file cannot be made, opened or brought up to date.
    pub async fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, AccountsError> {
        let pool = store::open(path).await?;
        let inner = Inner {
            known: known::Known::new(&*randomness),
            pool,
            hasher: password::Hasher::new(Arc::clone(&randomness)),
            clock,
            randomness,
            own_code: Mutex::new(None),
            sessions_changed: watch::Sender::new(0),
            granted: revoked::Granted::default(),
            attempts: Mutex::default(),
            refusals: refusals::Refusals::default(),
            log_ins: Semaphore::new(1 + login::MAX_WAITING_LOG_INS),
            turn: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The form of the file that this release works with. An older file is brought up to it when it is opened; one that is
    /// newer is refused.
    pub fn newest_form() -> i64 {
        store::newest_form()
    }

    /// The form of the file at `path`, which is only read; nothing when there is no file, or nothing in it yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub async fn form_of(path: &Path) -> Result<Option<i64>, AccountsError> {
        Ok(store::form_of(path).await?)
    }

    /// Whether the file answers. An error is an answer, such as one of a disk that is full; that another transaction holds
    /// the file for longer than any of ours takes is none. Nothing is written.
    pub async fn pulse(&self) -> bool {
        let begun = match self.inner.pool.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction.rollback().await,
            Err(error) => Err(error),
        };
        begun.map_or_else(|error| store::is_answer(&error), |()| true)
    }

    /// Ends all sessions in a file that nobody uses, whatever its form is: it stays what it is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn end_sessions_in(path: &Path) -> Result<(), AccountsError> {
        Ok(store::end_sessions_in(path).await?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When name or password break a rule, the name is taken, or there are too many users.
    pub async fn add(&self, name: &str, role: Role, password: &str) -> Result<User, AccountsError> {
        rules::check_name(name)?;
        rules::check_password(password)?;
        let hash = self.inner.hasher.hash(password).await?;
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let user = insert(&mut transaction, name, role, &hash, self.inner.clock.now()).await?;
        if role == Role::Admin {
            // The set-up is done, so its code is gone.
            sqlx::query("DELETE FROM setup_code").execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(user)
    }

    /// The user of this name, when the password is right. It takes as long when there is no such user, so the time of
    /// the answer does not tell who has an account. It counts no tries: what comes from the network goes through
    /// [`Accounts::log_in`].
    ///
    /// # Errors
    /// When the accounts cannot be read, or too many log-ins wait already ([`AccountsError::Busy`]).
    pub async fn verify(&self, name: &str, password: &[u8]) -> Result<Option<User>, AccountsError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(None);
        }
        let row = self.look_up(name).await?;
        let hash = row.as_ref().map(|(_, hash)| hash.as_str());
        let right = self.inner.hasher.matches(password, hash).await?;
        // Checking takes a while, or long when others are before. Who was removed meanwhile, or got another password or
        // role, was told of by `watch` when there was no connection to end yet, and must not get one now.
        match row {
            Some(row) if right && self.look_up(name).await?.as_ref() == Some(&row) => {
                User::from_row(row.0).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A user and the hash of its password.
    async fn look_up(&self, name: &str) -> Result<Option<(UserRow, String)>, AccountsError> {
        let row: Option<(String, String, Option<String>, String)> =
            sqlx::query_as("SELECT name, role, rights, password FROM user WHERE key = ?")
                .bind(rules::key_of(name))
                .fetch_optional(&self.inner.pool)
                .await?;
        Ok(row.map(|(name, role, rights, hash)| ((name, role, rights), hash)))
    }

    /// The user of this name, whatever its small and large letters.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn find(&self, name: &str) -> Result<Option<User>, AccountsError> {
        self.look_up(name).await?.map(|(row, _)| User::from_row(row)).transpose()
    }

    /// All users, in the order of their names.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn list(&self) -> Result<Vec<User>, AccountsError> {
        let rows: Vec<UserRow> = sqlx::query_as("SELECT name, role, rights FROM user ORDER BY key")
            .fetch_all(&self.inner.pool)
            .await?;
        rows.into_iter().map(User::from_row).collect()
    }

    /// Removes a user and ends the user's sessions.
    ///
    /// # Errors
    /// When there is no such user, or it is the last administrator.
    pub async fn remove(&self, name: &str) -> Result<(), AccountsError> {
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let role: Option<String> = sqlx::query_scalar("DELETE FROM user WHERE key = ? RETURNING role")
            .bind(rules::key_of(name))
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(role) = role else { return Err(AccountsError::UnknownUser(name.to_owned())) };
        let was_administrator = Role::from_word(&role)? == Role::Admin;
        if was_administrator && count_administrators(&mut transaction).await? == 0 {
            return Err(AccountsError::LastAdministrator(name.to_owned()));
        }
        transaction.commit().await?;
        self.tell_of_change();
        Ok(())
    }

    /// Gives a user another password, ends the user's sessions and takes the user's tokens back.
    ///
    /// # Errors
    /// When there is no such user, or the password breaks a rule.
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), AccountsError> {
        self.renew_password(name, password, Kept::default()).await.map(drop)
    }

    /// As [`Accounts::set_password`], but for what is kept. Gives what ended with the old password.
    pub(crate) async fn renew_password(
        &self,
        name: &str,
        password: &str,
        kept: Kept<'_>,
    ) -> Result<Ended, AccountsError> {
        rules::check_password(password)?;
        let hash = self.inner.hasher.hash(password).await?;
        let key = rules::key_of(name);
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let changed = sqlx::query("UPDATE user SET password = ? WHERE key = ?")
            .bind(&hash)
            .bind(&key)
            .execute(&mut *transaction)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(AccountsError::UnknownUser(name.to_owned()));
        }
        let ended = end_all(&mut transaction, &key, kept, self.inner.clock.now()).await?;
        transaction.commit().await?;
        self.tell_of_change();
        Ok(ended)
    }

    /// Gives a user another role. What holds already, sessions and connections, goes on with what the role allows.
    ///
    /// # Errors
    /// When there is no such user, or it is the last administrator.
    pub async fn set_role(&self, name: &str, role: Role) -> Result<(), AccountsError> {
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let former: Option<String> = sqlx::query_scalar("SELECT role FROM user WHERE key = ?")
            .bind(rules::key_of(name))
            .fetch_optional(&mut *transaction)
            .await?;
        let former = former.ok_or_else(|| AccountsError::UnknownUser(name.to_owned()))?;
        sqlx::query("UPDATE user SET role = ? WHERE key = ?")
            .bind(role.as_str())
            .bind(rules::key_of(name))
            .execute(&mut *transaction)
            .await?;
        let was_administrator = Role::from_word(&former)? == Role::Admin;
        if was_administrator && count_administrators(&mut transaction).await? == 0 {
            return Err(AccountsError::LastAdministrator(name.to_owned()));
        }
        transaction.commit().await?;
        self.tell_of_change();
        Ok(())
    }

    /// Gives a user a rights set for MQTT, or that of its role again. The name is taken as it is: what sets there are is
    /// for the caller to know, and one that there is not allows nothing.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn set_rights(&self, name: &str, rights: Option<&str>) -> Result<(), AccountsError> {
        let changed = sqlx::query("UPDATE user SET rights = ? WHERE key = ?")
            .bind(rights)
            .bind(rules::key_of(name))
            .execute(&self.inner.pool)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(AccountsError::UnknownUser(name.to_owned()));
        }
        self.tell_of_change();
        Ok(())
    }

    /// Wakes up whoever watches accounts or sessions.
    fn tell_of_change(&self) {
        self.inner.sessions_changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether anybody can administrate; until then the set-up is open.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn has_administrator(&self) -> Result<bool, AccountsError> {
        let found: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM user WHERE role = 'admin')")
            .fetch_one(&self.inner.pool)
            .await?;
        Ok(found != 0)
    }

    /// Closes the file; later calls fail.
    pub async fn close(&self) {
        self.inner.tell_refusals(true).await;
        self.inner.pool.close().await;
    }
}

/// What goes on when a user's log-ins are ended.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept<'a> {
    /// The session of whoever asks for it.
    pub(crate) session: Option<&'a SessionToken>,
    /// The tokens for scripts.
    pub(crate) tokens: bool,
}

/// What ended when somebody was logged out everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Log-ins at the page that still held.
    pub(crate) sessions: u64,
    /// Tokens for scripts.
    pub(crate) tokens: u64,
}

/// Ends the sessions of a user and takes the tokens back.
async fn end_all(
    transaction: &mut Transaction<'static, Sqlite>,
    key: &str,
    kept: Kept<'_>,
    now: Timestamp,
) -> Result<Ended, AccountsError> {
    // What had run out by itself is none that ends now.
    sessions::end_expired(transaction, now).await?;
    let sessions = sqlx::query("DELETE FROM session WHERE user_key = ? AND token_hash IS NOT ?")
        .bind(key)
        .bind(kept.session.map(SessionToken::hash))
        .execute(&mut **transaction)
        .await?
        .rows_affected();
    if kept.tokens {
        return Ok(Ended { sessions, tokens: 0 });
    }
    let taken =
        sqlx::query("DELETE FROM token WHERE user_key = ?").bind(key).execute(&mut **transaction).await?;
    Ok(Ended { sessions, tokens: taken.rows_affected() })
}

async fn count_administrators(transaction: &mut Transaction<'static, Sqlite>) -> Result<i64, AccountsError> {
    let count = sqlx::query_scalar("SELECT count(*) FROM user WHERE role = 'admin'");
    Ok(count.fetch_one(&mut **transaction).await?)
}

async fn insert(
    transaction: &mut Transaction<'static, Sqlite>,
    name: &str,
    role: Role,
    hash: &str,
    now: Timestamp,
) -> Result<User, AccountsError> {
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM user").fetch_one(&mut **transaction).await?;
    if users >= MAX_USERS {
        return Err(AccountsError::TooManyUsers);
    }
    let added = sqlx::query(
        "INSERT INTO user (key, name, role, password, created_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(rules::key_of(name))
    .bind(name)
    .bind(role.as_str())
    .bind(hash)
    .bind(now.as_millis())
    .execute(&mut **transaction)
    .await?;
    if added.rows_affected() == 0 {
        return Err(AccountsError::NameTaken(name.to_owned()));
    }
    Ok(User { name: name.into(), role, rights: None })
}
