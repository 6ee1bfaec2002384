//! `gatehouse fall-back`: the release of before an upgrade runs again, because the newer one does not start.
//!
//! The package keeps the program of before an upgrade, and the service's unit names what systemd starts when the unit has
//! failed for good: this command of that program. It does something only when the data says that the kept release ran well
//! last and that no newer one has run since. Then it takes back what the newer one did to the data, if anything, and tells
//! systemd by a drop-in to run the kept program. The next package that is installed takes the drop-in away.
//!
//! Whatever it does can be done again: a power cut in the middle leaves a unit that fails again, and this is asked again. It
//! acts only while the unit rests in `failed` and it has claimed the data: a failure may be that of a stop, beside whose end the
//! newer release already starts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use gatehouse_dashboard::accounts::By;
use gatehouse_model::{Clock as _, SystemClock, Timestamp};

use super::record::Record;
use super::rollback::Plan;
use super::service::{DROP_IN, PROGRAM, is_failed, other_house, systemctl, write_drop_in};
use super::trial::{FallenBack, Trial};
use super::{Forms, forms_of, newest};
use crate::answer::answer;
use crate::as_owner::as_owner_of;
use crate::cli::FallBackArguments;
use crate::exit::Exit;
use crate::{backup, paths};

/// The program of before an upgrade, as the package keeps it.
pub(super) const KEPT_PROGRAM: &str = "/usr/lib/gatehouse/previous/gatehouse";

/// The version of the kept program, beside it.
const VERSION_FILE: &str = "version";

/// What the service manager tells about the unit that has failed: in which way, and the status or signal of its process.
const RESULT: &str = "MONITOR_SERVICE_RESULT";
const STATUS: &str = "MONITOR_EXIT_STATUS";

/// Why nothing is done while the unit has not failed, or has no more.
const BUSY: &str = "the service has not failed for good, or was started again since";

/// How long a program may take to say which version it is.
const PATIENCE_SECONDS: u32 = 20;

/// What timeout(1) ends with when that was too long, and when the program did not end at SIGTERM either.
const TIMED_OUT: i32 = 124;
const KILLED: i32 = 137;

/// Longest version that makes sense.
const MAX_VERSION_BYTES: u64 = 64;

/// Falls back where that is right, and says in the journal what it did.
pub(crate) fn run(arguments: &FallBackArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let previous = version_of(&arguments.previous)?;
    let drop_in = arguments.drop_ins.join(DROP_IN);
    let stay = |why: &str| {
        answer!("Nothing is changed: {why}.");
        Ok(Exit::Success)
    };
    let [result, status] = [RESULT, STATUS].map(|name| said(name).unwrap_or_default());
    if has_stopped_as_asked(&result, &status) {
        return stay("the gateway was stopped, though not well");
    }
    if drop_in.exists() {
        // The service manager may never have heard of it, where this was cut short: the next start is one of the kept program.
        systemctl(&["daemon-reload"])?;
    }
    let decided = || decide_as_owner(&directory, &previous, drop_in.exists(), &arguments.program);
    if let Decision::Stay(why) = decided()? {
        return stay(&why);
    }
    // A stop that fails in the middle of an upgrade brings this about beside the start of the newer release.
    if !is_failed(&arguments.unit)? {
        return stay(BUSY);
    }
    if let Some(line) = other_house(&arguments.unit, arguments, &directory)? {
        return stay(&format!(
            "somebody has given the service a command line of its own, `{line}`. `sudo systemctl edit {}` with {} in the place of its \
             program runs the release of before",
            arguments.unit,
            arguments.previous.join(PROGRAM).display()
        ));
    }
    let claim = paths::claim(&directory)?;
    // From here on nobody else runs on the data; until here the newer one may have.
    let upgraded = match decided()? {
        Decision::FallBack(upgraded) if is_failed(&arguments.unit)? => upgraded,
        Decision::FallBack(_) => return stay(BUSY),
        Decision::Stay(why) => return stay(&why),
    };
    let now = SystemClock::new().now();
    let took_back = as_owner_of(&directory, || {
        backup::finish_restore(&directory, |_| ())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(take_back(&directory, &arguments.config, &previous, &newest(), now))
    })?;
    let Upgraded { version: failed, reason } = upgraded;
    answer!("Release {failed} does not start: {reason}");
    if took_back {
        answer!("What it did to the data was taken back; it had not run on it.");
    }
    let note = FallenBack { failed, runs: previous.clone(), reason, at: now };
    if let Err(problem) = note.write(&directory) {
        // A house with its gateway and without a word about it is better than one without its gateway.
        answer!("The page will not tell of this: {problem:#}");
    }
    write_drop_in(&drop_in, arguments, &directory)?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["reset-failed", &arguments.unit])?;
    // The gateway that is started now claims the data for itself.
    drop(claim);
    systemctl(&["start", "--no-block", &arguments.unit])?;
    answer!("Release {previous} runs in its place, until a package is installed.");
    Ok(Exit::Success)
}

/// Whether the unit failed in a stop that somebody had asked for: the daemon's own number for it, or a daemon that ended well
/// before `safe-outputs` did not. Both words are the service manager's.
fn has_stopped_as_asked(result: &str, status: &str) -> bool {
    matches!((result, status), ("exit-code", "0" | "76"))
}

/// A word that the service manager says about the unit that has failed (systemd.exec(5), `$MONITOR_…`).
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
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
    let on_purpose = |version: &str| {
        Decision::Stay(format!(
            "release {version} is older than {previous}, and was installed on purpose; `sudo gatehouse rollback` puts the data \
             back as it needs it"
        ))
    };
    if let Some(trial) = Trial::read(directory).filter(|trial| trial.version != previous) {
        if is_older(&trial.version, previous) {
            return on_purpose(&trial.version);
        }
        let reason = trial.reason.unwrap_or_else(ended_how);
        return Decision::FallBack(Upgraded { version: trial.version, reason });
    }
    match installed() {
        Ok(version) if version == previous => stay("the release that fails has run on this data before"),
        Ok(version) if is_older(&version, previous) => on_purpose(&version),
        Ok(version) => Decision::FallBack(Upgraded { version, reason: ended_how() }),
        Err(problem) => Decision::FallBack(Upgraded {
            version: packaged().unwrap_or_else(|| "unknown".to_owned()),
            reason: format!("its program cannot be run: {problem}"),
        }),
    }
}

/// The same with the rights of the user who owns the data, who is also the one that the service runs as.
fn decide_as_owner(
    directory: &Path,
    previous: &str,
    has_fallen_back: bool,
    program: &Path,
) -> anyhow::Result<Decision> {
    let decided = || Ok(decide(directory, previous, has_fallen_back, || installed(program)));
    if directory.is_dir() { as_owner_of(directory, decided) } else { decided() }
}

/// Whether a version is an older one, by its numbers: `0.9.10` comes after `0.9.9`. What follows them, such as `-rc.1`, is left
/// out of account.
fn is_older(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let core = version.split(['-', '+', '~']).next().unwrap_or_default();
        core.split('.').map_while(|part| part.parse().ok()).collect()
    };
    numbers(version) < numbers(than)
}

/// How systemd says that the unit ended.
fn ended_how() -> String {
    match (said(RESULT), said(STATUS)) {
        (Some(result), Some(status)) => format!("systemd says `{result}`, and the last end was {status}"),
        _ => "it said nothing about why: it may have hung".to_owned(),
    }
}

fn version_of(previous: &Path) -> anyhow::Result<String> {
    let file = previous.join(VERSION_FILE);
    let mut text = String::new();
    let read = File::open(&file).and_then(|file| file.take(MAX_VERSION_BYTES).read_to_string(&mut text));
    read.with_context(|| format!("{} tells which release is kept, and cannot be read", file.display()))?;
    let mut version = text.trim().to_owned();
    if version.is_empty() {
        // A power cut soon after the installation may leave the file without its content.
        version = installed(&previous.join(PROGRAM)).unwrap_or_default();
    }
    ensure!(
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic()),
        "{} does not tell which release is kept",
        file.display()
    );
    Ok(version)
}

/// The version of the package that is installed, without the number of its build: for a program that does not say it.
fn packaged() -> Option<String> {
    let ran =
        Command::new("dpkg-query").args(["--show", "--showformat=${Version}", "gatehouse"]).output().ok()?;
    let text = String::from_utf8(ran.stdout).ok().filter(|_| ran.status.success())?;
    let version = text.split_once('-').map_or(text.as_str(), |(version, _)| version);
    // The note and the page have it as one word.
    (!version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic())).then(|| version.to_owned())
}

/// The version that a program says it is. One that hangs is asked no longer than it may take on a slow card.
fn installed(program: &Path) -> Result<String, String> {
    let mut asked = Command::new("timeout");
    asked.arg("--kill-after=1").arg(PATIENCE_SECONDS.to_string()).arg(program).arg("--version");
    let ran = asked.output().map_err(|problem| problem.to_string())?;
    match ran.status.code() {
        Some(0) => {}
        Some(TIMED_OUT | KILLED) => {
            return Err(format!("it did not answer within {PATIENCE_SECONDS} s"));
        }
        _ => {
            let said = String::from_utf8_lossy(&ran.stderr);
            let said = said.trim();
            return Err(if said.is_empty() { ran.status.to_string() } else { said.to_owned() });
        }
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    text.split_whitespace().nth(1).map(str::to_owned).ok_or_else(|| "it does not tell its version".to_owned())
}

/// Takes back what the newer release did to the data, where `previous` could not use it. Nothing is lost with that: nothing was
/// kept since, because the newer one never ran. A copy of an earlier upgrade would lose what was kept since then, and nobody is
/// here to be asked.
pub(super) async fn take_back(
    directory: &Path,
    configuration: &Path,
    previous: &str,
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
        ensure!(
            plan.kept.version == previous && !plan.kept.is_settled,
            "the copy in the data directory is one of release {} at {}, and a release has run on the data since ({previous} ran \
             last): what was kept since then would be lost. `sudo gatehouse rollback` goes back to it all the same",
            plan.kept.version,
            plan.kept.made
        );
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::super::VERSION;
    use super::super::trial::{begin, failed, passed, refused};
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
            matches!(&decision, Decision::FallBack(upgraded) if upgraded.reason.contains("illegal instruction")
                && !upgraded.version.contains(' ')),
            "{decision:?}"
        );
        let decision = decide(data.path(), "0.0.9", false, || Ok("9.0.0".to_owned()));
        assert!(
            matches!(&decision, Decision::FallBack(upgraded) if upgraded.version == "9.0.0"),
            "{decision:?}"
        );
    }

    /// Five mistakes in the configuration were five starts, and the sixth start, without a mistake, was one too many.
    #[test]
    fn a_configuration_that_is_refused_is_no_start_that_counts() {
        let data = ran("0.0.9");
        let says_configuration = || match decide(data.path(), "0.0.9", false, unasked) {
            Decision::FallBack(upgraded) => upgraded.reason.contains("the configuration has mistakes"),
            Decision::Stay(why) => panic!("{why}"),
        };
        for _ in 0..20 {
            refused(data.path());
        }
        assert!(says_configuration());
        assert!(begin(data.path()));
        assert!(!says_configuration(), "it was mended, and something else is wrong");
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

    /// 9.0.0 ran, and somebody installs this release over it, which refuses what 9.0.0 made of the data. To fall back to 9.0.0
    /// would take the way from the person who is about to run `gatehouse rollback`.
    #[test]
    fn an_older_release_that_was_installed_on_purpose_is_left_where_it_is() {
        let data = ran("9.0.0");
        assert!(begin(data.path()));
        failed(data.path(), "gatehouse.db was changed by release 9.0.0");
        for decision in [
            decide(data.path(), "9.0.0", false, unasked),
            decide(ran("9.0.0").path(), "9.0.0", false, || Ok("8.10.0".to_owned())),
        ] {
            assert!(matches!(&decision, Decision::Stay(why) if why.contains("on purpose")), "{decision:?}");
        }
    }

    /// The failing stop of the release before is part of an upgrade, and says nothing of the newer one.
    #[test]
    fn a_stop_that_failed_is_no_start_that_failed() {
        let number = format!("{:?}", std::process::ExitCode::from(Exit::StoppedBadly));
        assert!(number.contains("76"), "{number}");
        assert!(has_stopped_as_asked("exit-code", "76") && has_stopped_as_asked("exit-code", "0"));
        for (result, status) in
            [("exit-code", "1"), ("exit-code", "69"), ("signal", "ABRT"), ("timeout", "KILL"), ("", "")]
        {
            assert!(!has_stopped_as_asked(result, status), "{result} {status}");
        }
    }

    /// A pipe there held root for ever, and with it the way back.
    #[test]
    fn a_pipe_in_the_place_of_a_note_keeps_nobody_waiting() {
        use rustix::fs::{CWD, FileType, Mode};
        for (name, stays) in [("release.json", true), ("starting.json", false)] {
            let data = ran("0.0.9");
            begin(data.path());
            let note = data.path().join(name);
            std::fs::remove_file(&note).unwrap();
            rustix::fs::mknodat(CWD, &note, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            let decision = decide(data.path(), "0.0.9", false, || Ok("9.0.0".to_owned()));
            assert_eq!(matches!(decision, Decision::Stay(_)), stays, "{name}: {decision:?}");
        }
    }

    /// Notes that the owner of the data could not read himself decide nothing.
    #[test]
    fn root_decides_with_the_rights_of_the_owner_of_the_data() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let data = ran("0.0.9");
        let record = data.path().join("release.json");
        let decided = || decide_as_owner(data.path(), "0.0.9", false, Path::new("/bin/false")).unwrap();
        assert!(matches!(decided(), Decision::FallBack(_)));
        if chown(data.path(), Some(12_345), Some(12_345)).is_err() {
            println!("skipped: only root can act for another user");
            return;
        }
        assert!(matches!(decided(), Decision::Stay(why) if why.contains("no release has run")));
        chown(&record, Some(12_345), Some(12_345)).unwrap();
        assert!(matches!(decided(), Decision::FallBack(_)));
        // What it notes there is the owner's, who reads it for the page and removes it.
        let [failed, runs, reason] = ["9.0.0", "0.0.9", "it hung"].map(str::to_owned);
        FallenBack { failed, runs, reason, at: NOW }.write(data.path()).unwrap();
        let note = std::fs::metadata(data.path().join("fallen-back.json")).unwrap();
        assert_eq!((note.uid(), note.gid()), (12_345, 12_345));
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(is_older("0.9.9", "0.9.10") && is_older("0.9", "0.9.1") && is_older("1.99.0", "2.0.0-rc.1"));
        assert!(
            !is_older("0.9.10", "0.9.9") && !is_older("1.0.0", "1.0.0") && !is_older("1.0.0+2", "1.0.0+3")
        );
    }

    /// A power cut soon after the installation: the file has its name, and not yet its content.
    #[test]
    fn a_kept_program_whose_version_was_lost_is_asked_itself() {
        let previous = TempDir::new().unwrap();
        assert!(version_of(previous.path()).is_err());
        std::fs::write(previous.path().join(VERSION_FILE), "").unwrap();
        assert!(version_of(previous.path()).unwrap_err().to_string().contains("does not tell"));
        std::fs::write(previous.path().join(PROGRAM), "#!/bin/sh\necho gatehouse 0.0.9\n").unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(previous.path().join(PROGRAM), executable).unwrap();
        assert_eq!(version_of(previous.path()).unwrap(), "0.0.9");
    }

    /// A release that hung before it had read its configuration held the way back for half an hour, and then was left where it was.
    #[test]
    fn a_program_that_hangs_or_cannot_run_does_not_tell_its_version() {
        let place = TempDir::new().unwrap();
        let program = place.path().join(PROGRAM);
        let says = |text: &str| {
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            installed(&program)
        };
        assert_eq!(says("#!/bin/sh\necho gatehouse 9.0.0\n").as_deref(), Ok("9.0.0"));
        assert_eq!(says("#!/bin/sh\nexit 3\n"), Err("exit status: 3".to_owned()));
        assert_eq!(says("#!/bin/sh\nexit 124\n"), Err("it did not answer within 20 s".to_owned()));
        assert!(says("#!/bin/sh\necho broken >&2; exit 1\n").unwrap_err().contains("broken"));
        std::fs::remove_file(&program).unwrap();
        assert!(installed(&program).unwrap_err().contains("No such file"));
    }

    /// Five starts that hang take longer than the interval in which the service manager counts.
    #[test]
    fn starts_that_hang_come_to_an_end_and_go_on_in_rounds() {
        let data = ran("0.0.9");
        let tried: Vec<bool> = (0..12).map(|_| begin(data.path())).collect();
        assert_eq!(tried, [true, true, true, true, true, false, true, true, true, true, true, false]);
        // Whoever looks for the reason read the number of the last end, and nothing of the others.
        let reason = Trial::read(data.path()).unwrap().reason.unwrap();
        assert!(reason.starts_with("it was started 6 times, hung each time"), "{reason}");
        passed(data.path());
        assert_eq!(Trial::read(data.path()), None);
        let data = ran(VERSION);
        assert!((0..12).all(|_| begin(data.path())), "a release that has run is always tried");
        let data = TempDir::new().unwrap();
        assert!((0..12).all(|_| begin(data.path())), "and so is the first one");
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
