//! The configuration: TOML text in, typed settings or every problem out.
//!
//! Reading never stops at the first mistake. Each finding points at its line and column and says what to do. Nothing
//! here touches the board or a port, so that a configuration can be checked on any machine that has the files of
//! certificates that it names.

mod aliases;
mod backup;
mod board;
mod broker;
mod bus_pins;
mod by_property;
mod chips;
mod conflicts;
mod connections;
mod covers;
mod dashboard;
mod derived;
mod devices;
mod discovery;
mod drivers;
mod file;
mod filters;
mod gateway;
mod history;
mod inputs;
mod kernel;
mod limits;
mod nearest;
mod number_lists;
mod numbering;
mod numbers;
mod outputs;
mod pins;
mod places;
mod problems;
mod quantities;
mod rights;
mod section;
mod signals;
mod streams;
mod terms;
#[cfg(test)]
mod tests;
mod tls;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use gatehouse_board::BoardOptions;
use gatehouse_board::config::DeviceConfig;
use gatehouse_broker::Settings;
use gatehouse_history::Options;
use gatehouse_model::Scheme;
use toml_edit::Document;

use dashboard::Dashboard;
pub(crate) use file::{Source, load_file};
pub(crate) use nearest::nearest;
use problems::{Finding, Findings};
pub(crate) use problems::{Paint, Problems, ShownFinding};
use section::Section;

use crate::aliases::Alias;
use crate::backup::schedule::Schedule;
use crate::rights::RightsSets;
use crate::tls::{Name, TlsSettings};

/// Largest configuration file. A house with the most devices that can be served needs a tenth of it; what is larger is
/// some other file.
pub(crate) const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Where the dashboard listens when the configuration says nothing: on every address of the machine, of IPv6 and IPv4.
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080);

/// Where the broker listens when the configuration says nothing.
const DEFAULT_MQTT: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 1883);

/// The port of the page with TLS: 443 needs rights that the gateway does without.
const HTTPS_PORT: u16 = 8443;

/// The port of MQTT with TLS, as registered with IANA (`secure-mqtt`).
const MQTTS_PORT: u16 = 8883;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The text that all of it was read from.
    pub(crate) text: String,
    pub(crate) gateway: Gateway,
    /// The board, and where its files are.
    pub(crate) board: BoardOptions,
    /// Where the dashboard listens.
    pub(crate) http: SocketAddr,
    /// Where it listens with TLS.
    pub(crate) https: SecureListen,
    /// Under which names the page answers, and whose pages speak MQTT.
    pub(crate) dashboard: Dashboard,
    /// Whether the gateway says over multicast DNS what it serves.
    pub(crate) mdns: bool,
    /// Where the MQTT broker listens.
    pub(crate) mqtt: SocketAddr,
    /// Whether somebody asked for just that: else another port will do where another program has it.
    pub(crate) mqtt_asked: bool,
    /// Where it listens with TLS.
    pub(crate) mqtts: SecureListen,
    /// Certificates.
    pub(crate) tls: TlsSettings,
    pub(crate) history: Options,
    /// Backups that are made by themselves.
    pub(crate) backup: Option<Schedule>,
    pub(crate) broker: BrokerConfig,
    /// What users, clients and anonymous clients may be allowed, by name.
    pub(crate) rights: RightsSets,
    /// The devices, in the order of the file.
    pub(crate) devices: Vec<DeviceConfig>,
    /// Values under topics of other schemes.
    pub(crate) aliases: Vec<Alias>,
    /// What is allowed but worth a second thought.
    pub(crate) warnings: Problems,
}

/// How the broker serves its clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BrokerConfig {
    /// The rights set of clients that give neither a name nor a password; without it they are refused.
    pub(crate) anonymous: Option<String>,
    /// Its limits.
    pub(crate) settings: Settings,
}

/// What the gateway is called, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gateway {
    /// Its name for people.
    pub(crate) name: String,
    /// The topics below its base.
    pub(crate) scheme: Scheme,
    /// Its time zone as the IANA database names it, such as `Europe/Madrid`.
    pub(crate) time_zone: Option<String>,
    /// Where it stands on Earth.
    pub(crate) location: Option<Location>,
}

/// A place on Earth, in degrees; north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Location {
    /// -90 to 90.
    pub(crate) latitude: f64,
    /// -180 to 180.
    pub(crate) longitude: f64,
}

impl Config {
    /// The same configuration with the addresses of the command line, where it gives any.
    #[must_use]
    pub(crate) fn with_addresses(self, given: Addresses) -> Self {
        Self {
            http: given.http.unwrap_or(self.http),
            mqtt: given.mqtt.unwrap_or(self.mqtt),
            mqtt_asked: self.mqtt_asked || given.mqtt.is_some(),
            https: given.https.map_or(self.https, SecureListen::At),
            mqtts: given.mqtts.map_or(self.mqtts, SecureListen::At),
            ..self
        }
    }

    /// The sections in which another configuration differs, as the file names them; devices are not among them, nor are the
    /// gateway's name and place, which hold at once.
    pub(crate) fn sections_that_differ(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("[gateway]", self.gateway.scheme == other.gateway.scheme),
            ("[board]", self.board == other.board),
            ("[http]", self.http == other.http),
            ("[https]", self.https == other.https),
            ("[dashboard]", self.dashboard == other.dashboard),
            ("[discovery]", self.mdns == other.mdns),
            ("[mqtt]", self.mqtt == other.mqtt),
            ("[mqtts]", self.mqtts == other.mqtts),
            ("[tls]", self.tls == other.tls),
            ("[history]", self.history == other.history),
            ("[backup]", self.backup == other.backup),
            ("[broker]", self.broker == other.broker),
            ("[rights]", self.rights == other.rights),
            ("[[alias]]", self.aliases == other.aliases),
        ];
        same.into_iter().filter(|(_, is_same)| !is_same).map(|(section, _)| section).collect()
    }

    /// The names of this machine beside those that it knows itself: those of the configuration, and the one with which it
    /// answers over multicast DNS.
    pub(crate) fn all_names(&self) -> Vec<Name> {
        let announced = self.mdns.then(|| Name::Host(format!("{}.local", crate::host_label::host_label())));
        self.tls.names.iter().cloned().chain(announced).collect()
    }

    /// Where the broker listens with TLS, if it does, and whether somebody asked for just that.
    pub(crate) fn mqtts_address(&self) -> Option<(SocketAddr, bool)> {
        self.mqtts.address(self.mqtt, MQTTS_PORT)
    }

    /// Where the dashboard listens with TLS, likewise.
    pub(crate) fn https_address(&self) -> Option<(SocketAddr, bool)> {
        self.https.address(self.http, HTTPS_PORT)
    }
}

/// Addresses that the command line gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) mqtt: Option<SocketAddr>,
    pub(crate) mqtts: Option<SocketAddr>,
}

/// Where a listener with TLS is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SecureListen {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
    /// Nobody said where: at the same address as the one without TLS, so that a broker that is kept to this machine stays
    /// so, with the usual port, or any port where that one has any.
    #[default]
    BesidePlain,
}

impl SecureListen {
    /// The address, beside the one without TLS at `plain`, and whether somebody asked for just that.
    fn address(self, plain: SocketAddr, usual_port: u16) -> Option<(SocketAddr, bool)> {
        match self {
            Self::Off => None,
            Self::At(address) => Some((address, true)),
            Self::BesidePlain => {
                let port = if plain.port() == 0 { 0 } else { usual_port };
                Some((SocketAddr::new(plain.ip(), port), false))
            }
        }
    }
}

/// The commented configuration that is written at the first start.
pub(crate) const fn default_text() -> &'static str {
    include_str!("default.toml")
}

/// Reads a configuration. `file_name` is how problems call the file.
///
/// # Errors
/// Every problem of the text, and its warnings. Of a text that is no TOML only the first mistake can be told, and it
/// says so.
pub(crate) fn load(text: &str, file_name: &str) -> Result<Config, Problems> {
    let mut findings = Findings::default();
    let directory = Path::new(file_name).parent().unwrap_or_else(|| Path::new(""));
    let config = read(text, directory, &mut findings);
    let problems = findings.into_problems(text, file_name);
    match config {
        Some(config) if problems.errors() == 0 => Ok(Config { warnings: problems, ..config }),
        _ => Err(problems),
    }
}

/// What the outputs of a configuration are, whatever else is wrong with it.
pub(crate) struct Salvaged {
    pub(crate) board: BoardOptions,
    pub(crate) devices: Vec<DeviceConfig>,
}

/// Reads the board and the devices of a text that may have mistakes; those that make no sense are left out. Nothing when
/// it is no TOML at all.
pub(crate) fn salvage(text: &str) -> Option<Salvaged> {
    let document = Document::parse(text).ok()?;
    let mut ignored = Findings::default();
    let mut root = Section::new(document.as_table(), 0..0, String::new());
    let board = board::read(root.table("board", &mut ignored), &mut ignored);
    let numbering = numbering::Numbering::of(board.chip.as_deref());
    let devices = devices::read(text, &mut root, &numbering, &mut ignored);
    Some(Salvaged { board, devices })
}

/// Settings as far as they can be read; they are good when no error was found.
fn read(text: &str, directory: &Path, findings: &mut Findings) -> Option<Config> {
    if text.len() > MAX_FILE_BYTES {
        findings.push(Finding::error(
            None,
            format!("the file has {} bytes, but a configuration has at most {MAX_FILE_BYTES}", text.len()),
            "check that this is the right file",
        ));
        return None;
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            findings.push(syntax_error(text, &error));
            return None;
        }
    };
    let mut root = Section::new(document.as_table(), 0..0, String::new());
    let gateway = gateway::read(root.table("gateway", findings), findings);
    let board = board::read(root.table("board", findings), findings);
    let (http, _) = gateway::listen(root.table("http", findings), "[http]", DEFAULT_HTTP, findings);
    let https_default = SocketAddr::new(DEFAULT_HTTP.ip(), HTTPS_PORT);
    let https = tls::read_https(root.table("https", findings), https_default, findings);
    let dashboard = dashboard::read(root.table("dashboard", findings), findings);
    let mdns = discovery::read(root.table("discovery", findings), findings);
    let (mqtt, mqtt_asked) = gateway::listen(root.table("mqtt", findings), "[mqtt]", DEFAULT_MQTT, findings);
    let default = SocketAddr::new(DEFAULT_MQTT.ip(), MQTTS_PORT);
    let (mqtts, tls) = (root.table("mqtts", findings), root.table("tls", findings));
    let (mqtts, tls) = tls::read(mqtts, tls, default, directory, findings);
    let history = history::read(root.table("history", findings), findings);
    let backup = backup::read(root.table("backup", findings), findings);
    let rights = rights::read(root.table("rights", findings), findings);
    let broker = broker::read(root.table("broker", findings), &rights, findings);
    let numbering = numbering::Numbering::of(board.chip.as_deref());
    let devices = devices::read(text, &mut root, &numbering, findings);
    let scheme = gateway.as_ref().map(|gateway| &gateway.scheme);
    let aliases = aliases::read(&mut root, scheme, &devices, findings);
    root.finish("the file", findings);
    gateway.map(|gateway| Config {
        text: text.to_owned(),
        gateway,
        board,
        http,
        https,
        dashboard,
        mdns,
        mqtt,
        mqtt_asked,
        mqtts,
        tls,
        history,
        backup,
        broker,
        rights,
        devices,
        aliases,
        warnings: Problems::default(),
    })
}

/// The parser stops at the first mistake in the grammar, so what follows it is not known yet.
fn syntax_error(text: &str, error: &toml_edit::TomlError) -> Finding {
    let message = error.message();
    let hint = if message.contains("must be quoted") {
        "put texts in quotes, for example name = \"Kitchen\""
    } else if message.contains("duplicate key") {
        "this name is already used above: remove one of the two, and write [[device]] for each device"
    } else if message.contains("basic string") || message.contains("literal string") {
        "close the text with the quote that it begins with"
    } else if message.contains("unclosed table") {
        "close the bracket: [gateway] for a table, [[device]] for each device"
    } else if message.contains("expected `=`") {
        "write a setting as name = value"
    } else {
        "see https://toml.io for how a TOML file is written"
    };
    Finding::error(
        error.span().map(|span| span.start.min(text.len())..span.end.min(text.len())),
        format!("this is not TOML: {message}"),
        format!("{hint}. What follows can only be checked once this is mended"),
    )
}
