//! What the dashboard needs from the rest of the house.

mod backup;
mod configuration;
mod doctor;
mod messages;
mod people;
mod system;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gatehouse_model::{Clock, DeviceId, PropertyId, Quality, Randomness, Timestamp, Value};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::{Board, BoardScan, Catalogue, EventKindWord, HistoryEvent, HistoryStatus, Probes};
use crate::{Accounts, LiveHouse};

pub use backup::{BackupProblem, BackupRoom, BackupUpload};
pub use configuration::{ConfigurationKeeper, ConfigurationProblem, TextChange};
pub use doctor::{Doctor, DoctorProblem};
pub use messages::{MessageFeed, MessageRoom, Outgoing, RetainedPart};
pub use people::{MqttClientState, MqttClients, MqttConnection, MqttGone, NamedRights, Reach, Whereabouts};
pub use system::{LogQuery, RestartRefused, SystemKeeper};

/// Everything that [`crate::serve`] works with.
pub struct Ports {
    /// Who may come in.
    pub accounts: Accounts,
    /// The latest of everything.
    pub live: LiveHouse,
    /// Where commands go.
    pub commander: Arc<dyn Commander>,
    /// Who knows the board.
    pub board: Arc<dyn BoardReader>,
    /// Who keeps the configuration.
    pub configuration: Arc<dyn ConfigurationKeeper>,
    /// Who looks at the machine and has it mended.
    pub doctor: Arc<dyn Doctor>,
    /// Who makes backups and puts them back.
    pub backups: Arc<dyn BackupRoom>,
    /// Where charts come from.
    pub history: Arc<dyn HistoryReader>,
    /// Who knows how the rooms are.
    pub figures: Arc<dyn FigureSource>,
    /// Who knows the clients of the broker.
    pub mqtt_clients: Arc<dyn MqttClients>,
    /// Who knows the messages of the broker.
    pub messages: Arc<dyn MessageRoom>,
    /// Who knows how the gateway is called.
    pub whereabouts: Arc<dyn Whereabouts>,
    /// Who knows the gateway as a whole.
    pub system: Arc<dyn SystemKeeper>,
    /// Where MQTT clients go that come by WebSocket.
    pub mqtt_door: Arc<dyn MqttDoor>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where command ids and session tokens come from.
    pub randomness: Arc<dyn Randomness>,
    /// The demonstration house to play with, when this is one.
    pub demo: Option<Arc<dyn DemoHouse>>,
    /// The port where MQTT is really served, for the page to show.
    pub mqtt_port: u16,
    /// The command that shows the set-up code, as somebody types it on the gateway: `gatehouse setup-code`, with the
    /// option for the data directory when that is not the default one.
    pub setup_hint: String,
    /// Why nothing that is changed can be kept, in a sentence for people: such changes are refused. Nothing when it can.
    pub nothing_is_kept: Option<String>,
    /// The certificate of the gateway's own authority (PEM), when it has one, for people to install.
    pub ca_certificate: Option<String>,
}

/// Sends commands into the house.
#[async_trait]
pub trait Commander: Send + Sync {
    /// Publishes `payload` (JSON with `value`, `id` and perhaps `for`) on the set topic of a property, in the name of
    /// the person `user` at the page. Done when the broker has taken it: the outcome comes later as a result message.
    ///
    /// # Errors
    /// When the command was refused at the door, with the reason.
    async fn send(
        &self,
        user: &str,
        device: &DeviceId,
        property: &PropertyId,
        payload: Bytes,
    ) -> Result<(), CommandRefused>;
}

/// A command that was not even taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CommandRefused {
    /// Why, in a sentence for people.
    pub reason: String,
}

/// Knows the board and what is connected to it, in the words of the API.
#[async_trait]
pub trait BoardReader: Send + Sync {
    /// The board as it is now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    async fn board(&self) -> Result<Board, BoardProblem>;

    /// Looks at everything that is connected, without setting anything. It takes some seconds.
    ///
    /// # Errors
    /// When that fails as a whole. What is wrong with one bus is told there.
    async fn scan(&self) -> Result<BoardScan, BoardProblem>;

    /// What the thermometers on the 1-Wire buses show. It takes some seconds unless they were read just now; who asks while they
    /// are read gets what they showed last.
    ///
    /// # Errors
    /// When that fails as a whole. What is wrong with one thermometer is told there.
    async fn probes(&self) -> Result<Probes, BoardProblem>;

    /// Every chip that is driven.
    fn catalogue(&self) -> Catalogue;
}

/// The board could not be looked at. What stands in the way is logged, and not shown to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board cannot be looked at: {0}")]
pub struct BoardProblem(pub String);

/// The simulated house, as somebody who plays with it sees it.
pub trait DemoHouse: Send + Sync {
    /// Lets something go wrong with a device, after what was wrong with it was put right; nothing only puts it right.
    ///
    /// # Errors
    /// When this cannot happen to it.
    fn set_fault(&self, device: &DeviceId, fault: Option<DemoFault>) -> Result<(), DemoProblem>;

    /// Opens or closes a contact, and the like.
    ///
    /// # Errors
    /// When the device is no input.
    fn set_input(&self, device: &DeviceId, on: bool) -> Result<(), DemoProblem>;

    /// Lets somebody hold a thermometer of 1-Wire in a hand, which warms it by about so many degrees, or cools it. It is named by its
    /// device or by its number.
    ///
    /// # Errors
    /// When there is no such thermometer, or it would be too much.
    fn warm(&self, thermometer: &str, degrees: f64) -> Result<(), DemoProblem>;

    /// Turns a knob by so many detents, counter-clockwise when negative.
    ///
    /// # Errors
    /// When the device is no knob.
    fn turn(&self, device: &DeviceId, detents: i32) -> Result<(), DemoProblem>;
}

/// What is the matter with a device of the simulated house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoFault {
    /// It is unplugged.
    Vanished,
    /// It holds its bus.
    StuckBus,
    /// What it sends arrives with a wrong bit.
    Damaged,
    /// Another chip answers at its address.
    WrongChip,
    /// Each of its transfers takes so long.
    Slow(Duration),
    /// Its pin keeps the voltage that it has.
    StuckPin,
}

/// Why something cannot be done to a device of the simulated house, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DemoProblem(pub String);

/// Knows figures of the house besides those that the dashboard has itself.
#[async_trait]
pub trait FigureSource: Send + Sync {
    /// The figures now. What cannot be read is left out.
    async fn figures(&self) -> Vec<Figure>;
}

/// A figure with its name in Prometheus' words.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Letters, digits and underscores, with the unit at the end.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: FigureKind,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// Its values: one, or one for each content of a label.
    pub samples: Vec<(Option<(&'static str, &'static str)>, f64)>,
}

/// How a figure behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    /// It only grows, until the gateway starts again.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Takes in MQTT clients that come by WebSocket.
#[async_trait]
pub trait MqttDoor: Send + Sync {
    /// Takes a place for a client from `peer`, whose connection is about to become a WebSocket.
    ///
    /// # Errors
    /// When there is none.
    async fn admit(&self, peer: SocketAddr) -> Result<Box<dyn MqttPlace>, MqttRefusal>;
}

/// A place for one MQTT client, taken until it is served or dropped.
#[async_trait]
pub trait MqttPlace: Send {
    /// Serves the client on a stream of its MQTT packets. Done when the connection has ended, or has to end: whoever
    /// takes clients in ends them also when it stops.
    async fn serve(self: Box<Self>, stream: &mut dyn ByteStream);
}

/// Bytes in and bytes out.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// Why an MQTT client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MqttRefusal {
    /// There are too many already, in all or from this address.
    #[error("The gateway has as many MQTT connections as it takes")]
    Full,
    /// MQTT is not served any more.
    #[error("The gateway stops")]
    Stopped,
}

/// Reads what was recorded.
#[async_trait]
pub trait HistoryReader: Send + Sync {
    /// The recorded values of a property, in at most `query.points` steps.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn range(&self, query: SeriesQuery) -> Result<SeriesView, HistoryProblem>;

    /// The recorded texts of a property, at most `query.limit`.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn texts(&self, query: TextsQuery) -> Result<TextsView, HistoryProblem>;

    /// What was known of every series at a moment, in the order of their names.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn as_of(&self, at: Timestamp) -> Result<Vec<MomentValue>, HistoryProblem>;

    /// Every series that was ever recorded, in the order of their names.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn series(&self) -> Result<Vec<RecordedSeries>, HistoryProblem>;

    /// Begins an export.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn export(&self, query: ExportQuery) -> Result<Box<dyn RowExport>, HistoryProblem>;

    /// What happened, in the words of the API, the newest first.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn events(&self, query: EventsQuery) -> Result<Vec<HistoryEvent>, HistoryProblem>;

    /// How the recording is, in the words of the API.
    ///
    /// # Errors
    /// See [`HistoryProblem`].
    async fn status(&self) -> Result<HistoryStatus, HistoryProblem>;
}

/// Which events are asked for. What is not said does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    /// Start, inclusive.
    pub from: Option<Timestamp>,
    /// End, exclusive.
    pub to: Option<Timestamp>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<EventKindWord>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// With this text somewhere in it.
    pub contains: Option<String>,
    /// Those that stand behind the event with this number.
    pub before_id: Option<i64>,
    /// Most events of the answer, at least one.
    pub limit: u32,
}

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportQuery {
    /// Names of series, with `*` and `?` for any characters; none means all.
    pub patterns: Vec<String>,
    /// Start, inclusive; nothing for the first that was recorded.
    pub from: Option<Timestamp>,
    /// End, exclusive; nothing for the last that was recorded.
    pub to: Option<Timestamp>,
    /// How rows are written.
    pub format: ExportFormat,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// The line protocol of InfluxDB.
    Influx,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Influx];

    /// The word for it, which is also the end of a file's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Influx => "influx",
        }
    }

    /// What HTTP calls it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Influx => "text/plain; charset=utf-8",
        }
    }
}

/// An export under way. Between two calls nothing is held open in the database.
#[async_trait]
pub trait RowExport: Send {
    /// The next bytes of the file, some hundred kilobytes; nothing at its end.
    ///
    /// # Errors
    /// See [`HistoryProblem`]. The file is not whole then.
    async fn next(&mut self) -> Result<Option<Bytes>, HistoryProblem>;
}

/// What a chart asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Whose values.
    pub device: DeviceId,
    /// Which of its values.
    pub property: PropertyId,
    /// Start, inclusive.
    pub from: Timestamp,
    /// End, exclusive; later than `from`.
    pub to: Timestamp,
    /// Most points of the answer, at least one.
    pub points: u32,
}

/// The recorded values of one property.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesView {
    /// The time that one point stands for.
    pub bucket: Duration,
    /// When the recording of this property began; nothing when it has not yet.
    pub recording_since: Option<Timestamp>,
    /// The last value before the start, so that a switch that changed yesterday has a chart today; nothing when none
    /// was recorded, or it does not hold any more.
    pub before: Option<SeriesBefore>,
    /// In the order of time. Times in which nothing is known have no point: gaps are gaps.
    pub points: Vec<SeriesPoint>,
    /// The stretches in which nothing is known although something was before, in the order of time.
    pub gaps: Vec<SeriesGap>,
}

/// A stretch of time in which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesGap {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Why.
    pub why: GapReason,
}

/// Why nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The device fell silent.
    Silent,
    /// The gateway did not record.
    Outage,
    /// What was recorded cannot be read.
    Damaged,
}

/// What texts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextsQuery {
    /// Whose texts.
    pub device: DeviceId,
    /// Which of its values.
    pub property: PropertyId,
    /// Start, inclusive.
    pub from: Timestamp,
    /// End, exclusive; later than `from`.
    pub to: Timestamp,
    /// Most texts of the answer, at least one.
    pub limit: u32,
}

/// The recorded texts of one property.
#[derive(Clone, Debug, PartialEq)]
pub struct TextsView {
    /// When the recording of its texts began; nothing when it has not yet.
    pub recording_since: Option<Timestamp>,
    /// The text that holds at the start.
    pub before: Option<RecordedText>,
    /// In the order of time.
    pub texts: Vec<RecordedText>,
    /// The stretches in which nothing is known although something was before, in the order of time.
    pub gaps: Vec<SeriesGap>,
    /// There are more than asked for.
    pub more: bool,
}

/// A text and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedText {
    /// Since when.
    pub at: Timestamp,
    /// The text.
    pub text: Arc<str>,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// What was known of a series at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentValue {
    /// `device/property`, or `topic:` and a whole topic.
    pub series: String,
    /// The unit of its numbers, where it is known.
    pub unit: Option<Arc<str>>,
    /// What held.
    pub value: Value,
    /// Since when.
    pub at: Timestamp,
    /// How far it could be trusted.
    pub quality: Quality,
}

/// A series that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedSeries {
    /// `device/property`, or `topic:` and a whole topic.
    pub series: String,
    /// What its values are.
    pub kind: RecordedKind,
    /// The unit of its numbers, where it is known.
    pub unit: Option<Arc<str>>,
    /// When its recording began.
    pub since: Timestamp,
    /// The last that was recorded; nothing when all was given up.
    pub last: Option<Timestamp>,
}

/// What the recorded values of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedKind {
    /// Numbers.
    Number,
    /// On and off.
    Switch,
    /// Words.
    Text,
}

/// The last recorded value before the start of a chart; on is 1 and off is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesBefore {
    /// When it was true.
    pub at: Timestamp,
    /// The value, in the property's unit.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// What was recorded in one stretch of time; on is 1 and off is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesPoint {
    /// Start of the stretch.
    pub at: Timestamp,
    /// Least value, in the property's unit.
    pub min: f64,
    /// Mean over the time in which the value is known, in the property's unit.
    pub mean: f64,
    /// Greatest value, in the property's unit.
    pub max: f64,
    /// Last value, in the property's unit.
    pub last: f64,
    /// Number of values.
    pub count: u32,
    /// The worst quality among them.
    pub quality: Quality,
    /// There is no value of its own, and an earlier one holds unchanged.
    pub held: bool,
}

/// Why the history did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryProblem {
    /// The asked range is none that the history can answer, in a sentence for people, who get to see it.
    #[error("{0}")]
    InvalidRange(String),
    /// As many questions as the history takes at a time wait already.
    #[error("the history answers other questions already")]
    Busy,
    /// The answer would take longer than the history allows one question.
    #[error("the question about the history takes too long")]
    TooLong,
    /// The history cannot be read. What stands in the way is logged, and not shown to people.
    #[error("the history cannot be read: {0}")]
    Broken(String),
}
