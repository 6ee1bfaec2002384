//! What the house holds, as published on `<base>/info` and shown by the page.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, PropertyId};

/// The kind of value of a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PropertyKind {
    /// A number.
    Number {
        /// Its unit as people write it (`°C`, `%`, `MB`), empty when it has none.
        unit: String,
        /// Digits behind the point that the sensor deserves.
        decimals: u8,
    },
    /// On or off.
    Switch,
    /// A word.
    Text,
}

/// One value of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyInfo {
    /// Its id, the last level of its topic.
    pub id: PropertyId,
    /// Its name for people.
    pub name: String,
    /// What kind of value it has.
    #[serde(flatten)]
    pub kind: PropertyKind,
    /// Whether it takes commands.
    pub settable: bool,
    /// What it is, in Home Assistant's words (`temperature`, `humidity`, `door`, `motion`, `light`, `heat`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The least and the greatest number that a command can set; nothing of what takes no numbers, or any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
}

/// One device: a sensor, a contact, an output, or the machine itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Its id, a level of its topics.
    pub id: DeviceId,
    /// Its name for people.
    pub name: String,
    /// The room it stands in, in the owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The driver that serves it (`bme280`, `input`, `output`, `host`, …).
    pub driver: String,
    /// Where it is connected, for people (`GPIO 22, header pin 15`).
    pub connection: String,
    /// Whether its values are made up.
    pub simulated: bool,
    /// How often it is read, in milliseconds; nothing for devices that report changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u64>,
    /// Its values.
    pub properties: Vec<PropertyInfo>,
}

/// The whole gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewayInfo {
    /// Its name for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The board it runs on, as that calls itself.
    pub board: String,
    /// Its base topic.
    pub base: String,
    /// All devices, in the order of the configuration.
    pub devices: Vec<DeviceInfo>,
}
