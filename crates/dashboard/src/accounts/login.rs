//! Coming in with name and password, at the page or over MQTT: both draw on one table of tries.

use std::net::IpAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::attempts::{Attempts, Target};
use super::{Accounts, AccountsError, By, Deed, MqttLogin, User};

/// Log-ins that may wait for their turn, for instance when all phones and devices come back after a restart. Further
/// ones are told that the gateway is busy.
pub(super) const MAX_WAITING_LOG_INS: usize = 128;

/// Where somebody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Page,
    Mqtt,
}

/// The answer to a log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogIn<T = User> {
    /// Name and password are right.
    Welcome(T),
    /// Name or password is wrong.
    Wrong,
    /// The password was not even looked at, since too many before it were wrong.
    TooManyTries {
        /// How long to wait for the next try.
        retry_after: Duration,
    },
}

impl Accounts {
    /// Logs a user in, from the address `from`, at the page or over MQTT: whichever door, the same tries are counted.
    ///
    /// The rule: a wrong log-in costs its address a try (five, then two a minute) and its name a try (twenty from
    /// everywhere together, then six a minute). A right one costs nothing, and neither does one that is told to wait,
    /// so no wait is longer than 30 s and none grows. An address from which a name once came in rightly, since the
    /// start of the process, is at home for that name: only wrong log-ins of this very name from this very address
    /// count there. So a client that reconnects with a right password is not slowed by what strangers try, by
    /// other names that fail on its host, or by how often it reconnects. Who is not at home yet, where at least four
    /// other addresses keep trying the name, or another name keeps failing on the same host, may have to try again
    /// until they stop.
    ///
    /// # Errors
    /// When the accounts cannot be read, or too many log-ins wait already ([`AccountsError::Busy`]).
    pub async fn log_in(&self, name: &str, password: &[u8], from: IpAddr) -> Result<LogIn, AccountsError> {
        let (accounts, user, password) = (self.clone(), name.to_owned(), password.to_owned());
        self.check_slowly(Door::Page, name, from, async move { accounts.verify(&user, &password).await })
            .await
    }

    /// Logs in over MQTT, from the address `from`: a user, or a client below one as `user:client`. Tries are counted as
    /// [`Accounts::log_in`] says, those of each client by themselves.
    ///
    /// # Errors
    /// When the accounts cannot be read, or too many log-ins wait already ([`AccountsError::Busy`]).
    pub async fn log_in_mqtt(
        &self,
        name: &str,
        password: &[u8],
        from: IpAddr,
    ) -> Result<LogIn<MqttLogin>, AccountsError> {
        let (accounts, login, password) = (self.clone(), name.to_owned(), password.to_owned());
        let check = async move { accounts.verify_mqtt(&login, &password).await };
        self.check_slowly(Door::Mqtt, name, from, check).await
    }

    /// Lets `check` say who this is, at the pace that wrong log-ins leave.
    async fn check_slowly<T: Send + 'static>(
        &self,
        door: Door,
        name: &str,
        from: IpAddr,
        check: impl Future<Output = Result<Option<T>, AccountsError>> + Send + 'static,
    ) -> Result<LogIn<T>, AccountsError> {
        let target = Target::name(name);
        let now = || self.inner.clock.moment();
        // Who has to wait anyway takes no place from the others.
        let wait = self.attempts().wait(from, &target, now());
        if wait > Duration::ZERO {
            return Ok(LogIn::TooManyTries { retry_after: wait });
        }
        let _place = self.inner.log_ins.try_acquire().map_err(|_| AccountsError::Busy)?;
        // One at a time (so are the hashes): a dozen right ones at once, from one host after a restart, must not
        // count as tries that are under way and refuse each other, and many wrong ones at once must not slip through.
        let turn = Arc::clone(&self.inner.turn).lock_owned().await;
        if let Err(retry_after) = self.attempts().take(from, target.clone(), now()) {
            return Ok(LogIn::TooManyTries { retry_after });
        }
        let (accounts, name) = (self.clone(), name.to_owned());
        // A task of its own comes to its end when the client hangs up: who gives up early is not counted as wrong,
        // and nobody gets tries for nothing by hanging up.
        let checked = tokio::spawn(async move {
            let verified = check.await;
            let now = accounts.inner.clock.moment();
            let is_first = match &verified {
                Ok(Some(_)) => accounts.attempts().right(from, target, now),
                Ok(None) => false,
                Err(_) => {
                    accounts.attempts().give_back(from, &target, now);
                    false
                }
            };
            drop(turn);
            if matches!(verified, Ok(None)) {
                accounts.note_wrong_login(door, &name, from).await;
            } else if is_first && door == Door::Mqtt {
                // The page notes its log-ins itself: a program that sends a password with each request is none. MQTT
                // clients come back all the time, so only a new place is worth a line.
                let by = By { name: Some(name), address: Some(from) };
                accounts.note(Deed::MqttLogIn, &by, None, None).await;
            }
            verified
        });
        let verified =
            checked.await.map_err(|_| AccountsError::Hash("the work was broken off".to_owned()))?;
        Ok(verified?.map_or(LogIn::Wrong, LogIn::Welcome))
    }

    /// Writes down a wrong log-in. A name that nobody has is left out: people type their password there by mistake.
    async fn note_wrong_login(&self, door: Door, name: &str, from: IpAddr) {
        let known = self.look_up_mqtt(name).await.ok().flatten().map(|entry| entry.login.name);
        let deed = match door {
            Door::Page => Deed::LogInFailed,
            Door::Mqtt => Deed::MqttLogInFailed,
        };
        self.note(deed, &By::stranger(from), known.as_deref(), None).await;
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.inner.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
