//! The dashboard: what people see of the gateway, and the door that they come in by.
//!
//! Purpose: serve the web app, its HTTP API and its stream of live values to people who are logged in, and keep the
//! accounts that page and MQTT share.
//!
//! Architecture invariant: the dashboard knows the model and no other room. It hears the house as a stream of messages
//! ([`LiveHouse::follow`]) and asks for what it cannot know through [`Commander`] and [`HistoryReader`].
//! MQTT over WebSocket comes in by its port and goes on through [`MqttDoor`], unread.
//!
//! Architecture invariant: the dashboard switches nothing. It sends a command and shows what comes back.
//!
//! Architecture invariant: types that go over the wire live in [`wire`], and nothing inside decides with them.
//!
//! Architecture invariant: nothing but `/health`, the state of the session, log-in, set-up and the files of the web app
//! (which hold no secret) answers without a session or a token; `/mqtt` opens to everybody, since MQTT has a login of its own.

pub mod accounts;
mod api;
mod connection;
mod headers;
mod hosts;
mod insecure;
pub mod live;
mod places;
mod ports;
mod router;
mod serve;
mod web;
mod websocket;
pub mod wire;

pub use accounts::{Accounts, LogIn, Role, User};
pub use live::LiveHouse;
pub use ports::{
    BackupProblem, BackupRoom, BackupUpload, BoardProblem, BoardReader, ByteStream, CommandRefused,
    Commander, ConfigurationKeeper, ConfigurationProblem, DemoFault, DemoHouse, DemoProblem, Doctor,
    DoctorProblem, EventsQuery, ExportFormat, ExportQuery, Figure, FigureKind, FigureSource, GapReason,
    HistoryProblem, HistoryReader, LogQuery, MessageFeed, MessageRoom, MomentValue, MqttClientState,
    MqttClients, MqttConnection, MqttDoor, MqttGone, MqttPlace, MqttRefusal, NamedRights, Outgoing, Ports,
    Reach, RecordedKind, RecordedSeries, RecordedText, RestartRefused, RetainedPart, RowExport, SeriesBefore,
    SeriesGap, SeriesPoint, SeriesQuery, SeriesView, SystemKeeper, TextChange, TextsQuery, TextsView,
    Whereabouts,
};
pub use serve::{DashboardError, Listeners, serve};
pub use wire::{Warning, WarningWord};
