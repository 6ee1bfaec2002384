//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Manage the users of the page and of MQTT, with or without a running gateway.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
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
        Addresses { http: self.http, mqtt: self.mqtt, mqtts: self.mqtts }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// Where accounts and history are kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
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
    /// Remove a user.
    Remove {
        /// The user's name.
        name: String,
        #[command(flatten)]
        data: DataArguments,
    },
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
