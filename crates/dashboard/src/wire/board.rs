//! The board, what is connected to it, and what can be.

use gatehouse_model::Timestamp;
use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::lines::BoardLine;

/// The board: its lines, its buses, and what is connected and not used.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Board {
    /// How it calls itself.
    pub name: String,
    /// The board of Gatehouse's list that it is; null when it is none of them.
    #[schema(required = true)]
    pub model: Option<String>,
    /// Pins of its header, 40 or 26; null when the header is not known.
    #[schema(required = true)]
    pub header_pins: Option<u8>,
    /// Whether it is the simulated board.
    pub simulated: bool,
    /// The lines of its header's chip.
    pub lines: Vec<BoardLine>,
    /// Why the lines cannot be had, and what to do; null when they can.
    #[schema(required = true)]
    pub lines_problem: Option<String>,
    /// Its buses, also those that cannot be used.
    pub buses: Vec<BoardBus>,
    /// What is connected and not used, as far as it was noticed while the gateway runs.
    pub found: Vec<FoundThing>,
}

/// One bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BoardBus {
    /// How the configuration names it: `i2c-1`, `spi-0.0`, `/dev/serial0`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Why it cannot be used, and what to do; null when it can.
    #[schema(required = true)]
    pub problem: Option<String>,
}

/// Everything that is connected, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BoardScan {
    /// When it was looked (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Buses with what is on them.
    pub buses: Vec<ScannedBus>,
    /// What the kernel drives by itself (IIO and hwmon).
    pub kernel: Vec<FoundThing>,
}

/// One bus with what is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ScannedBus {
    /// How the configuration names it.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Why it could not be looked at, and what to do; null when it could.
    #[schema(required = true)]
    pub problem: Option<String>,
    /// What is on it.
    pub things: Vec<FoundThing>,
}

/// Who uses a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Holder")]
#[schema(as = Holder)]
pub enum HolderWord {
    /// Nobody.
    Nobody,
    /// A driver of the kernel.
    Kernel,
    /// A configured device.
    Device,
}

/// Something that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct FoundThing {
    /// The bus, or the kernel's subsystem.
    pub bus: String,
    /// Where on it: an address, a probe's number, a directory of the kernel's.
    pub place: String,
    /// Who uses it.
    pub held_by: HolderWord,
    /// The kernel's driver, or the configured device; null when nobody uses it.
    #[schema(required = true)]
    pub holder: Option<String>,
    /// What it can be, the most likely first; empty when nothing is known.
    pub candidates: Vec<FoundCandidate>,
    /// What people should know, in a sentence; null when there is nothing.
    #[schema(required = true)]
    pub note: Option<String>,
    /// A device for the configuration that would use it, as TOML; null when nothing drives it.
    #[schema(required = true)]
    pub configuration: Option<String>,
}

/// What a thing can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct FoundCandidate {
    /// The word of the driver that serves it; null when none does.
    #[schema(required = true)]
    pub driver: Option<String>,
    /// Its maker and name.
    pub name: String,
    /// How sure that is, in percent.
    pub certainty: u8,
    /// What else would look the same.
    pub or_else: Vec<String>,
}

/// Every chip that Gatehouse drives.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Catalogue {
    /// In the order of their words.
    pub entries: Vec<CatalogueEntry>,
}

/// How a chip is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "CatalogueBus")]
#[schema(as = CatalogueBus)]
pub enum CatalogueBusWord {
    /// I²C.
    I2c,
    /// SPI.
    Spi,
    /// A serial port.
    Serial,
    /// 1-Wire, or whatever else the kernel drives.
    Kernel,
    /// Two lines or more of the header.
    Lines,
}

/// What a chip gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "CatalogueKind")]
#[schema(as = CatalogueKind)]
pub enum CatalogueKindWord {
    /// Values that are read.
    Sensor,
    /// Lines for other devices.
    LineExpander,
    /// PWM outputs for other devices.
    PwmExpander,
    /// Further I²C buses.
    Multiplexer,
    /// Something else.
    Other,
}

/// One chip.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct CatalogueEntry {
    /// Its word in the configuration.
    pub driver: String,
    /// Its maker and name.
    pub name: String,
    /// What it is for, in one sentence.
    pub what: String,
    /// How it is connected.
    pub bus: CatalogueBusWord,
    /// The I²C addresses that it can have, the usual one first; empty of others.
    pub addresses: Vec<u8>,
    /// What it gives.
    pub kind: CatalogueKindWord,
    /// How many lines, outputs or channels it has; null of sensors.
    #[schema(required = true)]
    pub lines: Option<u8>,
    /// What it measures.
    pub properties: Vec<CatalogueProperty>,
    /// What can be set, beside what every device has.
    pub settings: Vec<CatalogueSetting>,
    /// Which of its pins goes where.
    pub wiring: Vec<CatalogueWire>,
    /// Lowest supply, in volts.
    pub supply_lowest: f64,
    /// Highest supply, in volts.
    pub supply_highest: f64,
    /// How often it is read unless the configuration says otherwise, in milliseconds.
    #[ts(type = "number")]
    pub period_ms: u64,
    /// Shortest period, in milliseconds.
    #[ts(type = "number")]
    pub shortest_period_ms: u64,
    /// The datasheet that this is from.
    pub source: String,
    /// What its owner should know, a sentence each.
    pub notes: Vec<String>,
}

/// A value that a chip measures.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct CatalogueProperty {
    /// Its id, the last level of its topic.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its unit; empty when it has none.
    pub unit: String,
    /// Lowest value that the chip can measure; null for what is no number: a text, or something that happens.
    #[schema(required = true)]
    pub lowest: Option<f64>,
    /// Highest value that the chip can measure; null for what is no number.
    #[schema(required = true)]
    pub highest: Option<f64>,
}

/// A setting of a chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct CatalogueSetting {
    /// Its key in the configuration.
    pub key: String,
    /// What it does, in one sentence.
    pub what: String,
    /// What it can be, for people: words, or a range with its unit.
    pub values: String,
    /// What it is when nothing is said, as it is written in the configuration.
    pub default: String,
}

/// One wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct CatalogueWire {
    /// The chip's pin as its board calls it.
    pub pin: String,
    /// Where it goes: `SDA`, `SCL`, `3V3`, `5V`, `GND`, `MOSI`, `MISO`, `SCLK`, `CE`, `TXD`, `RXD`, or a sentence.
    pub to: String,
    /// What else is needed there; empty when nothing is.
    pub note: String,
}
