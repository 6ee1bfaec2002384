//! `gatehouse fall-back`: the release of before an upgrade runs again, because the newer one does not start.
//!
//! The package keeps the program of before an upgrade, and the service's unit names what systemd starts when the unit has
//! failed for good: this command of that program. It does something only when the data says that the kept release ran well
//! last and that no newer one has run since. Then it takes back what the newer one did to the data, if anything, and tells
//! systemd by a drop-in to run the kept program. The next package that is installed takes the drop-in away.
//!
//! Whatever it does can be done again: a power cut in the middle leaves a unit that fails again, and this is asked again.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use gatehouse_dashboard::accounts::By;
use gatehouse_model::{Clock as _, SystemClock, Timestamp};

use super::record::Record;
use super::rollback::Plan;
use super::trial::{FallenBack, Trial};
use super::{Forms, forms_of, newest};
use crate::answer::answer;
use crate::cli::FallBackArguments;
use crate::exit::Exit;
use crate::{backup, paths, whole_file};

/// The kept program, and its version, below their directory.
const PROGRAM: &str = "gatehouse";
const VERSION_FILE: &str = "version";

/// What tells systemd to run the kept program, below the directory of its drop-ins.
const DROP_IN: &str = "50-previous-release.conf";

/// Longest version that makes sense.
const MAX_VERSION_BYTES: u64 = 64;

/// Falls back where that is right, and says in the journal what it did.
pub(crate) fn run(arguments: &FallBackArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let previous = version_of(&arguments.previous)?;
    let drop_in = arguments.drop_ins.join(DROP_IN);
    let upgraded = match decide(&directory, &previous, drop_in.exists(), || installed(&arguments.program)) {
        Decision::FallBack(upgraded) => upgraded,
        Decision::Stay(why) => {
            answer!("Nothing is changed: {why}.");
            return Ok(Exit::Success);
        }
    };
    let _claim = paths::claim(&directory)?;
    backup::finish_restore(&directory, |_| ())?;
    let now = SystemClock::new().now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took_back = runtime.block_on(take_back(&directory, &arguments.config, &newest(), now))?;
    let Upgraded { version: failed, reason } = upgraded;
    answer!("Release {failed} does not start: {reason}");
    if took_back {
        answer!("What it did to the data was taken back; it had not run on it.");
    }
    FallenBack { failed, runs: previous.clone(), reason, at: now }.write(&directory)?;
    write_drop_in(&drop_in, arguments, &directory)?;
    for words in [
        &["daemon-reload"][..],
        &["reset-failed", &arguments.unit],
        &["start", "--no-block", &arguments.unit],
    ] {
        systemctl(words)?;
    }
    answer!("Release {previous} runs in its place, until a package is installed.");
    Ok(Exit::Success)
}

/// The release that was installed and does not start.
#[derive(Debug, PartialEq, Eq)]
struct Upgraded {
    version: String,
    reason: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    FallBack(Upgraded),
    Stay(String),
}

/// Whether the failure is one of an upgrade. `installed` tells the version of the program that the unit runs, or why it
/// cannot.
fn decide(
    directory: &Path,
    previous: &str,
    has_fallen_back: bool,
    installed: impl FnOnce() -> Result<String, String>,
) -> Decision {
    let stay = |why: &str| Decision::Stay(why.to_owned());
    if has_fallen_back {
        return stay("the release of before the upgrade is the one that failed");
    }
    let Some(record) = Record::read(directory) else { return stay("no release has run on this data yet") };
    if record.version != previous {
        return Decision::Stay(format!(
            "release {} ran last, and not {previous} of before the last upgrade",
            record.version
        ));
    }
    if let Some(trial) = Trial::read(directory).filter(|trial| trial.version != previous) {
        let reason = trial.reason.unwrap_or_else(ended_how);
        return Decision::FallBack(Upgraded { version: trial.version, reason });
    }
    match installed() {
        Ok(version) if version == previous => stay("the release that fails has run on this data before"),
        Ok(version) => Decision::FallBack(Upgraded { version, reason: ended_how() }),
        Err(problem) => Decision::FallBack(Upgraded {
            version: "of the last package".to_owned(),
            reason: format!("its program cannot be run: {problem}"),
        }),
    }
}

/// How systemd says that the unit ended (systemd.exec(5), `$MONITOR_…`).
fn ended_how() -> String {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    match (set("MONITOR_SERVICE_RESULT"), set("MONITOR_EXIT_STATUS")) {
        (Some(result), Some(status)) => format!("systemd says `{result}`, and the last end was {status}"),
        _ => "it said nothing about why".to_owned(),
    }
}

fn version_of(previous: &Path) -> anyhow::Result<String> {
    let file = previous.join(VERSION_FILE);
    let mut text = String::new();
    let read = File::open(&file).and_then(|file| file.take(MAX_VERSION_BYTES).read_to_string(&mut text));
    read.with_context(|| format!("{} tells which release is kept, and cannot be read", file.display()))?;
    let version = text.trim();
    ensure!(
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} does not tell which release is kept",
        file.display()
    );
    Ok(version.to_owned())
}

/// The version that a program says it is.
fn installed(program: &Path) -> Result<String, String> {
    let ran = Command::new(program).arg("--version").output().map_err(|problem| problem.to_string())?;
    if !ran.status.success() {
        return Err(ran.status.to_string());
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    text.split_whitespace().nth(1).map(str::to_owned).ok_or_else(|| "it does not tell its version".to_owned())
}

/// Takes back what the newer release did to the data, where this one could not use it. Nothing is lost with that: nothing was
/// kept since, because the newer one never ran.
async fn take_back(
    directory: &Path,
    configuration: &Path,
    newest: &Forms,
    now: Timestamp,
) -> anyhow::Result<bool> {
    let found = forms_of(directory).await;
    let too_new: Vec<&str> = found
        .iter()
        .filter(|(name, form)| newest.get(*name) < Some(*form))
        .map(|(name, _)| name.as_str())
        .collect();
    if too_new.is_empty() {
        return Ok(false);
    }
    let taken_back = async {
        let plan = Plan::make(directory, Some(configuration), newest).await?;
        plan.carry_out(directory, &By::command_line(), now).await
    };
    match taken_back.await {
        Ok(_) => Ok(true),
        // The house runs without recording, and the page says so.
        Err(problem) if too_new == [paths::HISTORY_FILE] => {
            answer!("The history of the newer release stays as it is: {problem:#}");
            Ok(false)
        }
        Err(problem) => Err(problem).context("the release of before the upgrade cannot run on this data"),
    }
}

/// Tells systemd to run the kept program.
fn write_drop_in(file: &Path, arguments: &FallBackArguments, data: &Path) -> anyhow::Result<()> {
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

fn systemctl(words: &[&str]) -> anyhow::Result<()> {
    let ran = Command::new("systemctl").args(words).output().context("systemctl cannot be run")?;
    ensure!(
        ran.status.success(),
        "`systemctl {}` failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&ran.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::VERSION;
    use super::super::trial::{begin, failed, passed};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_000);

    /// A data directory on which this release ran last.
    fn ran(version: &str) -> TempDir {
        let directory = TempDir::new().unwrap();
        let record = Record { version: version.to_owned(), since: NOW, before: None };
        record.write(directory.path()).unwrap();
        directory
    }

    fn unasked() -> Result<String, String> {
        panic!("it is known without asking the program")
    }

    #[test]
    fn a_newer_release_that_never_ran_gives_way_to_the_one_before_it() {
        let data = ran("0.0.9");
        assert!(begin(data.path()));
        failed(data.path(), "the broker's file is damaged");
        let upgraded =
            Upgraded { version: VERSION.to_owned(), reason: "the broker's file is damaged".to_owned() };
        assert_eq!(decide(data.path(), "0.0.9", false, unasked), Decision::FallBack(upgraded));
    }

    #[test]
    fn a_program_that_cannot_be_run_at_all_gives_way_too() {
        let data = ran("0.0.9");
        let decision = decide(data.path(), "0.0.9", false, || Err("illegal instruction".to_owned()));
        assert!(
            matches!(&decision, Decision::FallBack(upgraded) if upgraded.reason.contains("illegal instruction")),
            "{decision:?}"
        );
        let decision = decide(data.path(), "0.0.9", false, || Ok("9.0.0".to_owned()));
        assert!(
            matches!(&decision, Decision::FallBack(upgraded) if upgraded.version == "9.0.0"),
            "{decision:?}"
        );
    }

    /// A disk that is full a year after an upgrade is nothing that an older release would mend.
    #[test]
    fn a_release_that_has_run_stays_whatever_becomes_of_it() {
        let stays = |data: &TempDir, has_fallen_back, version: &str| {
            let decision = decide(data.path(), "0.0.9", has_fallen_back, || Ok(version.to_owned()));
            assert!(matches!(decision, Decision::Stay(_)), "{decision:?}");
        };
        let data = ran("0.0.9");
        begin(data.path());
        // It comes to run, and fails later.
        super::super::runs(data.path(), NOW);
        stays(&data, false, VERSION);
        // The same release was installed again.
        stays(&ran("0.0.9"), false, "0.0.9");
        // It is the kept one that fails.
        let data = ran("0.0.9");
        begin(data.path());
        stays(&data, true, VERSION);
        stays(&TempDir::new().unwrap(), false, VERSION);
    }

    /// Five starts that hang take longer than the interval in which the service manager counts.
    #[test]
    fn starts_that_hang_come_to_an_end_and_go_on_in_rounds() {
        let data = ran("0.0.9");
        let tried: Vec<bool> = (0..12).map(|_| begin(data.path())).collect();
        assert_eq!(tried, [true, true, true, true, true, false, true, true, true, true, true, false]);
        passed(data.path());
        assert_eq!(Trial::read(data.path()), None);
        assert!((0..12).all(|_| begin(ran(VERSION).path())), "a release that has run is always tried");
        assert!((0..12).all(|_| begin(TempDir::new().unwrap().path())), "and so is the first one");
    }

    #[test]
    fn what_is_told_of_a_release_that_did_not_start_is_told_by_the_one_that_runs_in_its_place() {
        let data = ran(VERSION);
        let note = |runs: &str| FallenBack {
            failed: "9.9.9".to_owned(),
            runs: runs.to_owned(),
            reason: "it hung".to_owned(),
            at: NOW,
        };
        note(VERSION).write(data.path()).unwrap();
        passed(data.path());
        assert_eq!(FallenBack::of_this_release(data.path()), Some(note(VERSION)));
        note("0.0.9").write(data.path()).unwrap();
        assert_eq!(FallenBack::of_this_release(data.path()), None);
        passed(data.path());
        assert!(!data.path().join("fallen-back.json").exists(), "a release that was mended runs");
    }
}
