//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gatehouse_history::formats::Format;

use crate::config::Addresses;

/// Turns a Raspberry Pi into a home-automation gateway.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway: broker, bridge, history and dashboard.
    Run(RunArguments),
    /// Check a configuration: every problem with its line, column and a hint. Exits with 78 when there is one.
    Check {
        /// The configuration to check.
        #[arg(default_value = crate::paths::DEFAULT_CONFIGURATION)]
        file: PathBuf,
    },
    /// Look at this machine and tell what stands in the gateway's way: ports in use, buses that are switched off, missing
    /// rights, the clock, the disk, the power supply. Exits with 1 when there is a problem.
    Doctor(DoctorArguments),
    /// Do one word of a closed list with the rights of root, for the page. systemd starts it (gatehouse-mend.socket).
    #[command(hide = true)]
    Mend,
    /// Drive every output to its safe level without the daemon, as after each end of the service. It knows the outputs from
    /// what the daemon last ran with. Exits with 1 when one could not be driven.
    SafeOutputs(SafeOutputsArguments),
    /// Hold outputs as they are while the package restarts the daemon, for a minute at most. systemd starts it
    /// (gatehouse-hold@.service).
    #[command(hide = true)]
    HoldOutputs(HoldOutputsArguments),
    /// Tell what the configured outputs do between power-on and the start of the gateway, and which pins would be better.
    Pins(PinsArguments),
    /// Convert the configuration of another program, or import rows into the history.
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Show the board's pins with their owners, and what is connected to its buses. It only reads, and a running gateway
    /// is not disturbed: the kernel lets both take turns.
    Scan {
        /// As JSON, in the words of the HTTP API.
        #[arg(long)]
        json: bool,
        /// Also look at buses that are not on the header: those of screens (HDMI) and of the mainboard.
        #[arg(long)]
        all: bool,
        /// The configuration with the devices that are known already. Without it the installed one, if there is one.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List the chips that can be connected, or show one with its wiring and its settings.
    Catalogue {
        /// The chip's word in the configuration, such as bme280.
        word: Option<String>,
    },
    /// Manage the users of the page and of MQTT, with or without a running gateway.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Manage the MQTT clients of users, each with a password and rights of its own, with or without a running gateway.
    Client {
        #[command(subcommand)]
        command: ClientCommand,
    },
    /// Write what was recorded, for other programs. The gateway may run meanwhile.
    Export(ExportArguments),
    /// Write everything that the gateway has kept into one file: history, accounts, what the broker keeps, certificates and
    /// the configuration. The gateway may run meanwhile.
    Backup(BackupArguments),
    /// Put the files of a backup into their places, once all of them are known to be good. The gateway must not run. What was
    /// there before is kept aside.
    Restore(RestoreArguments),
    /// Put the copy of before the last upgrade back, for an older release that cannot use what the newer one made of the data.
    /// It says what is lost, and asks. The gateway must not run. What is replaced is kept aside.
    Rollback(RollbackArguments),
    /// Let the release of before an upgrade run again when the newer one does not start. systemd starts it
    /// (gatehouse-fallback@.service).
    #[command(hide = true)]
    FallBack(FallBackArguments),
    /// Print the code that the page asks for on the first visit.
    SetupCode {
        #[command(flatten)]
        data: DataArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The configuration. It is made at the first start.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// A simulated board beside this machine's own sensors: with the demonstration house, or with the devices of the
    /// configuration that --config names.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Where the dashboard listens, for example [::]:8080; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
    /// Where the dashboard listens with TLS, for example [::]:8443; port 0 picks a free one. Without it, and without an
    /// address in the configuration, it is the address of --http with port 8443, or with a free one where that has port 0.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) https: Option<SocketAddr>,
    /// Where the MQTT broker listens, for example [::]:1883; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mqtt: Option<SocketAddr>,
    /// Where the MQTT broker listens with TLS, for example [::]:8883; port 0 picks a free one. Without it, and without an
    /// address in the configuration, it is the address of --mqtt with port 8883, or with a free one where that has port 0.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mqtts: Option<SocketAddr>,
}

impl RunArguments {
    /// The addresses to listen on, where they are given.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses { http: self.http, https: self.https, mqtt: self.mqtt, mqtts: self.mqtts }
    }
}

#[derive(Debug, Args)]
pub(crate) struct HoldOutputsArguments {
    /// Where it listens.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) socket: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SafeOutputsArguments {
    /// The configuration, for when no daemon has run yet.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// Hold the lines until this is stopped: on a kernel that makes outputs inputs when nobody holds them, only their pull
    /// is left otherwise.
    #[arg(long)]
    pub(crate) hold: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// As JSON, in the words of the HTTP API.
    #[arg(long, conflicts_with = "mend")]
    pub(crate) json: bool,
    /// Mend what can be mended: it says what it will do, file by file and command by command, and asks. It needs root.
    /// With words, only these: enable-i2c, enable-spi, enable-serial, enable-one-wire-4 (with the number of the GPIO),
    /// enable-memory-limit, groups, stop-mosquitto, stop-pigpiod.
    #[arg(long, value_name = "WORD", num_args = 0..)]
    pub(crate) mend: Option<Vec<String>>,
    /// Do not ask.
    #[arg(long, requires = "mend")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Where to write it; there must be no file of this name yet. Without it, gatehouse- and the time in this directory.
    pub(crate) file: Option<PathBuf>,
    /// The configuration that goes with it.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    /// Encrypt it with the passphrase in the first line of this file; - is standard input. The `age` tool opens it as well.
    #[arg(long, value_name = "FILE", required_unless_present = "plain")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Do not encrypt it: whoever has the file has the password hashes and private keys in it.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The backup.
    pub(crate) file: PathBuf,
    /// Where its passphrase is, in the first line; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Take the configuration of the backup as well: checked first, and the one in use is kept among its versions.
    #[arg(long)]
    pub(crate) with_configuration: bool,
    /// The configuration that is in use.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The configuration that is in use.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where drop-ins of the service are.
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system/gatehouse.service.d", hide = true)]
    pub(crate) drop_ins: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct FallBackArguments {
    /// The configuration of the service.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// Where the program of before the upgrade is kept.
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/gatehouse/previous")]
    pub(crate) previous: PathBuf,
    /// The program that was installed.
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/gatehouse")]
    pub(crate) program: PathBuf,
    /// The unit that has failed.
    #[arg(long, value_name = "UNIT", default_value = "gatehouse.service")]
    pub(crate) unit: String,
    /// Where drop-ins of the unit are.
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system/gatehouse.service.d")]
    pub(crate) drop_ins: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PinsArguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    /// Write the lines that drive the outputs safe at power-on into the firmware's config.txt, between two marks; the file
    /// as it was before the gateway's changes is kept beside it. They take effect at the next start of the machine.
    #[arg(long)]
    pub(crate) write: bool,
    /// The firmware's file, where it is neither /boot/firmware/config.txt nor /boot/config.txt.
    #[arg(long, value_name = "FILE")]
    pub(crate) config_txt: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// Where accounts and history are kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Convert a configuration of mqtt-io. The result is printed; what cannot be converted stays in it as a comment.
    MqttIo {
        /// mqtt-io's configuration, in YAML.
        file: PathBuf,
        /// Keep mqtt-io's topics beside those of the gateway, so that everything that listens to them goes on.
        #[arg(long)]
        aliases: bool,
        /// Write it to this file, which must not be there yet, instead of printing it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Import rows into the history: what `gatehouse export` wrote, or a file with the columns time, topic and value. Rows of a
    /// time that is recorded already change nothing. The gateway must not run.
    History(ImportHistoryArguments),
    /// Import the states of a Home Assistant's recorder (home-assistant_v2.db) into the history. The gateway must not run.
    HomeAssistant(ImportHomeAssistantArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ImportHistoryArguments {
    /// The files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How they are written, where the ends of their names do not say.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatArgument>,
    /// The configuration, which has the base topic: topics of properties become these properties.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ImportHomeAssistantArguments {
    /// The recorder's database; it is only read, and may be in use.
    pub(crate) file: PathBuf,
    /// Which series an entity is, as in sensor.kitchen_temperature=kitchen/temperature. Others become the topic
    /// homeassistant/DOMAIN/NAME.
    #[arg(long, value_name = "ENTITY=SERIES")]
    pub(crate) map: Vec<String>,
    /// Import the statistics of hours in the place of the states: mean, min and max, or state and sum, each as a series of its
    /// own below the entity's topic. In --map they are ENTITY:mean and so on.
    #[arg(long)]
    pub(crate) statistics: bool,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The first moment, such as 2026-11-21T09:14:00Z or 2026-11-21; everything from the beginning unless given.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// The first moment that is left out; everything to the end unless given.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only these series, such as kitchen/temperature, 'kitchen/*' or 'topic:*'; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub(crate) series: Vec<String>,
    /// How rows are written. Without it the end of the file's name says so, else it is csv.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatArgument>,
    /// Write them to this file, which must not be there yet, and not to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

/// A format of rows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatArgument {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// The line protocol of InfluxDB; it can only be written.
    Influx,
}

impl From<FormatArgument> for Format {
    fn from(argument: FormatArgument) -> Self {
        match argument {
            FormatArgument::Csv => Self::Csv,
            FormatArgument::Jsonl => Self::JsonLines,
            FormatArgument::Parquet => Self::Parquet,
            FormatArgument::Influx => Self::Influx,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user.
    Add {
        /// The user's name.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: RoleArgument,
        #[command(flatten)]
        password: PasswordArguments,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Give a user another password.
    Passwd {
        /// The user's name.
        name: String,
        #[command(flatten)]
        password: PasswordArguments,
        #[command(flatten)]
        data: DataArguments,
    },
    /// List the users and their roles.
    List {
        #[command(flatten)]
        data: DataArguments,
    },
    /// Give a user another role.
    Role {
        /// The user's name.
        name: String,
        /// What the user may do from now on.
        #[arg(value_enum)]
        role: RoleArgument,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Give a user other rights over MQTT. A running gateway lets them hold within 5 seconds.
    Rights {
        /// The user's name.
        name: String,
        /// The rights set: admin, operator, viewer, or one of the configuration. Without one, that of the user's role.
        set: Option<String>,
        #[command(flatten)]
        config: ConfigurationArguments,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Remove a user, with the clients below.
    Remove {
        /// The user's name.
        name: String,
        #[command(flatten)]
        data: DataArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Add a client. Without --password-stdin it gets a random password, which is printed this one time.
    Add {
        /// The user and the client's name: USER/CLIENT.
        name: ClientName,
        /// What it may do, as far as its user may: admin, operator, viewer, or a rights set of the configuration.
        #[arg(long, value_name = "SET")]
        rights: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        config: ConfigurationArguments,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Give a client another password: its connections are closed. Without --password-stdin it is a random one, which is
    /// printed this one time.
    Passwd {
        /// The user and the client's name: USER/CLIENT.
        name: ClientName,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Give a client other rights. A running gateway lets them hold within 5 seconds.
    Rights {
        /// The user and the client's name: USER/CLIENT.
        name: ClientName,
        /// The rights set: admin, operator, viewer, or one of the configuration.
        set: String,
        #[command(flatten)]
        config: ConfigurationArguments,
        #[command(flatten)]
        data: DataArguments,
    },
    /// List the clients: USER/CLIENT, the rights set, and the last login.
    List {
        #[command(flatten)]
        data: DataArguments,
    },
    /// Remove a client: a running gateway disconnects it within 5 seconds.
    Remove {
        /// The user and the client's name: USER/CLIENT.
        name: ClientName,
        #[command(flatten)]
        data: DataArguments,
    },
}

/// A client below a user, as the command line names it.
#[derive(Clone, Debug)]
pub(crate) struct ClientName {
    pub(crate) user: String,
    pub(crate) client: String,
}

impl std::str::FromStr for ClientName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A colon is how the client logs in, and as good here.
        match text.split_once(['/', ':']) {
            Some((user, client)) if !user.is_empty() && !client.is_empty() => {
                Ok(Self { user: user.to_owned(), client: client.to_owned() })
            }
            _ => Err(format!(
                "`{text}` names no client: write the user, a slash and the client, as in ana/phone"
            )),
        }
    }
}

impl std::fmt::Display for ClientName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.user, self.client)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConfigurationArguments {
    /// The configuration that names the rights sets.
    #[arg(long, value_name = "FILE", default_value = crate::paths::DEFAULT_CONFIGURATION)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// Read the password from the first line of standard input. A password on the command line could be read by
    /// every user of the machine, so there is no other way.
    #[arg(long, required = true)]
    pub(crate) password_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleArgument {
    /// May do everything.
    Admin,
    /// May see and switch everything.
    Operator,
    /// May see everything.
    Viewer,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Every command and option that `--help` shows is in the manual page too.
    #[test]
    fn the_manual_page_tells_every_command_and_option() {
        let page = include_str!("../../../deploy/gatehouse.8").replace("\\-", "-");
        let mut waiting = vec![("gatehouse".to_owned(), CommandLine::command())];
        while let Some((path, command)) = waiting.pop() {
            assert!(page.contains(&path), "the manual page does not tell `{path}`");
            let shown = command.get_arguments().filter(|option| !option.is_hide_set());
            for option in shown.filter_map(clap::Arg::get_long) {
                assert!(page.contains(&format!("--{option}")), "nor --{option} of `{path}`");
            }
            let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
            waiting.extend(shown.map(|command| (format!("{path} {}", command.get_name()), command.clone())));
        }
    }
}
