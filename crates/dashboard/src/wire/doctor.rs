//! What stands in the gateway's way on its machine, and what can be mended.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct DoctorReport {
    /// The findings, the worst first; none when all is well.
    pub findings: Vec<DoctorFinding>,
    /// Why the gateway cannot mend anything itself, in a sentence for people; null when it can.
    #[schema(required = true)]
    pub no_helper: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum DoctorLevel {
    /// Something does not work.
    Problem,
    /// Something will not work one day, or works badly.
    Warning,
    /// Good to know.
    Note,
}

/// What a finding is about. The facts that belong to each are named in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum DoctorKind {
    /// The configuration has mistakes: the file, how many.
    ConfigurationWrong,
    /// Another program has a port: the port, the section of the configuration, who has it.
    PortTaken,
    /// Mosquitto has a port: the port.
    MosquittoHasPort,
    /// Mosquitto starts with the machine and wants a port of the gateway: the port.
    MosquittoStarts,
    /// The usual port of MQTT is free, and the gateway still leaves it to the program that had it: the port, where the broker is,
    /// from how many minutes after the machine's start on a restart of the gateway takes it.
    MqttPortFree,
    /// I²C is switched off: the devices that wait for it, or nothing.
    I2cOff,
    /// SPI is switched off: the devices that wait for it, or nothing.
    SpiOff,
    /// The serial port of the header is switched off: the devices that wait for it.
    SerialOff,
    /// 1-Wire is switched off: the devices that wait for it.
    OneWireOff,
    /// A bus is switched on from the next start of the machine: its name.
    BusAfterRestart,
    /// The system's console is at the serial port of the header: the devices that wait for it.
    SerialConsole,
    /// The service's user is missing: its name.
    UserMissing,
    /// Groups of the devices are missing: their names.
    GroupsMissing,
    /// The service's user is not in groups of the devices: their names.
    NotInGroups,
    /// The service's user may not open a device: its file.
    DeviceForbidden,
    /// Another program or driver has a line: the line, who has it, the device that wants it.
    LineTaken,
    /// pigpiod runs, or starts with the machine.
    Pigpiod,
    /// The kernel counts no memory for services.
    MemoryLimitOff,
    /// The clock is not set, and there is no clock chip.
    ClockNotSet,
    /// The disk with the data is nearly full: what is free.
    DiskNearlyFull,
    /// The file system with the data is read-only: where it is mounted.
    DiskReadOnly,
    /// The gateway runs from memory, since the disk with the data could not be written at its start: the directory of the data.
    RunsFromMemory,
    /// The power supply is too weak.
    UnderVoltage,
    /// Swap lies on the card: where.
    SwapOnCard,
    /// The hardware watchdog is not used.
    WatchdogUnused,
    /// The journal is lost with each restart of the machine.
    JournalVolatile,
    /// The machine has no IPv6.
    NoIpv6,
    /// The machine has no network that others reach.
    NetworkGone,
    /// The run of the gateway before this one did not end in order: `out-of-memory`, `hung`, `crashed` or `cut-off`.
    LastRunEnded,
    /// A release was installed and did not start, so the one before it runs in its place: the release that failed, the one that
    /// runs, and why, in a sentence of the gateway's.
    ReleaseFailed,
    /// The upgrade to the release that runs kept no copy of what was before: the release, and why, in a sentence of the gateway's.
    NoWayBack,
    /// The gateway is installed as a service and does not run: `configuration`, `data-too-new`, `damaged`, `failed`, or `stopped`
    /// where nothing is known of a start that failed; and why, in a sentence of the gateway's, or nothing.
    NotRunning,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct DoctorFinding {
    /// What it is about.
    pub kind: DoctorKind,
    /// How bad it is.
    pub level: DoctorLevel,
    /// The facts of its kind: names, numbers, paths.
    pub facts: Vec<String>,
    /// What is, in English.
    pub what: String,
    /// Why it matters, in English.
    pub why: String,
    /// What to do, in English.
    pub remedy: String,
    /// What the gateway's helper can do about it; null when it is left to people.
    #[schema(required = true)]
    pub mend: Option<DoctorMend>,
}

/// What has to start again before a mend takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum DoctorRestart {
    /// Nothing.
    Nothing,
    /// The gateway.
    Gateway,
    /// The machine.
    Machine,
}

/// What a mend does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct DoctorMend {
    /// Its word for `POST /api/v1/doctor/mend`.
    pub word: String,
    /// The files that it changes. Of each a copy is kept.
    pub changes: Vec<DoctorChange>,
    /// The commands that it runs.
    pub commands: Vec<String>,
    /// What has to start again afterwards.
    pub restart: DoctorRestart,
    /// What to type on the gateway for the same.
    pub by_hand: String,
}

/// A change of a file, or a file that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct DoctorChange {
    /// The file.
    pub file: String,
    /// Whether there is no such file yet.
    pub is_new: bool,
    /// Lines that go.
    pub removed: Vec<String>,
    /// Lines that come.
    pub added: Vec<String>,
}

/// `POST /api/v1/doctor/mend`.
#[derive(Clone, Debug, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct DoctorMendRequest {
    /// The word of a mend, as a finding has it.
    pub word: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct DoctorMended {
    /// Files that were changed and commands that were run, in English; none when everything was so already.
    pub done: Vec<String>,
    /// What has to start again before it takes effect.
    pub restart: DoctorRestart,
}
