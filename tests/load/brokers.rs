//! How each broker is configured and started. All of them ask for the same user and password, listen on loopback only,
//! and log errors only.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gatehouse_model::{Clock, SystemClock};
use tempfile::TempDir;

use crate::client::{Client, Memory};
use crate::process::{Process, until};
use crate::throughput::IN_FLIGHT;
use crate::wire::{PASSWORD, USER};

/// Longest time until a broker answers.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Connections that a broker with a limit is told to take: the measurement of memory holds 10,000.
const MOST_CONNECTIONS: usize = 12_000;

/// One of the brokers.
pub(crate) enum Broker {
    /// This broker without the rest of the gateway (`crates/broker/examples/bare_broker.rs`), so that a broker is
    /// compared with brokers, and logins are not slowed down by a password hash that the others do not have.
    Bare(PathBuf),
    /// The whole gateway, `gatehouse run --demo`: only how it starts and what it takes when idle.
    Gatehouse(PathBuf),
    /// Mosquitto.
    Mosquitto(PathBuf),
    /// rumqttd.
    Rumqttd(PathBuf),
}

/// How much a broker has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing beyond the process.
    Memory,
    /// All that it can.
    Disk,
}

impl Broker {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bare(_) => "gatehouse broker",
            Self::Gatehouse(_) => "gatehouse, whole",
            Self::Mosquitto(_) => "mosquitto",
            Self::Rumqttd(_) => "rumqttd",
        }
    }

    /// Whether it is put under load; the whole gateway is only started.
    pub(crate) fn takes_load(&self) -> bool {
        !matches!(self, Self::Gatehouse(_))
    }

    /// Whether it can keep messages beyond the process.
    pub(crate) fn can_keep(&self) -> bool {
        matches!(self, Self::Bare(_) | Self::Mosquitto(_))
    }

    /// The version, as the program says it.
    pub(crate) fn version(&self) -> String {
        let (binary, argument) = match self {
            Self::Gatehouse(binary) => (binary, "--version"),
            Self::Mosquitto(binary) => (binary, "-h"),
            Self::Bare(_) => return "of this source".to_owned(),
            Self::Rumqttd(_) => return "0.20.0".to_owned(),
        };
        let output = Command::new(binary).arg(argument).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or("of unknown version").to_owned()
    }

    /// What a reader must know to compare.
    pub(crate) fn remark(&self) -> &'static str {
        match self {
            Self::Bare(_) => {
                ", without the rest of the gateway; everything in memory but for the durable row"
            }
            Self::Gatehouse(_) => ", `--demo`: simulated house, history and dashboard in the same process",
            Self::Mosquitto(_) => ", persistence off but for the durable row; password file",
            Self::Rumqttd(_) => {
                ", which keeps everything in memory; without its log, which formats a span for every message"
            }
        }
    }

    /// What the durable row says of it when it was not measured.
    pub(crate) fn without_durability(&self) -> &'static str {
        match self {
            Self::Rumqttd(_) => "has none",
            _ => "was not measured",
        }
    }

    fn command(&self, directory: &Path, port: u16, durability: Durability) -> Result<Command, String> {
        match self {
            Self::Bare(binary) => {
                let mut command = Command::new(binary);
                command.args([&format!("127.0.0.1:{port}"), USER, PASSWORD]);
                if durability == Durability::Disk {
                    command.arg(directory.join("broker.db"));
                }
                Ok(command)
            }
            Self::Gatehouse(binary) => gatehouse(binary, directory, port),
            Self::Mosquitto(binary) => mosquitto(binary, durability, directory, port),
            Self::Rumqttd(binary) => rumqttd(binary, directory, port),
        }
    }
}

fn gatehouse(binary: &Path, directory: &Path, port: u16) -> Result<Command, String> {
    let mut add = Command::new(binary);
    add.args(["user", "add", USER, "--role", "admin", "--password-stdin", "--data-dir"]).arg(directory);
    let mut child =
        add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(format!("{PASSWORD}\n").as_bytes()).map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("`gatehouse user add` failed: {status}"));
    }
    let mut command = Command::new(binary);
    command.args(["run", "--demo", "--http", "127.0.0.1:0", "--data-dir"]).arg(directory);
    command.arg("--mqtt").arg(format!("127.0.0.1:{port}"));
    Ok(command)
}

fn mosquitto(binary: &Path, durability: Durability, directory: &Path, port: u16) -> Result<Command, String> {
    let passwords = directory.join("passwords");
    let status =
        Command::new("mosquitto_passwd").arg("-b").arg("-c").arg(&passwords).args([USER, PASSWORD]).status();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Err(format!("`mosquitto_passwd` failed: {status:?}"));
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}",
        passwords.display()
    );
    // As many messages on their way as every broker here may have; no waiting for a packet to fill, which its default
    // does; and no limit of its queue, which with any other value dropped QoS 1 messages although few were under way.
    let _ = writeln!(text, "max_inflight_messages {IN_FLIGHT}\nmax_queued_messages 0\nset_tcp_nodelay true");
    let _ = writeln!(text, "log_dest stderr\nlog_type error\npersistence_location {}/", directory.display());
    match durability {
        Durability::Memory => text.push_str("persistence false\n"),
        // The most that it has: its whole database is written on each change.
        Durability::Disk => {
            text.push_str("persistence true\nautosave_on_changes true\nautosave_interval 1\n");
        }
    }
    // Started as root it would change to its own user, who may not enter this directory.
    if rustix::process::getuid().is_root() {
        text.push_str("user root\n");
    }
    let configuration = directory.join("mosquitto.conf");
    std::fs::write(&configuration, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(binary);
    command.arg("-c").arg(configuration);
    Ok(command)
}

fn rumqttd(binary: &Path, directory: &Path, port: u16) -> Result<Command, String> {
    // The figures of the configuration that its release brings along, but for connections: more of them, and no pause
    // after each.
    let text = format!(
        r#"id = 0

[router]
id = 0
max_connections = {MOST_CONNECTIONS}
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = {IN_FLIGHT}
dynamic_filters = true

[v4.1.connections.auth]
{USER} = "{PASSWORD}"
"#
    );
    let configuration = directory.join("rumqttd.toml");
    std::fs::write(&configuration, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(binary);
    command.arg(configuration);
    Ok(command)
}

/// A broker that answers.
pub(crate) struct Running {
    process: Process,
    address: SocketAddr,
    ready_after: Duration,
    /// Removed at the end, after the process.
    _directory: TempDir,
}

impl Running {
    /// Starts it and waits until a client is logged in.
    pub(crate) fn start(broker: &Broker, durability: Durability) -> Result<Self, String> {
        let explain = |text: String| format!("{}: {text}", broker.name());
        let directory =
            TempDir::with_prefix("gatehouse-bench-").map_err(|error| explain(error.to_string()))?;
        let address = free_address().map_err(|error| explain(error.to_string()))?;
        let mut command = broker.command(directory.path(), address.port(), durability).map_err(explain)?;
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "RUST_LOG"] {
            command.env_remove(name);
        }
        let clock = SystemClock::new();
        let mut process = Process::start(&mut command, &directory.path().join("log")).map_err(explain)?;
        let answered = until(START_LIMIT, || {
            let connected = Client::connect(address, "bench-first", Memory::None).is_ok();
            (connected || process.has_ended()).then_some(connected)
        });
        let ready_after = clock.moment().since_start();
        match answered {
            Some(true) => Ok(Self { process, address, ready_after, _directory: directory }),
            Some(false) => Err(explain(format!("it ended instead of starting\n{}", process.last_words()))),
            None => Err(explain(format!("no answer after {START_LIMIT:?}\n{}", process.last_words()))),
        }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the start of the process to the first login.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    pub(crate) fn stop(self) -> Result<(), String> {
        self.process.stop()
    }
}

/// A port of loopback that nobody uses now.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
