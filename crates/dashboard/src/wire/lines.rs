//! The lines of a board with all that is known of them, and the thermometers on 1-Wire.

use gatehouse_model::Timestamp;
use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

/// Whether a line is read or driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "LineDirection")]
#[schema(as = LineDirection)]
pub enum LineDirectionWord {
    /// It is read.
    Input,
    /// It is driven.
    Output,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct BoardLine {
    /// Its number: the BCM number on a Raspberry Pi.
    pub line: u32,
    /// Its pin on the header; null when it does not come out there.
    #[schema(required = true)]
    pub header_pin: Option<u8>,
    /// Its name on this board; empty when it has none.
    pub name: String,
    /// Who holds it, as the kernel says; null when it is free.
    #[schema(required = true)]
    pub owner: Option<String>,
    /// What kind of holder that is.
    pub holder: LineHolderWord,
    /// The driver of the kernel that has it, whether the kernel shows it as held or not; null when there is none.
    #[schema(required = true)]
    pub used_for: Option<LineUse>,
    /// What else it can be: the names of Alt0, Alt1, … in the chip's tables; empty texts where there is no such function, and
    /// an empty list where the chip is not known.
    pub functions: Vec<String>,
    /// What it is at present.
    pub direction: LineDirectionWord,
    /// What the kernel was told to pull it with; null when nobody told it.
    #[schema(required = true)]
    pub pull: Option<PullWord>,
    /// What pulls it from power-on until software takes it; null when that is not known.
    #[schema(required = true)]
    pub power_on_pull: Option<PullWord>,
    /// Whether a resistor on the board itself pulls it up, stronger than any setting.
    pub pulled_up_by_board: bool,
    /// The active levels for which an output here that is safe when off would be on from power-on until the gateway starts.
    pub fires_when_active: Vec<VoltageWord>,
    /// Its voltage; null when it is not known: it is known of lines that the gateway holds.
    #[schema(required = true)]
    pub level: Option<VoltageWord>,
    /// The configured device at it; null when there is none.
    #[schema(required = true)]
    pub device: Option<String>,
    /// Which voltage is on for that device; null when its state says more than on and off.
    #[schema(required = true)]
    pub active: Option<VoltageWord>,
    /// What is wrong there, the worst first.
    pub warnings: Vec<LineWarning>,
}

/// Who holds a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "LineHolder")]
#[schema(as = LineHolder)]
pub enum LineHolderWord {
    /// Nobody whom the kernel shows.
    Nobody,
    /// The gateway.
    Gateway,
    /// A driver of the kernel.
    Kernel,
    /// Somebody else: another program, or a driver that does not tell its name.
    Other,
}

/// What pulls a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Pull")]
#[schema(as = Pull)]
pub enum PullWord {
    /// A resistor to the supply.
    Up,
    /// A resistor to ground.
    Down,
    /// Nothing.
    None,
}

/// A voltage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Voltage")]
#[schema(as = Voltage)]
pub enum VoltageWord {
    /// That of the supply.
    High,
    /// That of ground.
    Low,
}

/// What a driver of the kernel does with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct LineUse {
    /// What for.
    pub kind: LineUseWord,
    /// The bus, or the driver's device.
    pub name: String,
    /// What the line is there, as the chip's tables call it; null when it is a plain line.
    #[schema(required = true)]
    pub function: Option<String>,
}

/// What a driver has a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "LineUseKind")]
#[schema(as = LineUseKind)]
pub enum LineUseWord {
    /// I²C.
    I2c,
    /// SPI.
    Spi,
    /// A serial port.
    Serial,
    /// 1-Wire.
    OneWire,
    /// Hardware PWM.
    Pwm,
    /// Digital sound.
    Sound,
    /// Something else.
    Other,
}

/// Something that is wrong with a line, with what it takes to say how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct LineWarning {
    /// What is wrong.
    pub kind: LineWarningWord,
    /// Whether it is only good to know.
    pub note: bool,
    /// The configured device that it is about; null when it is about none.
    #[schema(required = true)]
    pub device: Option<String>,
    /// Who or what else is part of it: the holder, the bus, other devices; null when nobody is.
    #[schema(required = true)]
    pub other: Option<String>,
    /// Free lines that would be right, the best first.
    pub better: Vec<u32>,
    /// A line for the firmware's `config.txt` that helps; null when none does.
    #[schema(required = true)]
    pub boot_line: Option<String>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "LineWarningKind")]
#[schema(as = LineWarningKind)]
pub enum LineWarningWord {
    /// Somebody else holds the line of a configured device.
    Taken,
    /// A bus has the line of a configured device.
    OnBus,
    /// Several configured devices use the line.
    Shared,
    /// An output is not at its safe level from power-on until the gateway starts.
    FiresAtPowerOn,
    /// What is wired there usually gives 5 V, and a line bears 3.3 V.
    FiveVolts,
    /// The kernel writes its messages there.
    Console,
    /// The board reads the line at every start, to find out what is plugged on.
    PluggedOn,
    /// Chips on this bus can be supplied with 5 V, and then pull it up to 5 V.
    FiveVoltBus,
}

/// The thermometers on the 1-Wire buses with what they show.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Probes {
    /// In the order of their numbers.
    pub probes: Vec<Probe>,
}

/// A thermometer on 1-Wire.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Probe {
    /// Its number.
    pub id: String,
    /// Its chip.
    pub model: String,
    /// The configured device that it is; null when nobody uses it.
    #[schema(required = true)]
    pub device: Option<String>,
    /// Its temperature in °C; null when it could not be read.
    #[schema(required = true)]
    pub celsius: Option<f64>,
    /// Why it could not be read, and what to do; null when it could.
    #[schema(required = true)]
    pub problem: Option<String>,
    /// When it was read (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A device for the configuration that would use it, as TOML.
    pub configuration: String,
}
