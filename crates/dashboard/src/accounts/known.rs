//! Programs that send their password along each time, such as Prometheus every 15 s: what was right a moment ago is known again
//! without the slow check.
//!
//! Kept is no password but a SHA-256 of it with a secret of this process, and for which address it was right. It holds for
//! [`KNOWN_FOR`], and only as long as the user in the file is the same as when it was checked, whoever changes that. Somebody at
//! another address meets the slow check and its count of tries, so nobody can guess faster because of it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_model::{Moment, Randomness};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::attempts::Target;
use super::{Accounts, AccountsError, LogIn, User, UserRow};

/// How long the slow check is spared.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// Most that are known at a time: a house has one or two such programs. The one that was checked first makes room.
const MAX_KNOWN: usize = 16;

/// Names and passwords that were right lately.
pub(super) struct Known {
    secret: [u8; 32],
    all: Mutex<Vec<Entry>>,
}

struct Entry {
    digest: [u8; 32],
    /// What the file said of the user, with the hash of the password.
    row: (UserRow, String),
    until: Moment,
}

impl Known {
    pub(super) fn new(randomness: &dyn Randomness) -> Self {
        let mut secret = [0; 32];
        randomness.fill(&mut secret);
        Self { secret, all: Mutex::default() }
    }

    fn digest(&self, name: &str, password: &[u8], from: IpAddr) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.secret);
        // Each part but the last with its length, so that no two ways to cut them are the same.
        for part in [from.to_string().as_bytes(), name.as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(password);
        hash.finalize().into()
    }

    fn holds(&self, digest: &[u8; 32], row: &(UserRow, String), now: Moment) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|entry| now < entry.until);
        all.iter().any(|entry| bool::from(entry.digest.ct_eq(digest)) && entry.row == *row)
    }

    fn note(&self, digest: [u8; 32], row: (UserRow, String), now: Moment) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|entry| entry.digest != digest);
        if all.len() >= MAX_KNOWN {
            all.remove(0);
        }
        all.push(Entry { digest, row, until: now + KNOWN_FOR });
    }
}

impl Accounts {
    /// Logs in who sends name and password with every request: as [`Accounts::log_in`], but what was right from the same
    /// address in the last ten minutes is not checked slowly again, while nothing of the user has changed.
    ///
    /// # Errors
    /// As [`Accounts::log_in`].
    pub async fn log_in_again(
        &self,
        name: &str,
        password: &[u8],
        from: IpAddr,
    ) -> Result<LogIn, AccountsError> {
        let now = || self.inner.clock.moment();
        let wait = self.attempts().wait(from, &Target::name(name), now());
        if wait > Duration::ZERO {
            return Ok(LogIn::TooManyTries { retry_after: wait });
        }
        // Whoever changes the user while the password is checked makes this row one that does not hold.
        let Some(row) = self.look_up(name).await? else { return self.log_in(name, password, from).await };
        let digest = self.inner.known.digest(name, password, from);
        if self.inner.known.holds(&digest, &row, now()) {
            return User::from_row(row.0).map(LogIn::Welcome);
        }
        let answer = self.log_in(name, password, from).await?;
        if matches!(answer, LogIn::Welcome(_)) {
            self.inner.known.note(digest, row, now());
        }
        Ok(answer)
    }
}
