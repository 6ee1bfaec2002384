//! What is asked of the service manager, and the drop-in that tells it to run the program of before an upgrade.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::cli::FallBackArguments;
use crate::whole_file;

/// The drop-in, below the directory of the unit's drop-ins. The last one by name wins: it comes after those that people make, such
/// as `override.conf` of `systemctl edit`.
pub(super) const DROP_IN: &str = "zz-previous-release.conf";

/// The kept program, below its directory.
pub(super) const PROGRAM: &str = "gatehouse";

/// Tells the service manager to run the kept program.
pub(super) fn write_drop_in(file: &Path, arguments: &FallBackArguments, data: &Path) -> anyhow::Result<()> {
    let program = arguments.previous.join(PROGRAM);
    let (program, config, data) = (program.display(), arguments.config.display(), data.display());
    let text = format!(
        "# Written by `gatehouse fall-back`: the release that was installed last does not start, and the one of before runs in\n\
         # its place. The next package that is installed removes this file.\n\
         [Service]\n\
         ExecStart=\n\
         ExecStart={program} run --config {config} --data-dir {data}\n\
         ExecStopPost=\n\
         ExecStopPost={program} safe-outputs --config {config} --data-dir {data}\n"
    );
    let written = (|| {
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?;
        }
        whole_file::put(file, &text)?;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))
    })();
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// Lets the service manager run the installed program again, if a drop-in told it to run another one on this data. Gives
/// whether there was such a drop-in.
///
/// # Errors
/// When the drop-in cannot be removed, or the service manager does not hear of it.
pub(super) fn remove_drop_in(directory: &Path, data: &Path) -> anyhow::Result<bool> {
    let file = directory.join(DROP_IN);
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(false) };
    // Another data directory is another gateway.
    let of_this_data = format!("--data-dir {}", data.display());
    if !text.lines().any(|line| line.ends_with(&of_this_data)) {
        return Ok(false);
    }
    std::fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))?;
    systemctl(&["daemon-reload"])?;
    Ok(true)
}

/// Whether the unit has failed and rests: not while it is started or stopped, and not when somebody has started it since.
pub(super) fn is_failed(unit: &str) -> anyhow::Result<bool> {
    let mut command = Command::new("systemctl");
    command.args(["is-failed", "--quiet", unit]).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("systemctl cannot be run")?.success())
}

/// The command line that somebody has given the unit (`systemctl edit`), where it is of another house than these words are: of
/// another configuration or other data.
pub(super) fn other_house(
    unit: &str,
    arguments: &FallBackArguments,
    data: &Path,
) -> anyhow::Result<Option<String>> {
    let shown = Command::new("systemctl").args(["show", "--value", "--property=ExecStart", unit]).output();
    let shown = String::from_utf8_lossy(&shown.context("systemctl cannot be run")?.stdout).into_owned();
    let Some((line, _)) = shown.split_once("argv[]=").and_then(|(_, rest)| rest.split_once(" ;")) else {
        return Ok(None);
    };
    let is_this = line.contains(&format!("--config {}", arguments.config.display()))
        && line.contains(&format!("--data-dir {}", data.display()));
    Ok((!is_this).then(|| line.to_owned()))
}

/// Asks the service manager for something.
///
/// # Errors
/// When it refuses, with what it says.
pub(super) fn systemctl(words: &[&str]) -> anyhow::Result<()> {
    let ran = Command::new("systemctl").args(words).output().context("systemctl cannot be run")?;
    ensure!(
        ran.status.success(),
        "`systemctl {}` failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&ran.stderr).trim()
    );
    Ok(())
}
