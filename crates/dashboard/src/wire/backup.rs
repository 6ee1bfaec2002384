//! Backups: making them, loading them down, and putting them back.

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::ApiErrorDetail;

/// A backup to make.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// What it is encrypted with; nobody can open it without.
    pub passphrase: String,
}

/// Backups of this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BackupState {
    /// Whether one is being made.
    pub running: bool,
    /// The one that waits to be loaded down; null when none does.
    #[schema(required = true)]
    pub made: Option<BackupFile>,
    /// Why the last one was not made; null when it was.
    #[schema(required = true)]
    pub failure: Option<String>,
    /// Files that the configuration names and that are not in the last one, in a sentence each.
    pub left_out: Vec<String>,
    /// TLS files that the last restore gave another place, as long as the configuration names them there.
    pub placed: Vec<PlacedFile>,
    /// Those that are made by themselves; null when none are configured.
    #[schema(required = true)]
    pub schedule: Option<BackupSchedule>,
}

/// A backup in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BackupFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// When it was made (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Backups that are made by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BackupSchedule {
    /// Where they go.
    pub folder: String,
    /// When the next one is due (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub next: Timestamp,
    /// What is wrong, and what to do; null when nothing is.
    #[schema(required = true)]
    pub problem: Option<String>,
    /// Those in the folder, the newest first.
    pub kept: Vec<BackupFile>,
}

/// A backup to put back.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// What it was encrypted with; left out for one that is not.
    #[serde(default)]
    #[ts(optional)]
    pub passphrase: Option<String>,
}

/// How far the restoring of a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum RestoreStep {
    /// No file was brought.
    #[default]
    Empty,
    /// A file is there.
    Uploaded,
    /// It is unpacked and checked.
    Checking,
    /// It was not restored, and nothing was changed; the file is still there.
    Failed,
    /// It is good, and the gateway restarts with it.
    Restarting,
}

/// The restoring of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct RestoreState {
    /// How far it is.
    pub step: RestoreStep,
    /// Length of the file that was brought, in bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Why it was not restored: `needs_passphrase`, `wrong_passphrase`, `disk_full` or `wrong_backup`; null when nothing is wrong.
    #[schema(required = true)]
    pub problem: Option<ApiErrorDetail>,
    /// When the backup was made, as it says itself; null as long as that is not known.
    #[schema(required = true)]
    pub made: Option<String>,
    /// Why its configuration is not used, in the place of which the present one stays; null when it is, or has none.
    #[schema(required = true)]
    pub configuration_stays: Option<String>,
    /// TLS files that its configuration names, that this machine does not have, and that got another place.
    pub placed: Vec<PlacedFile>,
}

/// A file that a configuration names, in another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
pub struct PlacedFile {
    /// The place that the backup's configuration named.
    pub named: String,
    /// Where the file is now, as the configuration says too.
    pub place: String,
}
