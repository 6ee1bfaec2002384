//! Who may come in: names, roles and passwords, shared by page and MQTT.

use std::path::Path;
use std::sync::Arc;

use gatehouse_model::{Clock, Randomness};

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Look and switch.
    Operator,
    /// Look.
    Viewer,
}

/// A person, or a program that speaks MQTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name as it was given.
    pub name: Arc<str>,
    /// What this user may do.
    pub role: Role,
}

/// Why something about accounts was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Placeholder.
    #[error("not yet")]
    NotYet,
}

/// The accounts of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {}

impl Accounts {
    /// Opens the accounts kept in the file at `path`, and makes it when it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(
        _path: &Path,
        _clock: Arc<dyn Clock>,
        _randomness: Arc<dyn Randomness>,
    ) -> Result<Self, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// Adds a user.
    ///
    /// # Errors
    /// When name or password break a rule, or the name is taken.
    pub async fn add(&self, _name: &str, _role: Role, _password: &str) -> Result<User, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// The user of this name, when the password is right.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn verify(&self, _name: &str, _password: &[u8]) -> Result<Option<User>, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// All users, in the order of their names.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn list(&self) -> Result<Vec<User>, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// Removes a user and ends its sessions.
    ///
    /// # Errors
    /// When there is no such user, or it is the last administrator.
    pub async fn remove(&self, _name: &str) -> Result<(), AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// Gives a user another password and ends its sessions.
    ///
    /// # Errors
    /// When there is no such user, or the password breaks a rule.
    pub async fn set_password(&self, _name: &str, _password: &str) -> Result<(), AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// Whether anybody can administrate; until then the set-up is open.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn has_administrator(&self) -> Result<bool, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// The set-up code for people (`ABCD-EFGH`), made when there is none that works; nothing once there is an
    /// administrator.
    ///
    /// # Errors
    /// When the accounts cannot be read or written.
    pub async fn setup_code(&self) -> Result<Option<String>, AccountsError> {
        Err(AccountsError::NotYet)
    }
    /// Closes the file.
    pub async fn close(&self) {}
}
