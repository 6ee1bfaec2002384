//! Log-ins that last: a random token in the browser's cookie, of which only the SHA-256 is kept.
//!
//! They are kept in the file and not in memory, so that a tablet on the wall stays logged in when the gateway is
//! restarted or updated, and so that removing a user on the command line ends that user's sessions in the daemon.

use std::fmt::Write;
use std::time::Duration;

use gatehouse_model::{Randomness, Timestamp};
use sha2::{Digest, Sha256};
use sqlx::{Sqlite, Transaction};
use tokio::sync::watch;

use super::{Accounts, AccountsError, User};

/// A session that was not used for this long has ended. A household opens the page of its house more often.
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(14 * 24 * 3_600);

/// A session ends after this time however much it is used.
pub(crate) const SESSION_LONGEST: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Sessions of one user; the one that was used least recently makes room for a new one.
pub(crate) const MAX_SESSIONS_PER_USER: i64 = 20;

/// The use of a session is written down no more often than this, to spare the card.
const TOUCH_EVERY: Duration = Duration::from_secs(3_600);

/// Length of a token, in bytes: 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// What the cookie holds. It has no `Debug`: it belongs into no log.
#[derive(Clone)]
pub(crate) struct SessionToken(String);

impl SessionToken {
    /// The token in a cookie's value, when it has the form of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 2 * TOKEN_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The value for the cookie.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

impl Accounts {
    /// Starts a session for a user.
    pub(crate) async fn start_session(&self, user: &User) -> Result<SessionToken, AccountsError> {
        let token = SessionToken(random_hex(&*self.inner.randomness));
        let (now, key) = (self.inner.clock.now(), super::rules::key_of(&user.name));
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        end_expired(&mut transaction, now).await?;
        sqlx::query(
            "DELETE FROM session WHERE token_hash IN
             (SELECT token_hash FROM session WHERE user_key = ? ORDER BY seen_ms DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&key)
        .bind(MAX_SESSIONS_PER_USER - 1)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO session (token_hash, user_key, created_ms, seen_ms) VALUES (?, ?, ?, ?)")
            .bind(token.hash())
            .bind(&key)
            .bind(now.as_millis())
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Whose session this is; nothing when it has ended. Notes that it was used.
    pub(crate) async fn find_session(&self, token: &SessionToken) -> Result<Option<User>, AccountsError> {
        let hash = token.hash();
        let row: Option<(String, String, Option<String>, i64, i64)> = sqlx::query_as(
            "SELECT user.name, user.role, user.rights, session.created_ms, session.seen_ms
             FROM session JOIN user ON user.key = session.user_key WHERE token_hash = ?",
        )
        .bind(&hash)
        .fetch_optional(&self.inner.pool)
        .await?;
        let Some((name, role, rights, created, seen)) = row else { return Ok(None) };
        let now = self.inner.clock.now();
        let age = |millis: i64| now.saturating_since(Timestamp::from_millis(millis));
        if age(seen) >= SESSION_IDLE || age(created) >= SESSION_LONGEST {
            return Ok(None);
        }
        if age(seen) >= TOUCH_EVERY {
            sqlx::query("UPDATE session SET seen_ms = ? WHERE token_hash = ?")
                .bind(now.as_millis())
                .bind(&hash)
                .execute(&self.inner.pool)
                .await?;
        }
        User::from_row((name, role, rights)).map(Some)
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, token: &SessionToken) -> Result<(), AccountsError> {
        sqlx::query("DELETE FROM session WHERE token_hash = ?")
            .bind(token.hash())
            .execute(&self.inner.pool)
            .await?;
        self.tell_of_change();
        Ok(())
    }

    /// Logs a user out everywhere: ends the sessions, and takes the tokens back unless they are kept. Gives what ended.
    ///
    /// # Errors
    /// When there is no such user.
    pub(crate) async fn log_out_everywhere(
        &self,
        name: &str,
        kept: super::Kept<'_>,
    ) -> Result<super::Ended, AccountsError> {
        if self.find(name).await?.is_none() {
            return Err(AccountsError::UnknownUser(name.to_owned()));
        }
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let (key, now) = (super::rules::key_of(name), self.inner.clock.now());
        let ended = super::end_all(&mut transaction, &key, kept, now).await?;
        transaction.commit().await?;
        self.tell_of_change();
        Ok(ended)
    }

    /// Ends the sessions of everybody, as after a restore: those of a backup may have been ended since it was made.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn end_all_sessions(&self) -> Result<(), AccountsError> {
        sqlx::query("DELETE FROM session").execute(&self.inner.pool).await?;
        self.tell_of_change();
        Ok(())
    }

    /// How many sessions each user has that has any, and when one of them was last used, by the user's name.
    pub(crate) async fn sessions(&self) -> Result<Vec<(String, i64, Timestamp)>, AccountsError> {
        let now = self.inner.clock.now();
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT user.name, count(*), max(session.seen_ms) FROM session JOIN user ON user.key = session.user_key
             WHERE session.seen_ms > ? AND session.created_ms > ? GROUP BY user.key",
        )
        .bind(before(now, SESSION_IDLE))
        .bind(before(now, SESSION_LONGEST))
        .fetch_all(&self.inner.pool)
        .await?;
        Ok(rows.into_iter().map(|(name, count, seen)| (name, count, Timestamp::from_millis(seen))).collect())
    }

    /// Changes when sessions were ended in this process: event streams look again whether theirs still stands.
    pub(crate) fn sessions_changed(&self) -> watch::Receiver<u64> {
        self.inner.sessions_changed.subscribe()
    }
}

/// Forgets the sessions that have run out.
pub(super) async fn end_expired(
    transaction: &mut Transaction<'static, Sqlite>,
    now: Timestamp,
) -> Result<(), AccountsError> {
    sqlx::query("DELETE FROM session WHERE seen_ms <= ? OR created_ms <= ?")
        .bind(before(now, SESSION_IDLE))
        .bind(before(now, SESSION_LONGEST))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// A random text of [`TOKEN_BYTES`], as hexadecimal digits.
pub(super) fn random_hex(randomness: &dyn Randomness) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    randomness.fill(&mut bytes);
    let mut text = String::with_capacity(2 * TOKEN_BYTES);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn before(now: Timestamp, duration: Duration) -> i64 {
    now.as_millis().saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
