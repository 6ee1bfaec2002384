//! The one-time code that lets the owner, and nobody else on the network, become the administrator.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use gatehouse_model::{Moment, Randomness, Timestamp};
use sqlx::{Sqlite, Transaction};
use subtle::ConstantTimeEq;

use super::attempts::Target;
use super::{Accounts, AccountsError, Role, User, first_run, rules};

/// How long a code works.
pub const SETUP_CODE_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Wrong tries after which a code stops working. It is more than the limits on tries let through in the code's life
/// (twenty, then six a minute), so that nobody on the network can kill the code by guessing; it stands for the case that
/// the gateway, which forgets its tries, is restarted again and again. Of 30^8 codes that is one in 60 millions.
pub const MAX_SETUP_TRIES: i64 = 10_000;

/// Characters that are not taken for each other: no 0 and O, no 1, I and L, no U beside V.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Length of a code, without the dash in its middle.
const CODE_LENGTH: usize = 8;

/// Whether the steps of the first run follow the set-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guided {
    /// They do: somebody sits at the page.
    Yes,
    /// They do not: a script sets the gateway up.
    #[default]
    No,
}

/// Why the set-up was not done.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Another code, or one that has expired.
    #[error("This is not the set-up code.")]
    WrongCode,
    /// Too many wrong tries with this code: it does not work any more.
    #[error("There were too many wrong tries with this code.")]
    TooManyTries,
    /// Too many wrong tries of late, from this address or from all together.
    #[error("There were too many wrong tries.")]
    Slowed {
        /// How long to wait for the next try.
        retry_after: Duration,
    },
    /// Somebody can administrate already.
    #[error("This gateway is set up already. Log in.")]
    AlreadySetUp,
    /// Name, password or file.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
}

impl From<sqlx::Error> for SetupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Accounts(error.into())
    }
}

/// A code that this process made, with the moment of its making: it expires by elapsed time, since the wall clock of a
/// Pi may be wrong by years until it is set after the start.
pub(super) struct OwnCode {
    code: String,
    made: Moment,
}

struct KeptCode {
    code: String,
    created: Timestamp,
    tries: i64,
}

impl Accounts {
    /// The set-up code for people (`ABCD-EFGH`), made when there is none that works; nothing once there is an
    /// administrator.
    ///
    /// # Errors
    /// When the accounts cannot be read or written.
    pub async fn setup_code(&self) -> Result<Option<String>, AccountsError> {
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        if super::count_administrators(&mut transaction).await? > 0 {
            sqlx::query("DELETE FROM setup_code").execute(&mut *transaction).await?;
            transaction.commit().await?;
            return Ok(None);
        }
        if let Some(kept) = read(&mut transaction).await?
            && kept.tries < MAX_SETUP_TRIES
            && self.age(&kept) < SETUP_CODE_LIFE
        {
            return Ok(Some(for_people(&kept.code)));
        }
        let code = make(&*self.inner.randomness);
        sqlx::query("INSERT OR REPLACE INTO setup_code (id, code, created_ms, tries) VALUES (1, ?, ?, 0)")
            .bind(&code)
            .bind(self.inner.clock.now().as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let own = OwnCode { code: code.clone(), made: self.inner.clock.moment() };
        *self.inner.own_code.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
        Ok(Some(for_people(&code)))
    }

    /// Makes the first administrator, when the code is right, and uses the code up. Small letters, blanks and dashes
    /// in the code do not matter.
    ///
    /// # Errors
    /// See [`SetupError`]. A wrong code counts as a try of the address `from`, by the rule of [`Accounts::log_in`]; a
    /// bad name or password does not.
    pub async fn complete_setup(
        &self,
        code: &str,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<User, SetupError> {
        self.complete_setup_with(code, name, password, from, Guided::No).await
    }

    /// The same, and with [`Guided::Yes`] the steps of the first run become open.
    ///
    /// # Errors
    /// As [`Accounts::complete_setup`].
    pub async fn complete_setup_with(
        &self,
        code: &str,
        name: &str,
        password: &str,
        from: IpAddr,
        guided: Guided,
    ) -> Result<User, SetupError> {
        self.try_code(code, from).await?;
        rules::check_name(name)?;
        rules::check_password(password)?;
        let hash = self.inner.hasher.hash(password).await?;
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        // Another request may have been quicker while the password was hashed.
        if super::count_administrators(&mut transaction).await? > 0 {
            return Err(SetupError::AlreadySetUp);
        }
        let user = super::insert(&mut transaction, name, Role::Admin, &hash, self.inner.clock.now()).await?;
        if guided == Guided::Yes {
            first_run::begin(&mut transaction, self.inner.clock.now()).await?;
        }
        sqlx::query("DELETE FROM setup_code").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(user)
    }

    /// Whether the code is right; it goes on working. For the page, which asks for it first.
    ///
    /// # Errors
    /// See [`SetupError`]. A wrong code counts as a try of the address `from`.
    pub async fn try_code(&self, code: &str, from: IpAddr) -> Result<(), SetupError> {
        let now = self.inner.clock.moment();
        let taken = self.attempts().take(from, Target::SetUp, now);
        taken.map_err(|retry_after| SetupError::Slowed { retry_after })?;
        let checked = self.check_code(code).await;
        if !matches!(checked, Err(SetupError::WrongCode | SetupError::TooManyTries)) {
            self.attempts().give_back(from, &Target::SetUp, now);
        }
        checked
    }

    async fn check_code(&self, code: &str) -> Result<(), SetupError> {
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        if super::count_administrators(&mut transaction).await? > 0 {
            return Err(SetupError::AlreadySetUp);
        }
        let Some(kept) = read(&mut transaction).await? else { return Err(SetupError::WrongCode) };
        if kept.tries >= MAX_SETUP_TRIES {
            return Err(SetupError::TooManyTries);
        }
        let same = bool::from(normalize(code).as_bytes().ct_eq(kept.code.as_bytes()));
        if same && self.age(&kept) < SETUP_CODE_LIFE {
            return Ok(());
        }
        sqlx::query("UPDATE setup_code SET tries = tries + 1").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Err(SetupError::WrongCode)
    }

    fn age(&self, kept: &KeptCode) -> Duration {
        let own = self.inner.own_code.lock().unwrap_or_else(PoisonError::into_inner);
        match &*own {
            Some(own) if own.code == kept.code => self.inner.clock.moment().saturating_since(own.made),
            _ => self.inner.clock.now().saturating_since(kept.created),
        }
    }
}

async fn read(transaction: &mut Transaction<'static, Sqlite>) -> Result<Option<KeptCode>, sqlx::Error> {
    let row: Option<(String, i64, i64)> = sqlx::query_as("SELECT code, created_ms, tries FROM setup_code")
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(row.map(|(code, created, tries)| KeptCode { code, created: Timestamp::from_millis(created), tries }))
}

/// A random code. Bytes beyond the largest multiple of the alphabet's length are thrown away, so that each character
/// is as likely as the others.
fn make(randomness: &dyn Randomness) -> String {
    const FAIR: usize = 256 - 256 % ALPHABET.len();
    let mut code = String::with_capacity(CODE_LENGTH);
    while code.len() < CODE_LENGTH {
        let mut byte = [0];
        randomness.fill(&mut byte);
        if usize::from(byte[0]) < FAIR {
            code.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    code
}

/// Two groups are easier to read out and to type.
fn for_people(code: &str) -> String {
    let (first, second) = code.split_at_checked(CODE_LENGTH / 2).unwrap_or((code, ""));
    format!("{first}-{second}")
}

fn normalize(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::SeededRandomness;

    #[test]
    fn codes_are_easy_to_type() {
        let code = make(&SeededRandomness::new(7));
        assert_eq!(code.len(), CODE_LENGTH);
        assert!(code.bytes().all(|byte| ALPHABET.contains(&byte)));
        let shown = for_people(&code);
        assert_eq!((shown.len(), &shown[4..5]), (9, "-"));
        assert_eq!(normalize(&format!(" {} ", shown.to_lowercase().replace('-', " "))), code);
    }
}
