//! The configuration, as the page reads and changes it.

use std::time::Duration;

use async_trait::async_trait;

use crate::wire::{
    Configuration, ConfigurationChanged, ConfigurationCheck, ConfigurationDevice, ConfigurationDeviceEdit,
    ConfigurationDeviceView, ConfigurationDraft, ConfigurationVersionText, ConfigurationVersionView,
    GatewayChange, GatewaySettings,
};

/// Keeps the configuration: its file, what it was before, and what runs with it.
#[async_trait]
pub trait ConfigurationKeeper: Send + Sync {
    /// The text as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read(&self) -> Result<Configuration, ConfigurationProblem>;

    /// What is wrong with a text. Nothing is changed.
    ///
    /// # Errors
    /// When the gateway stops.
    async fn check(&self, text: String) -> Result<ConfigurationCheck, ConfigurationProblem>;

    /// Takes another text over: checked whole, written with its former version kept, and applied.
    ///
    /// # Errors
    /// See [`ConfigurationProblem`]; nothing is changed then.
    async fn change(&self, change: TextChange) -> Result<ConfigurationChanged, ConfigurationProblem>;

    /// Adds a device at the end of the text.
    ///
    /// # Errors
    /// See [`ConfigurationProblem`]; nothing is changed then.
    async fn add_device(
        &self,
        device: ConfigurationDevice,
    ) -> Result<ConfigurationChanged, ConfigurationProblem>;

    /// What the gateway is called, and where it stands.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn gateway(&self) -> Result<GatewaySettings, ConfigurationProblem>;

    /// Whether a change of that would be taken. Nothing is changed.
    ///
    /// # Errors
    /// Why not: [`ConfigurationProblem::Wrong`], or what keeps it from being read.
    async fn check_gateway(&self, change: GatewayChange) -> Result<(), ConfigurationProblem>;

    /// Changes what the gateway is called, and where it stands.
    ///
    /// # Errors
    /// See [`ConfigurationProblem`]; nothing is changed then.
    async fn change_gateway(
        &self,
        change: GatewayChange,
    ) -> Result<ConfigurationChanged, ConfigurationProblem>;

    /// A device as the text describes it.
    ///
    /// # Errors
    /// When the text has none of this id, or cannot be read.
    async fn device(&self, id: &str) -> Result<ConfigurationDeviceView, ConfigurationProblem>;

    /// The text with a device changed; nothing is written.
    ///
    /// # Errors
    /// When the text has none of this id, cannot be changed here, or what is asked for cannot be written into it.
    async fn draft(
        &self,
        id: &str,
        edit: ConfigurationDeviceEdit,
    ) -> Result<ConfigurationDraft, ConfigurationProblem>;

    /// Takes a device out of the text.
    ///
    /// # Errors
    /// See [`ConfigurationProblem`]; nothing is changed then.
    async fn remove_device(&self, id: &str) -> Result<ConfigurationChanged, ConfigurationProblem>;

    /// The change to this version, which waits for it, stays.
    ///
    /// # Errors
    /// When none waits, or another one.
    async fn confirm(&self, version: String) -> Result<(), ConfigurationProblem>;

    /// The change that waits to be confirmed is taken back now.
    ///
    /// # Errors
    /// When none waits, or the former text cannot be written.
    async fn take_back(&self) -> Result<(), ConfigurationProblem>;

    /// Earlier texts, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn versions(&self) -> Result<Vec<ConfigurationVersionView>, ConfigurationProblem>;

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this name.
    async fn version(&self, id: &str) -> Result<ConfigurationVersionText, ConfigurationProblem>;
}

/// Another text for the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    /// The whole text.
    pub text: String,
    /// The version that it is based on.
    pub base: String,
    /// It is taken back unless it is confirmed within this time.
    pub confirm_within: Option<Duration>,
}

/// Why the configuration was not read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationProblem {
    /// It cannot be changed here: why, and what to do.
    #[error("{0}")]
    ReadOnly(String),
    /// It is another one than the change is based on.
    #[error("The configuration has changed meanwhile. Load it again and make your change there.")]
    Changed,
    /// A change waits to be confirmed.
    #[error("Another change waits to be confirmed. Confirm it or take it back first.")]
    Unconfirmed,
    /// Nothing waits to be confirmed.
    #[error("No change waits to be confirmed: it was confirmed or taken back already.")]
    NothingToConfirm,
    /// What waits to be confirmed is another change.
    #[error(
        "Another change than this one waits to be confirmed. Load the configuration again and look at it first."
    )]
    AnotherWaits,
    /// It has mistakes.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be read, or a file cannot be written: why, and what to do.
    #[error("{0}")]
    File(String),
    /// The text has no device of this id.
    #[error("The configuration has no device of this id, or no longer.")]
    UnknownDevice,
    /// There is no earlier text of this name.
    #[error("There is no earlier configuration of this name, or no longer.")]
    UnknownVersion,
    /// The gateway stops.
    #[error("The gateway stops. Try again when it runs again.")]
    Stopping,
}
