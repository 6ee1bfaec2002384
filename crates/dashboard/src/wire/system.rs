//! How the gateway itself is: machine, disk, clock, broker, addresses, certificate, and its last log lines.

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// How the gateway itself is. What a machine does not tell is null.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct SystemReport {
    /// A word for this run of the gateway: after a restart it is another one.
    pub run: String,
    /// When this was looked at.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long the gateway runs, in milliseconds.
    #[ts(type = "number")]
    pub running_for_ms: u64,
    /// What runs.
    pub version: SystemVersion,
    /// The machine.
    pub machine: SystemMachine,
    /// The disk with the gateway's data.
    pub disk: SystemDisk,
    /// The wall clock.
    pub clock: SystemClockState,
    /// The broker.
    pub broker: SystemBroker,
    /// How the gateway is reached.
    pub network: SystemNetwork,
    /// What is shown to clients of TLS; null when no port speaks it.
    #[schema(required = true)]
    pub certificate: Option<SystemCertificate>,
    /// What a restart from the page does.
    pub restart: RestartWay,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemVersion {
    /// The release.
    pub gatehouse: String,
    /// The commit that it was built from, where the build knew it.
    #[schema(required = true)]
    pub commit: Option<String>,
    /// The compiler.
    pub compiler: String,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct SystemMachine {
    /// What the board calls itself.
    pub board: String,
    /// The kernel, with its release and architecture.
    pub kernel: String,
    /// Processor cores.
    pub cores: u32,
    /// Time since the machine started, in milliseconds.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub up_for_ms: Option<u64>,
    /// Load averages of the last 1, 5 and 15 minutes.
    #[schema(required = true)]
    pub load: Option<[f64; 3]>,
    /// The processor's temperature, in °C.
    #[schema(required = true)]
    pub temperature: Option<f64>,
    /// Memory in all, in bytes.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub memory_bytes: Option<u64>,
    /// Memory that programs could still have, in bytes.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub memory_free_bytes: Option<u64>,
    /// Memory that the gateway has, in bytes.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub gateway_memory_bytes: Option<u64>,
    /// The supply is too weak now.
    #[schema(required = true)]
    pub under_voltage: Option<bool>,
    /// The supply was too weak at some time since the machine started.
    #[schema(required = true)]
    pub under_voltage_since_boot: Option<bool>,
    /// The processor is slowed down now.
    #[schema(required = true)]
    pub throttled: Option<bool>,
    /// The processor was slowed down at some time since the machine started.
    #[schema(required = true)]
    pub throttled_since_boot: Option<bool>,
}

/// The disk with the gateway's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemDisk {
    /// The data directory.
    pub directory: String,
    /// Size of its file system, in bytes.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub bytes: Option<u64>,
    /// What is free there, in bytes.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub free_bytes: Option<u64>,
    /// What the gateway had written to disks since it started, in bytes, as the kernel counts.
    #[schema(required = true)]
    #[ts(type = "number | null")]
    pub written_bytes: Option<u64>,
    /// The memory card below it; null when it is none, or cannot be told.
    #[schema(required = true)]
    pub card: Option<SystemCard>,
}

/// A memory card or soldered flash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemCard {
    /// `SD` or `MMC`, as the kernel says.
    pub kind: String,
    /// The maker's name for it.
    #[schema(required = true)]
    pub name: Option<String>,
    /// How much of its life is used at most, in steps of 10 %; above 100 when it is over. Only flash of the eMMC kind tells.
    #[schema(required = true)]
    pub life_used_percent: Option<u8>,
    /// How many of its spare blocks are used up.
    #[schema(required = true)]
    pub reserve: Option<CardReserveWord>,
}

/// How many spare blocks of a card are used up (JEDEC JESD84-B51, `PRE_EOL_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "CardReserve")]
#[schema(as = CardReserve)]
pub enum CardReserveWord {
    /// Less than 80 %.
    Normal,
    /// At least 80 %.
    Warning,
    /// At least 90 %.
    Urgent,
}

/// The wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemClockState {
    /// The gateway believes it: it was set over the network, or a clock chip agrees.
    pub trusted: bool,
    /// It was set over the network; null when nothing tells.
    #[schema(required = true)]
    pub synchronized: Option<bool>,
    /// The service that sets it, where one was found.
    #[schema(required = true)]
    pub service: Option<String>,
    /// The machine has a clock chip.
    pub chip: bool,
}

/// The broker.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct SystemBroker {
    /// Connected clients.
    pub clients: u64,
    /// Sessions, connected or waiting for their client.
    pub sessions: u64,
    /// Subscriptions, those of the gateway's own parts included.
    pub subscriptions: u64,
    /// Retained messages, `$SYS` included.
    pub retained: u64,
    /// Messages that wait for their clients.
    pub queued: u64,
    /// Messages published since the start.
    pub received: u64,
    /// Messages delivered since the start.
    pub sent: u64,
    /// Messages published in a second, over the last seconds; null right after the start.
    #[schema(required = true)]
    pub received_per_second: Option<f64>,
    /// Messages delivered in a second.
    #[schema(required = true)]
    pub sent_per_second: Option<f64>,
    /// Messages dropped at a limit since the start.
    pub dropped: u64,
    /// Messages refused since the start.
    pub refused: u64,
    /// Log-ins refused since the start.
    pub logins_refused: u64,
    /// Connections closed at once, because there were too many.
    pub connections_refused: u64,
    /// It cannot write to its disk now.
    pub store_failing: bool,
}

/// How the gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemNetwork {
    /// Host names that others in the network can use, the best first.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<SystemAddress>,
    /// The port of the page.
    pub http: u16,
    /// The port of the page with TLS.
    #[schema(required = true)]
    pub https: Option<u16>,
    /// The port of MQTT.
    pub mqtt: u16,
    /// The port of MQTT with TLS.
    #[schema(required = true)]
    pub mqtts: Option<u16>,
    /// What is said over multicast DNS.
    pub discovery: SystemDiscovery,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemAddress {
    /// The address.
    pub address: String,
    /// The interface that has it.
    pub interface: String,
}

/// What is said over multicast DNS, so that others find the gateway by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemDiscovery {
    /// The name with which it answers; null when it says nothing.
    #[schema(required = true)]
    pub host: Option<String>,
    /// The kinds of services that it names, such as `_http._tcp`.
    pub services: Vec<String>,
    /// Why it says nothing; null when it speaks.
    #[schema(required = true)]
    pub silent: Option<DiscoverySilenceWord>,
}

/// Why nothing is said over multicast DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "DiscoverySilence")]
#[schema(as = DiscoverySilence)]
pub enum DiscoverySilenceWord {
    /// It is turned off in the configuration.
    Off,
    /// Nobody but this machine could use what would be found.
    OnlyHere,
    /// It did not work; the log says why.
    Failed,
}

/// What is shown to clients of TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct SystemCertificate {
    /// Names and addresses in it.
    pub names: Vec<String>,
    /// Valid from.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub valid_from: Timestamp,
    /// Valid until. The gateway renews its own in time, and whenever its names change.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub valid_until: Timestamp,
    /// Its SHA-256, in hexadecimal pairs.
    pub sha256: String,
    /// The SHA-256 of the gateway's own authority; null when the certificate comes from elsewhere.
    #[schema(required = true)]
    pub authority_sha256: Option<String>,
}

/// How the gateway comes back after a restart from the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWay {
    /// Its service manager starts it again.
    Service,
    /// It starts itself again.
    Itself,
}

/// Asks for a restart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct RestartRequest {
    /// The word of this run, as `GET /api/v1/system` tells it: nobody restarts twice by sending the same request again.
    pub run: String,
}

/// A restart has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct RestartBegun {
    /// The run that ends; when `GET /api/v1/system` tells another one, the gateway is back.
    pub run: String,
    /// How it comes back.
    pub way: RestartWay,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "LogLevel")]
#[schema(as = LogLevel)]
pub enum LogLevelWord {
    /// Every step.
    Trace,
    /// What somebody who looks for a mistake wants to see.
    Debug,
    /// What happened.
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct LogLine {
    /// Its number in this run, counted from 1.
    #[ts(type = "number")]
    pub id: u64,
    /// When.
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevelWord,
    /// The part of the program that wrote it.
    pub target: String,
    /// The sentence, with what belongs to it.
    pub text: String,
}

/// The last lines of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct LogPage {
    /// The run that they are of: numbers of another run mean other lines.
    pub run: String,
    /// In the order of time.
    pub lines: Vec<LogLine>,
    /// The number to ask on with.
    #[ts(type = "number")]
    pub last: u64,
    /// Lines behind the one asked for that are not kept any more, of any level.
    #[ts(type = "number")]
    pub lost: u64,
}
