//! Whole-system tests against the real binary: one program, so that the binary is built and linked once.

#![expect(clippy::expect_used, reason = "a test fails by panicking, in its helper functions too")]

/// Topics of another scheme, and the configuration of mqtt-io.
mod aliases;
mod alone;
/// Bytes that no well-behaved client sends.
mod backup;
mod bad_input;
/// MQTT clients of other people: mosquitto_sub, paho-mqtt, MQTT.js.
#[cfg(feature = "clients")]
mod clients;
/// The code base keeps its own rules: the floors of the house, the size of files, what each room says of itself.
mod code_base;
/// A command travels from MQTT or the page to an output, and its answer back.
mod command;
/// A broken configuration gets every error with its line, column and a hint.
mod configuration;
/// The configuration is changed at the page: added to, refused, taken back.
mod configuration_page;
/// A power cut: what was promised is still there.
mod crash;
mod disk;
/// The check-up of the machine, and the helper that mends.
mod doctor;
/// Kills under load: nothing acknowledged is lost, nothing comes twice that may not.
mod durability;
mod event_streams;
/// First visit: set-up code, administrator, login, logout, roles.
mod first_visit;
/// A start on a disk that cannot be written: the gateway runs from memory, and keeps nothing.
mod from_memory;
/// History leaves and comes back: export, import, backup, restore.
mod history_files;
/// The page of messages: what passes, what is retained, and what the guard refuses there too.
mod messages;
/// Things go wrong in the simulated house: who says so, and who goes on.
mod mischief;
/// What programs that watch the gateway are told, and that the manual names all of it.
mod monitoring;
/// People and phones from the page: pairing and taking back, tokens, the audit log, strangers' names.
mod people;
/// MQTT beside another program that has the usual port.
mod ports;
/// A reading travels from this machine to the page, to MQTT and to history.
mod reading;
/// What is recorded and what is told of it: topics, events and their reasons, a disk that refuses.
mod recording;
/// Another configuration while the gateway runs.
mod reload;
/// Who may do what over MQTT: users, clients below them, and those without a name.
mod rights;
/// Outputs driven safe without the daemon, after every kind of end; what they do at power-on.
mod safe_outputs;
/// What a service manager is told: ready, alive, stopping.
mod service;
/// What stands in the way of a start is said clearly.
mod start;
/// Stopping under load: in order, in time, with outputs safe.
mod stop;
/// The gateway as a whole: how it is, what it logged, and its restart from the page.
mod system;
/// MQTT with TLS: the gateway's own authority, certificates from elsewhere, and what is wrong with them.
mod tls;
/// Users that are made on the command line, before the first start and later.
mod upgrade_cut;
mod users;
/// The way back after an upgrade.
mod way_back;
/// MQTT over WebSocket on the web port.
mod websocket;
