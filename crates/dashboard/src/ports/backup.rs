//! Backups, as the page makes and restores them.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::fs::File;

use crate::accounts::By;
use crate::wire::{BackupState, RestoreState};

/// Makes backups, and puts them back.
#[async_trait]
pub trait BackupRoom: Send + Sync {
    /// What is made, what waits to be loaded down, and what lies in the folder of the schedule.
    async fn backups(&self) -> BackupState;

    /// Begins a backup that is encrypted with this passphrase.
    ///
    /// # Errors
    /// See [`BackupProblem`].
    fn begin(&self, passphrase: String) -> Result<(), BackupProblem>;

    /// The backup that was made last, with its name and its length.
    ///
    /// # Errors
    /// When none waits.
    async fn open(&self) -> Result<(String, u64, File), BackupProblem>;

    /// How far the restoring of a backup is.
    fn restoring(&self) -> RestoreState;

    /// Takes the file of a backup, of so many bytes when that is known, in the place of one that was brought before.
    ///
    /// # Errors
    /// See [`BackupProblem`].
    async fn upload(&self, length: Option<u64>) -> Result<Box<dyn BackupUpload>, BackupProblem>;

    /// Begins to check the file that was brought; when all of it is good, the gateway restarts with what is in it.
    ///
    /// # Errors
    /// See [`BackupProblem`].
    fn restore(&self, passphrase: Option<String>, by: By) -> Result<(), BackupProblem>;
}

/// A file that is on its way. What is dropped before its end is gone.
#[async_trait]
pub trait BackupUpload: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BackupProblem>;

    /// The file is whole.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn finish(self: Box<Self>) -> Result<(), BackupProblem>;
}

/// Why nothing was done with a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupProblem {
    /// One is made or restored at present.
    #[error("A backup is being made or restored already. Wait until it is done.")]
    Busy,
    /// There is no file to load down or to restore.
    #[error("There is no backup here. Make one first, or choose its file again.")]
    Nothing,
    /// The passphrase is too short.
    #[error("{0}")]
    WeakPassphrase(String),
    /// The disk has no room.
    #[error("There is no room on the gateway's disk for this file. Make room, then try again.")]
    DiskFull,
    /// Something else: what, and what to do.
    #[error("{0}")]
    Failed(String),
}
