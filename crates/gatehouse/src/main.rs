//! The `gatehouse` program: command line, configuration, wiring and lifecycle. It knows all rooms and decides nothing.

mod adopt;
mod aliases;
mod answer;
mod as_owner;
mod backup;
mod banner;
mod changes;
mod check;
mod cli;
mod clients;
mod conditions;
mod config;
mod config_txt;
mod demo_user;
mod discovery;
mod doctor;
mod exit;
mod export;
mod healing;
mod holding;
mod host_label;
mod house;
mod import;
mod lifecycle;
mod listening;
mod logs;
mod mistakes;
mod mounts;
mod mqtt_ports;
mod mqtt_sockets;
mod open_files;
mod page_sockets;
mod paths;
mod pins;
mod progress;
mod releases;
mod reload;
mod restart;
mod rights;
mod run;
mod running_copy;
mod safe_outputs;
mod scan;
mod setup_code;
mod stand_in;
mod starting;
mod supervision;
mod system;
mod tls;
mod users;
mod voice;
mod watchdog;
mod whole_file;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use gatehouse_board::scan::Reach;

use crate::answer::remark;
use crate::cli::{Command, CommandLine};
use crate::exit::Exit;

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(message) => return print_usage(&message).into(),
    };
    let exit = match command_line.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check { file } => check::check(&file),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Mend => doctor::serve_one(),
        Command::Scan { json, all, config } => {
            let reach = if all { Reach::All } else { Reach::Header };
            scan::scan(config.as_deref(), json, reach)
        }
        Command::Catalogue { word } => scan::catalogue(word.as_deref()),
        Command::User { command } => users::manage(command),
        Command::Client { command } => clients::manage(command),
        Command::SafeOutputs(arguments) => safe_outputs::run(&arguments),
        Command::HoldOutputs(arguments) => holding::run(&arguments),
        Command::Pins(arguments) => pins::run(&arguments),
        Command::Import { command } => import::run(&command),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => backup::restore_on_command_line(&arguments),
        Command::FallBack(arguments) => releases::fall_back_on_command_line(&arguments),
        Command::Rollback(arguments) => releases::roll_back_on_command_line(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::SetupCode { data } => setup_code::print(data),
    };
    exit.and_then(answer::outcome).unwrap_or_else(|problem| report_failure(&problem)).into()
}

/// Help and version are asked for and go to standard output; anything else is a wrong command line.
fn print_usage(message: &clap::Error) -> Exit {
    // When not even the terminal takes the message there is nobody left to tell.
    let _ = message.print();
    if message.use_stderr() { Exit::Usage } else { Exit::Success }
}

fn report_failure(problem: &anyhow::Error) -> Exit {
    remark!("gatehouse: {problem:#}");
    Exit::Failure
}
