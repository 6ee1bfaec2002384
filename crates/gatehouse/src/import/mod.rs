//! `gatehouse import`: configurations of other programs, converted, and rows from elsewhere for the history.

mod converters;
mod history;
mod modules;
mod mqtt_io;
#[cfg(test)]
mod root_tests;
mod yaml;

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::answer::{self, remark};
use crate::cli::ImportCommand;
use crate::config;
use crate::exit::Exit;

/// Largest file that is converted: a configuration of a hundred devices has some ten thousand bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Does what one `import` command asks for. A configuration is converted, printed or written, and it is said what is left to
/// do.
pub(crate) fn run(command: &ImportCommand) -> anyhow::Result<Exit> {
    let (file, aliases, output) = match command {
        ImportCommand::MqttIo { file, aliases, output } => (file, aliases, output),
        ImportCommand::History(arguments) => return history::history(arguments),
        ImportCommand::HomeAssistant(arguments) => return history::home_assistant(arguments),
    };
    let text = read(file)?;
    let converted = match mqtt_io::convert(&text, *aliases) {
        Ok(converted) => converted,
        Err(problem) => {
            say(&format!("{}: {problem}", file.display()));
            return Ok(Exit::Configuration);
        }
    };
    // What was made must be good: whatever the check finds is something that a person has to decide.
    let checked = config::load(&converted.toml, "the result");
    match output {
        Some(output) => write(output, &converted.toml)?,
        None => answer::print(format_args!("{}", converted.toml)),
    }
    for note in &converted.notes {
        say(&format!("note: {note}"));
    }
    match checked {
        Ok(config) => {
            let (devices, aliases) = (config.devices.len(), config.aliases.len());
            say(&format!(
                "{devices} devices and {aliases} aliases; lines that need a look are marked with `# look:`."
            ));
            Ok(Exit::Success)
        }
        Err(problems) => {
            say(&format!("The result needs a hand before it can be used:\n{problems}"));
            Ok(Exit::Configuration)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let opened = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut text = String::new();
    let length = opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let length = length.with_context(|| format!("{} is no text", file.display()))?;
    anyhow::ensure!(
        u64::try_from(length).unwrap_or(u64::MAX) <= MAX_FILE_BYTES,
        "{} is larger than {MAX_FILE_BYTES} bytes: check that this is the right file",
        file.display()
    );
    Ok(text)
}

/// A file that is there is never overwritten.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
    let mut made = made.with_context(|| format!("{} cannot be made", file.display()))?;
    made.write_all(text.as_bytes()).and_then(|()| made.sync_all())?;
    Ok(())
}

fn say(text: &str) {
    remark!("{text}");
}
