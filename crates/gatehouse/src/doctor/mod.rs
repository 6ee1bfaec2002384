//! The check-up of the machine: what stands in the gateway's way, and mending it.
//!
//! Looking only reads files, needs no rights and reaches no network: [`checks`] are small functions over a [`Machine`], which
//! in tests is a directory. Mending is a closed list of words ([`mend`]); `gatehouse doctor --mend` does them for root at a
//! terminal, and [`helper`] does one of them for the page, which has no rights itself.

mod checks;
mod finding;
mod machine;
mod mend;
mod privileged;
mod report;
mod wanted;

use std::io::{ErrorKind, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_dashboard::wire::{DoctorReport, DoctorRestart};
use gatehouse_model::{Clock, SystemClock};

use crate::answer::{self, answer};
use crate::as_owner::as_owner_of;
use crate::cli::DoctorArguments;
use crate::config::{self, Config, Problems};
use crate::exit::Exit;
use crate::{paths, stand_in};

use finding::Finding;
use machine::Machine;
use mend::{Mend, Programs};
use wanted::Wanted;

pub(crate) use privileged::{AskError, SOCKET, ask, serve_one};

/// Looks at the machine and tells, or mends.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    if let Some(words) = arguments.mend.as_ref().filter(|words| !words.is_empty()) {
        let mends = words.iter().map(|word| {
            Mend::parse(word)
                .with_context(|| format!("there is no mend `{word}`: `gatehouse doctor --help` lists them"))
        });
        return mend_all(
            &mends.collect::<anyhow::Result<Vec<_>>>()?,
            &Machine::this(&directory),
            arguments.yes,
        );
    }
    let config = configuration(&arguments.config)?;
    let (machine, findings) = look(&arguments.config, &directory, &config);
    if arguments.json {
        answer!("{}", serde_json::to_string_pretty(&report::report(&findings, &machine, None))?);
    } else {
        answer::print(format_args!("{}", report::text(&findings, &machine)));
    }
    if arguments.mend.is_some() {
        let mut mends: Vec<Mend> = Vec::new();
        for mend in findings.iter().filter_map(|finding| finding.mend) {
            if !mends.contains(&mend) {
                mends.push(mend);
            }
        }
        return mend_all(&mends, &machine, arguments.yes);
    }
    Ok(if checks::has_problem(&findings) { Exit::Failure } else { Exit::Success })
}

/// What a running gateway with this configuration finds. `no_helper` is why it can mend nothing.
pub(crate) fn look_for_page(
    file: &Path,
    directory: &Path,
    config: &Result<Config, Problems>,
    no_helper: Option<String>,
) -> DoctorReport {
    let (machine, findings) = look(file, directory, config);
    report::report(&findings, &machine, no_helper)
}

/// The program that has an address of the gateway, for people; nothing when that cannot be seen.
pub(crate) fn holder_of(address: std::net::SocketAddr) -> Option<String> {
    checks::holder_of(&Machine::this(Path::new("/")), address)
}

/// Whether there is a mend of this name.
pub(crate) fn is_mend(word: &str) -> bool {
    Mend::parse(word).is_some()
}

fn look(file: &Path, directory: &Path, config: &Result<Config, Problems>) -> (Machine, Vec<Finding>) {
    let mut machine = Machine::this(directory);
    if let Ok(config) = config {
        machine.held_lines = held_lines(config);
    }
    // The owner of the data may have put anything into both places.
    let in_memory = as_owner_of(directory, || Ok(stand_in::in_use(directory))).ok().flatten();
    let wanted = Wanted { in_memory, ..Wanted::of(file, directory, config) };
    let findings = checks::examine(&machine, &wanted);
    (machine, findings)
}

/// The configuration; that of the first start where there is none yet.
fn configuration(file: &Path) -> anyhow::Result<Result<Config, Problems>> {
    match std::fs::File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(config::load(config::default_text(), &file.display().to_string()))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{} may not be read: run this with sudo", file.display())
        }
        _ => Ok(config::load_file(file)),
    }
}

/// Who holds the lines of the header.
fn held_lines(config: &Config) -> Vec<(u32, String)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Only the machine's own files are looked at.
    let board = config.board.open(Path::new("/"), &clock);
    let lines = board.lines().unwrap_or_default();
    lines.into_iter().filter_map(|line| Some((line.line.number(), line.consumer?))).collect()
}

/// Says what each mend will do, asks, and does it.
fn mend_all(mends: &[Mend], machine: &Machine, yes: bool) -> anyhow::Result<Exit> {
    if mends.is_empty() {
        answer!("There is nothing here that can be mended from here.");
        return Ok(Exit::Success);
    }
    if !rustix::process::geteuid().is_root() {
        bail!("mending changes files of the system: run this with sudo");
    }
    if !yes && !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here: run this at a terminal, or with --yes");
    }
    let (mut restart, mut failed) = (DoctorRestart::Nothing, false);
    for mend in mends {
        answer!("\n{mend}");
        let plan = match mend.plan(machine) {
            Ok(plan) => plan,
            Err(problem) => {
                answer!("  {problem}");
                failed = true;
                continue;
            }
        };
        answer::print(format_args!("{}", report::plan_text(&plan)));
        if plan.changes.is_empty() && plan.commands.is_empty() {
            continue;
        }
        if !yes && !answer::is_agreed("  Do this?")? {
            answer!("  Left as it is.");
            continue;
        }
        match mend::apply(&plan, machine, &Programs) {
            Ok(done) => {
                done.iter().for_each(|sentence| answer!("  Done: {sentence}."));
                restart = restart.max(plan.restart);
            }
            Err(problem) => {
                answer!("  {problem}");
                failed = true;
            }
        }
    }
    match restart {
        DoctorRestart::Nothing => {}
        DoctorRestart::Gateway => answer!("\nRestart the gateway: sudo systemctl restart gatehouse"),
        DoctorRestart::Machine => answer!("\nRestart the machine to let this take effect: sudo reboot"),
    }
    Ok(if failed { Exit::Failure } else { Exit::Success })
}
