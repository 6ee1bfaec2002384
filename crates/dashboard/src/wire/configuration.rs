//! The configuration as text: what it is, what is wrong with it, what a change of it did.

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// The configuration as it is in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Configuration {
    /// The text; of a demonstration without a file, that of the default configuration.
    pub text: String,
    /// A word for exactly this text. A change names the one that it is based on.
    pub version: String,
    /// The file; null when there is none.
    #[schema(required = true)]
    pub path: Option<String>,
    /// Why it cannot be changed here, and what to do; null when it can.
    #[schema(required = true)]
    pub read_only: Option<String>,
    /// How many devices stand in no text, those of a demonstration: they go with the first one that does.
    pub unwritten_devices: u32,
    /// The change that is taken back unless somebody confirms it; null when there is none.
    #[schema(required = true)]
    pub unconfirmed: Option<ConfigurationUnconfirmed>,
}

/// A change that is taken back unless somebody confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationUnconfirmed {
    /// The text that waits.
    pub version: String,
    /// Time that is left, in milliseconds.
    #[ts(type = "number")]
    pub left_ms: u64,
}

/// A text to check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationCheckRequest {
    /// The whole configuration.
    pub text: String,
}

/// What a text is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationCheck {
    /// What keeps it from being used, in the order of the text; empty when nothing does.
    pub problems: Vec<ConfigurationFinding>,
    /// What is allowed but worth a second thought.
    pub warnings: Vec<ConfigurationFinding>,
}

/// Something that is wrong with a configuration, or worth a second thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationFinding {
    /// The line, counted from 1; null for the text as a whole.
    #[schema(required = true)]
    pub line: Option<u32>,
    /// The column in characters, counted from 1; null for the text as a whole.
    #[schema(required = true)]
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do; empty when that is plain.
    pub hint: String,
}

/// A changed configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationChange {
    /// The whole new text.
    pub text: String,
    /// The version that it is based on.
    pub base: String,
    /// It is taken back unless it is confirmed within this time, in seconds: 10 to 600. Without it, it stays.
    #[serde(default)]
    #[ts(optional)]
    pub confirm_within_s: Option<u32>,
}

/// The change that stays.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationConfirmation {
    /// The version that waits, as `unconfirmed` names it: nobody confirms a change that somebody else made meanwhile.
    pub version: String,
}

/// A device for the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationDevice {
    /// One `[[device]]`, as TOML.
    pub configuration: String,
    /// Its id, in the place of the one in the text.
    #[serde(default)]
    #[ts(optional)]
    pub id: Option<String>,
    /// Its name for people, in the place of the one in the text.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Its room, in the place of the one in the text.
    #[serde(default)]
    #[ts(optional)]
    pub room: Option<String>,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationChanged {
    /// The version of the new text.
    pub version: String,
    /// Devices that are new.
    pub added: Vec<String>,
    /// Devices that are there with other settings.
    pub changed: Vec<String>,
    /// Devices that are gone.
    pub removed: Vec<String>,
    /// Sections whose change takes effect at the next start of the gateway.
    pub at_next_start: Vec<String>,
    /// What is allowed but worth a second thought.
    pub warnings: Vec<ConfigurationFinding>,
    /// It is taken back unless somebody confirms it; null when it stays.
    #[schema(required = true)]
    pub unconfirmed: Option<ConfigurationUnconfirmed>,
}

/// Earlier texts of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationVersions {
    /// The newest first.
    pub versions: Vec<ConfigurationVersionView>,
}

/// An earlier text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationVersionView {
    /// Names it in the address of the API.
    pub id: String,
    /// When another text took its place (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub replaced: Timestamp,
    /// Its length in bytes.
    pub bytes: u32,
}

/// An earlier text, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationVersionText {
    /// Names it.
    pub id: String,
    /// The text.
    pub text: String,
}

/// A device as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct ConfigurationDeviceView {
    /// Its id.
    pub id: String,
    /// Its settings that are one value each, in their order, without `id` and `driver`.
    pub settings: Vec<ConfigurationSetting>,
    /// What its numbers are multiplied with and what is added to them.
    pub calibrations: Vec<ConfigurationCalibration>,
    /// Why the configuration cannot be changed here, and what to do; null when it can.
    #[schema(required = true)]
    pub read_only: Option<String>,
}

/// One setting of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationSetting {
    /// Its key.
    pub key: String,
    /// Its value as it is written in TOML: `"up"`, `5`, `true`. In an edit, null takes the setting away.
    #[schema(required = true)]
    pub value: Option<String>,
}

/// What a number of a device is multiplied with, and what is added then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationCalibration {
    /// Of which of its values.
    pub property: String,
    /// The factor; not zero.
    pub factor: f64,
    /// What is added, in the unit of the value.
    pub offset: f64,
    /// In an edit: in the place of what there is, and not on top of it.
    #[serde(default)]
    pub fresh: bool,
}

/// What is to be different at a device.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationDeviceEdit {
    /// Settings to set, or to take away.
    #[serde(default)]
    pub settings: Vec<ConfigurationSetting>,
    /// How what is published now becomes what should be published.
    #[serde(default)]
    pub calibrations: Vec<ConfigurationCalibration>,
}

/// A changed text that nobody has taken over yet: show it, and send it with `PUT /api/v1/configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ConfigurationDraft {
    /// The text as it is now.
    pub before: String,
    /// The whole new text.
    pub text: String,
    /// The version that it is based on.
    pub base: String,
    /// What is wrong with the new text.
    pub check: ConfigurationCheck,
}
