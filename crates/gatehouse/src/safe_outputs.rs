//! `gatehouse safe-outputs`: every output to its safe level without the daemon. systemd runs it after each end of the
//! service, however it ended.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_board::bridge::safe::{Held, Outcome, drive_safe};
use gatehouse_board::config::DeviceConfig;
use gatehouse_model::{Clock, SystemClock};

use crate::answer::answer;
use crate::cli::SafeOutputsArguments;
use crate::conditions::last_run;
use crate::config::{self, Salvaged};
use crate::exit::Exit;
use crate::lifecycle::Signals;
use crate::{holding, paths, running_copy, stand_in};

/// Longest time that the outputs get, all together. With the rest it stays below the two seconds in which a crash must
/// leave them safe.
const DRIVE_LIMIT: Duration = Duration::from_millis(1_200);

/// Longest time that is waited for the claim of a daemon that is ending.
const CLAIM_LIMIT: Duration = Duration::from_millis(500);

/// How often the claim is tried until then.
const CLAIM_STEP: Duration = Duration::from_millis(20);

/// Most threads: one for each pin of the header, and one for each line of an expander that is waited for. The unit's limit
/// of 256 tasks counts these, too.
const MAX_THREADS: usize = 160;

/// Drives the outputs that the daemon had, and prints what became of each.
pub(crate) fn run(arguments: &SafeOutputsArguments) -> anyhow::Result<Exit> {
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_THREADS)
        .build()?;
    let exit = runtime.block_on(drive(arguments, &directory));
    last_run::note_end(&stand_in::of(&directory).unwrap_or(directory));
    // A bus that hangs in the kernel must not keep this from ending.
    runtime.shutdown_background();
    exit
}

async fn drive(arguments: &SafeOutputsArguments, directory: &Path) -> anyhow::Result<Exit> {
    let _claim = claim(directory).await?;
    let sources = sources(directory, &arguments.config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut held = Vec::new();
    let held_over = holding::holder_for_a_look().lines();
    let limit = DRIVE_LIMIT / u32::try_from(sources.len().max(1)).unwrap_or(1);
    for Salvaged { board, mut devices } in sources {
        // A pin that two configurations name has what the newer one says.
        devices.retain(|device| {
            let pins = gatehouse_board::bridge::safe::pins(device);
            !pins.iter().any(|pin| outcomes.iter().any(|outcome| outcome.pin.pin == pin.pin))
        });
        let board = board.open(directory, &clock);
        // What is held over an upgrade is safe in its time.
        let chip = board.chip_name();
        devices.retain(|device| !is_held(device, chip.as_deref(), &held_over));
        let (driven, lines) = drive_safe(&board, &devices, &clock, limit, arguments.hold).await;
        outcomes.extend(driven);
        held.extend(lines);
    }
    report(&outcomes);
    let all_safe = outcomes.iter().all(|outcome| outcome.result.is_ok());
    if arguments.hold && !held.is_empty() {
        say("They are held until this is stopped (Ctrl-C).");
        Signals::listen()?.next().await;
    }
    drop(held);
    Ok(if all_safe { Exit::Success } else { Exit::Failure })
}

/// Whether somebody holds a device until the next daemon runs: it has the line of this chip.
fn is_held(device: &DeviceConfig, chip: Option<&str>, held: &[(String, u32)]) -> bool {
    let pins = gatehouse_board::bridge::safe::pins(device);
    let lines = pins.iter().filter_map(|pin| pin.pin.header_line());
    let is_held = lines.into_iter().any(|line| {
        held.iter().any(|(of_it, number)| chip == Some(of_it.as_str()) && *number == line.number())
    });
    if is_held {
        say(&format!("`{}`: held as it is until the gateway is back", device.id));
    }
    is_held
}

/// Keeps a daemon from starting meanwhile, and refuses when one runs: it keeps its outputs safe by itself, and two
/// programs must not drive the same expander or PWM channel, which the kernel would not notice.
async fn claim(directory: &Path) -> anyhow::Result<Option<File>> {
    // Where no daemon has ever run there is nothing to claim; made by root, the file would keep the daemon out.
    if !directory.join(paths::LOCK_FILE).exists() {
        return Ok(None);
    }
    let mut waited = Duration::ZERO;
    loop {
        match paths::claim(directory) {
            Ok(claim) => return Ok(Some(claim)),
            Err(problem) if waited >= CLAIM_LIMIT => {
                return Err(problem).context("the outputs were left alone");
            }
            Err(_) => {
                tokio::time::sleep(CLAIM_STEP).await;
                waited += CLAIM_STEP;
            }
        }
    }
}

/// What the daemon last ran with, the newest first; without any such copy the configuration itself.
fn sources(directory: &Path, configuration: &Path) -> anyhow::Result<Vec<Salvaged>> {
    // What the daemon kept in memory, because it could not write to the disk, is newer than what is there.
    let kept = stand_in::of(directory);
    let directory = kept.as_deref().unwrap_or(directory);
    let copies: Vec<Salvaged> =
        running_copy::texts(directory).iter().filter_map(|text| config::salvage(text)).collect();
    if !copies.is_empty() {
        return Ok(copies);
    }
    if !configuration.exists() {
        say("No daemon has run here and there is no configuration: there are no outputs.");
        return Ok(Vec::new());
    }
    let shown = configuration.display();
    let text = std::fs::read_to_string(configuration).with_context(|| format!("{shown} cannot be read"))?;
    let salvaged = config::salvage(&text)
        .with_context(|| format!("{shown} is no TOML; `gatehouse check {shown}` says where"))?;
    Ok(vec![salvaged])
}

fn report(outcomes: &[Outcome]) {
    for Outcome { pin, result } in outcomes {
        let level = pin.level_words();
        match result {
            Ok(held) => say(&format!("`{}` at {}: {level}, {}", pin.device, pin.pin, words(*held))),
            Err(problem) => say(&format!("`{}`: NOT SAFE: {problem}", pin.device)),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    match (outcomes.len(), failed) {
        (0, _) => {}
        (count, 0) => say(&format!("All {count} outputs are at their safe level.")),
        (count, failed) => say(&format!("{failed} of {count} outputs could not be driven safe.")),
    }
}

const fn words(held: Held) -> &'static str {
    match held {
        Held::Driven => "and the kernel keeps it driven",
        Held::Pulled => "held by its pull, since this kernel makes outputs inputs when nobody holds them",
        Held::Signal => "and its hardware keeps up the signal",
        Held::Expander => "and the expander keeps it so",
        Held::ByUs => "held by this program",
        Held::Unknown => "driven",
    }
}

fn say(line: &str) {
    answer!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash leaves the outputs safe within two seconds; the rest is for the process to start and to read its files.
    #[test]
    fn the_limits_leave_time_within_two_seconds() {
        assert!(CLAIM_LIMIT + 2 * holding::LOOK_LIMIT + DRIVE_LIMIT <= Duration::from_millis(1_900));
    }
}
