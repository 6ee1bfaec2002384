//! The words of the HTTP API: what goes over the wire, and nothing else.
//!
//! The OpenAPI description and the TypeScript types of the web app are made from these types (see the test in
//! `tests/generated.rs`), so their documentation speaks to people who write clients.

mod backup;
mod board;
mod configuration;
mod convert;
mod demo;
mod diary;
mod doctor;
mod first_run;
mod generated;
mod history;
mod home;
mod lines;
mod messages;
mod people;
mod system;

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

pub use backup::{
    BackupFile, BackupRequest, BackupSchedule, BackupState, PlacedFile, RestoreRequest, RestoreState,
    RestoreStep,
};
pub use board::{
    Board, BoardBus, BoardScan, Catalogue, CatalogueBusWord, CatalogueEntry, CatalogueKindWord,
    CatalogueProperty, CatalogueSetting, CatalogueWire, FoundCandidate, FoundThing, HolderWord, ScannedBus,
};
pub use configuration::{
    Configuration, ConfigurationCalibration, ConfigurationChange, ConfigurationChanged, ConfigurationCheck,
    ConfigurationCheckRequest, ConfigurationConfirmation, ConfigurationDevice, ConfigurationDeviceEdit,
    ConfigurationDeviceView, ConfigurationDraft, ConfigurationFinding, ConfigurationSetting,
    ConfigurationUnconfirmed, ConfigurationVersionText, ConfigurationVersionView, ConfigurationVersions,
};
pub use demo::{DemoFaultRequest, DemoFaultWord, DemoInputRequest};
pub use diary::{
    EventKindWord, HistoryEvent, HistoryEvents, HistoryNotRecorded, HistoryNotice, HistoryStatus, HistoryWear,
};
pub use doctor::{
    DoctorChange, DoctorFinding, DoctorKind, DoctorLevel, DoctorMend, DoctorMendRequest, DoctorMended,
    DoctorReport, DoctorRestart,
};
pub use first_run::{
    FirstRun, FirstRunState, FirstRunStepView, FirstRunStepWord, GatewayChange, GatewayPlace,
    GatewaySettings, SetupCheckRequest, StepOutcomeRequest, StepOutcomeWord,
};
pub use generated::generated_files;
pub use history::{
    GapWord, HistoryBefore, HistoryGap, HistoryMoment, HistoryPoint, HistorySeries, HistorySeriesInfo,
    HistoryText, HistoryTexts, HistoryValue,
};
pub use home::{HomeArrangement, Sparkline, Sparklines};
pub use lines::{
    BoardLine, LineDirectionWord, LineHolderWord, LineUse, LineUseWord, LineWarning, LineWarningWord, Probe,
    Probes, PullWord, VoltageWord,
};
pub use messages::{
    MessageView, PassedMessages, PayloadWord, PublishRequest, RetainedMessages, UserPropertyView,
};
pub use people::{
    AuditPage, AuditView, AuditWord, ClientChange, ClientCredential, ClientMade, ClientRequest,
    MqttConnectionView, MqttConnections, Pairing, PairingPorts, PairingRequest, People, RightsView,
    ScopeWord, TokenMade, TokenRequest, TokenView, Tokens, UserChange, UserRequest, UserView,
};
pub use system::{
    CardReserveWord, DiscoverySilenceWord, LogLevelWord, LogLine, LogPage, RestartBegun, RestartRequest,
    RestartWay, SystemAddress, SystemBroker, SystemCard, SystemCertificate, SystemClockState,
    SystemDiscovery, SystemDisk, SystemMachine, SystemNetwork, SystemReport, SystemVersion,
};

/// A scalar: a number, or a text. Of a switch it is `ON` or `OFF`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema, TS)]
#[serde(untagged)]
pub enum Scalar {
    /// A number, in the unit of its property.
    Number(f64),
    /// `ON`, `OFF`, or a word.
    Text(String),
}

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Quality")]
#[schema(as = Quality)]
pub enum QualityWord {
    /// Read at the first try and believable.
    Ok,
    /// Made up by the simulated board.
    Simulated,
    /// Read after at least one failed try.
    Retried,
    /// Outside the sensor's range and set to its limit.
    Clamped,
    /// Read, but hard to believe.
    Suspect,
    /// Older than it should be.
    Stale,
}

/// What a person may do: viewers look, operators switch as well, administrators do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Role")]
#[schema(as = Role)]
pub enum RoleWord {
    /// Everything.
    Admin,
    /// Look and switch.
    Operator,
    /// Look.
    Viewer,
}

/// Whether a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Availability")]
#[schema(as = Availability)]
pub enum AvailabilityWord {
    /// It answers.
    Online,
    /// It does not.
    Offline,
    /// Nothing was heard of it yet.
    Unknown,
}

/// The kind of value of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "PropertyKind")]
#[schema(as = PropertyKind)]
pub enum KindWord {
    /// A number with a unit.
    Number,
    /// On or off.
    Switch,
    /// A word.
    Text,
}

/// What kind of asker stands behind a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A client that speaks MQTT.
    Client,
    /// A person at the dashboard.
    Page,
    /// A part of the gateway itself.
    Part,
    /// A limit or a safe state that holds below MQTT.
    FailSafe,
}

/// Why something switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct CauseView {
    /// Who or what asked, with what stood behind it, as one sentence for people.
    pub sentence: String,
    /// The kind of asker.
    pub by: CauseKind,
    /// The user who asked, at the page or through an MQTT client; null of others.
    #[schema(required = true)]
    pub user: Option<String>,
    /// The MQTT client's identifier; null of others.
    #[schema(required = true)]
    pub client_id: Option<String>,
    /// The part of the gateway that asked; null of others.
    #[schema(required = true)]
    pub name: Option<String>,
    /// What the fail-safe says; null of others.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What made the asker ask, nearest first; empty when it asked by itself.
    pub chain: Vec<String>,
}

/// The latest value of a property.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Reading {
    /// The value, in the property's unit; `ON` or `OFF` of a switch.
    pub value: Scalar,
    /// How far it can be trusted.
    pub quality: QualityWord,
    /// When it was true (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who or what made it so; null of sensors.
    #[schema(required = true)]
    pub cause: Option<CauseView>,
}

/// One value of a device.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Property {
    /// Its id, the last level of its topic.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What kind of value it has.
    pub kind: KindWord,
    /// Its unit as people write it; empty when it has none.
    pub unit: String,
    /// Digits behind the point that the sensor deserves.
    pub decimals: u8,
    /// Whether it takes commands.
    pub settable: bool,
    /// What it is, in Home Assistant's words (`temperature`, `door`, `heat`, …); null when unknown.
    #[schema(required = true)]
    pub class: Option<String>,
    /// The least number that a command can set; null where no number is set, or any can be.
    #[schema(required = true)]
    pub lowest: Option<f64>,
    /// The greatest number that a command can set; null where no number is set, or any can be.
    #[schema(required = true)]
    pub highest: Option<f64>,
    /// The latest value; null before the first one.
    #[schema(required = true)]
    pub reading: Option<Reading>,
}

/// One device: a sensor, a contact, an output, or the machine itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Device {
    /// Its id, a level of its topics.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The room it stands in; null when it stands in none.
    #[schema(required = true)]
    pub room: Option<String>,
    /// The driver that serves it.
    pub driver: String,
    /// Where it is connected, for people.
    pub connection: String,
    /// Whether its values are made up.
    pub simulated: bool,
    /// How often it is read, in milliseconds; null of devices that report changes.
    #[ts(type = "number | null")]
    #[schema(required = true)]
    pub period_ms: Option<u64>,
    /// Whether it answers.
    pub availability: AvailabilityWord,
    /// What is wrong with it, in a sentence; null when nothing is.
    #[schema(required = true)]
    pub fault: Option<String>,
    /// Its values.
    pub properties: Vec<Property>,
}

/// The gateway itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Gateway {
    /// Its name for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The board it runs on.
    pub board: String,
    /// Its base topic.
    pub base: String,
    /// Whether it is the demonstration house.
    pub demo: bool,
    /// The port where MQTT is served.
    pub mqtt_port: u16,
    /// What people should know of its condition.
    pub warnings: Vec<Warning>,
}

/// What people should know of the gateway's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "WarningKind")]
#[schema(as = WarningKind)]
pub enum WarningWord {
    /// MQTT clients come in without a name and a password; the detail names the rights set that they get.
    AnonymousClients,
    /// The broker cannot write to its disk: what has to be kept is not acknowledged. The detail says why.
    StoreFailing,
    /// The broker's file was damaged when it was opened; the detail says what was done.
    StoreDamaged,
    /// History cannot be opened or written: what is recorded waits in memory, as much as fits. The detail says why.
    HistoryFailing,
    /// A backup that makes itself was not made, or its stick is gone. The detail says why.
    BackupFailing,
    /// Parts of the gateway do not answer; if that lasts, the outputs go safe and it starts again. The detail is their words with spaces
    /// between them: `broker`, `outputs`, `inputs`, `messages`, `page`, and the databases `store`, `history`, `accounts`, whose disk hangs.
    PartHangs,
    /// The disk with the data is nearly full. The detail is the number of bytes that are free, in coarse steps.
    DiskNearlyFull,
    /// The disk with the data is full: nothing new can be kept. No detail.
    DiskFull,
    /// The file system with the data is read-only: nothing can be kept. The detail is the directory of the data.
    DiskReadOnly,
    /// The disk with the data could not be written at the start, so the gateway runs from memory: nothing that happens is kept
    /// when it ends. The detail is `read_only`, `full` or `failing`, a space, and the directory of the data.
    RunsFromMemory,
    /// The clock is not set, and waits for somebody who does. No detail.
    ClockNotSet,
    /// The clock was set by much while the gateway ran, in the last hour. The detail is by how many seconds, negative: back.
    ClockStepped,
    /// The machine has no network that others reach. No detail.
    NetworkGone,
    /// The run before this one was ended by the kernel for want of memory. No detail.
    EndedOutOfMemory,
    /// The run before this one hung, and the service's watchdog ended it. No detail.
    EndedHung,
    /// The run before this one crashed, or was killed. No detail.
    EndedCrashed,
    /// The run before this one was cut off: no power, or a restart of the machine that did not stop it. No detail.
    EndedCutOff,
    /// A release was installed and did not start, so the one before it runs in its place. The detail is the version that
    /// failed, a space, the version that runs, a space, and why.
    ReleaseFailed,
    /// The upgrade to the release that runs kept no copy of what was before, so there is no way back. The detail is the version, a
    /// space, and why.
    NoWayBack,
    /// The usual port of MQTT is another program's, so the broker is on the next free one. The detail is the usual port, a
    /// space, the port where it is, and, where one is seen, a space and the other program.
    MqttMoved,
}

impl WarningWord {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::AnonymousClients,
        Self::StoreFailing,
        Self::StoreDamaged,
        Self::HistoryFailing,
        Self::BackupFailing,
        Self::PartHangs,
        Self::DiskNearlyFull,
        Self::DiskFull,
        Self::DiskReadOnly,
        Self::RunsFromMemory,
        Self::ClockNotSet,
        Self::ClockStepped,
        Self::NetworkGone,
        Self::EndedOutOfMemory,
        Self::EndedHung,
        Self::EndedCrashed,
        Self::EndedCutOff,
        Self::ReleaseFailed,
        Self::NoWayBack,
        Self::MqttMoved,
    ];

    /// Whether somebody should see to it. Clients without a password are what somebody has configured; after a power cut nothing has
    /// to be done, and after an upgrade without a copy nothing can be.
    pub const fn wants_somebody(self) -> bool {
        !matches!(self, Self::AnonymousClients | Self::EndedCutOff | Self::NoWayBack)
    }

    /// The word that the API has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnonymousClients => "anonymous_clients",
            Self::StoreFailing => "store_failing",
            Self::StoreDamaged => "store_damaged",
            Self::HistoryFailing => "history_failing",
            Self::BackupFailing => "backup_failing",
            Self::PartHangs => "part_hangs",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::DiskFull => "disk_full",
            Self::DiskReadOnly => "disk_read_only",
            Self::RunsFromMemory => "runs_from_memory",
            Self::ClockNotSet => "clock_not_set",
            Self::ClockStepped => "clock_stepped",
            Self::NetworkGone => "network_gone",
            Self::EndedOutOfMemory => "ended_out_of_memory",
            Self::EndedHung => "ended_hung",
            Self::EndedCrashed => "ended_crashed",
            Self::EndedCutOff => "ended_cut_off",
            Self::ReleaseFailed => "release_failed",
            Self::NoWayBack => "no_way_back",
            Self::MqttMoved => "mqtt_moved",
        }
    }
}

/// A condition that people should know of, as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Warning {
    /// What it is.
    pub kind: WarningWord,
    /// What is special about it this time, in a word or a sentence of the gateway's.
    pub detail: String,
}

/// The whole house, now. Also the data of the `house` event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct House {
    /// The gateway's clock (RFC 3339, UTC): ages are counted from this, not from the clock of the phone.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// The gateway itself.
    pub gateway: Gateway,
    /// Whether the bridge to the hardware runs.
    pub online: bool,
    /// All devices, in the order of the configuration.
    pub devices: Vec<Device>,
}

/// The data of the `reading` event: one property has a new value.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct ReadingEvent {
    /// The gateway's clock when this happened (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Whose value.
    pub device: String,
    /// Which of its values.
    pub property: String,
    /// The value with its time and quality.
    #[serde(flatten)]
    pub reading: Reading,
}

/// The data of the `availability` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct AvailabilityEvent {
    /// The gateway's clock when this happened (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Which device.
    pub device: String,
    /// Whether it answers.
    pub availability: AvailabilityWord,
    /// What is wrong with it, in a sentence; null when nothing is.
    #[schema(required = true)]
    pub fault: Option<String>,
}

/// The data of the `result` event: the answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ResultEvent {
    /// The gateway's clock when this happened (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Whose property was to be set.
    pub device: String,
    /// Which one.
    pub property: String,
    /// The id of the command; null when its asker gave none.
    #[schema(required = true)]
    pub id: Option<String>,
    /// Whether it was done.
    pub ok: bool,
    /// When it was not: why, in a sentence; null when it was.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// The data of the `online` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct OnlineEvent {
    /// The gateway's clock when this happened (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Whether the bridge to the hardware runs.
    pub online: bool,
}

/// The data of the `clock` event, which comes at a steady pace whatever else happens: a page that misses it knows that the
/// stream is dead, and follows a clock that was set meanwhile, forwards or back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ClockEvent {
    /// The gateway's clock (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// Who is at the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SessionUser {
    /// The name.
    pub name: String,
    /// What this person may do.
    pub role: RoleWord,
}

/// The state of this browser's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Session {
    /// Whether there is no administrator yet, so that the page shows the set-up.
    pub setup_needed: bool,
    /// The gateway's name for people.
    pub gateway_name: String,
    /// Whether steps of the first run wait for this administrator.
    pub first_run: bool,
    /// The port where others in the network reach this page with TLS; null when they do nowhere.
    #[schema(required = true)]
    pub https_port: Option<u16>,
    /// The SHA-256 of the gateway's own authority, which is `/ca.crt`; null when it has none.
    #[schema(required = true)]
    pub authority_sha256: Option<String>,
    /// Who is logged in; null when nobody is.
    #[schema(required = true)]
    pub user: Option<SessionUser>,
}

/// The first visit: the set-up code, and the administrator to be.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// The one-time code that the gateway printed.
    pub code: String,
    /// The administrator's name.
    pub name: String,
    /// The administrator's password.
    pub password: String,
    /// The name of the gateway for people. When it cannot be written, the step `name` of the first run stays open.
    #[serde(default)]
    #[ts(optional)]
    pub gateway_name: Option<String>,
    /// Whether the steps of the first run follow, at the page; scripts leave it out.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub guided: bool,
}

/// A log-in.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Another password for oneself.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password as it is.
    pub current: String,
    /// What it is to be.
    pub new: String,
    /// Tokens for scripts go on; otherwise they are taken back.
    #[serde(default)]
    #[ts(optional)]
    pub keep_tokens: Option<bool>,
}

/// To end the sessions of one's own account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct LogOutEverywhere {
    /// The session that asks ends too; otherwise it goes on.
    #[serde(default)]
    #[ts(optional)]
    pub here_too: Option<bool>,
    /// The tokens for scripts are taken back; otherwise they go on.
    #[serde(default)]
    #[ts(optional)]
    pub tokens_too: Option<bool>,
}

/// What ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct LoggedOutEverywhere {
    /// Log-ins at the page, with the one that asked if that ended too.
    pub sessions: u64,
    /// Tokens for scripts.
    pub tokens: u64,
    /// Whether the session that asked ended too.
    pub here_too: bool,
}

/// A command to a property.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct SetRequest {
    /// `ON`, `OFF`, `TOGGLE` or `BLINK` to a switch, a number to a number, a text to a text (a cover takes `OPEN`, `CLOSE`
    /// and `STOP`). What else comes is explained to the sender.
    #[ts(as = "Scalar")]
    #[schema(value_type = Scalar)]
    pub value: serde_json::Value,
    /// For how long (`5s`, `10m`, `2h`); afterwards the output goes back to its safe level.
    #[serde(rename = "for", default)]
    #[ts(optional)]
    pub duration: Option<String>,
    /// The time that the way to the value takes (`2s`), of what can be dimmed or moved; without it what the configuration
    /// says.
    #[serde(default)]
    #[ts(optional)]
    pub over: Option<String>,
}

/// The command was taken; the outcome comes as a `result` event with this id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SetAccepted {
    /// The id of the command.
    pub id: String,
}

/// Every error of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ApiErrorBody {
    /// What happened.
    pub error: ApiErrorDetail,
}

/// What happened, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ApiErrorDetail {
    /// A word that programs can tell apart, such as `wrong_code`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// The answer of `/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Health {
    /// `ok`, or `degraded` while the page tells of something that somebody should look at. What that is, `/metrics` and the
    /// page tell those who have logged in.
    pub status: String,
}
