//! Whether the gateway runs where it is installed as a service, and why it does not.

use std::path::Path;

use gatehouse_dashboard::wire::DoctorKind;

use super::rights::{UNIT, UNIT_OF_ADMINISTRATOR};
use crate::conditions::failed_start::{FailedBecause, FailedStart};
use crate::doctor::finding::Finding;
use crate::doctor::machine::Machine;
use crate::doctor::wanted::Wanted;
use crate::{paths, releases};

/// Where systemd keeps the processes of the services of the system: with one tree of control groups, and with several.
const SLICES: [&str; 2] = ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];

/// The service is installed, and no process of it runs.
pub(super) fn not_running(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    // One that somebody has started by hand, in development or as a demonstration, has its data elsewhere.
    let is_service = wanted.data == Path::new(paths::DEFAULT_DATA)
        && [UNIT, UNIT_OF_ADMINISTRATOR].iter().any(|unit| machine.has(unit))
        && machine.has("/run/systemd/system");
    if !is_service || has_processes(machine) != Some(false) {
        return Vec::new();
    }
    let finding =
        Finding::problem(DoctorKind::NotRunning, "The gateway is installed as a service and does not run.");
    vec![explained(finding, machine, wanted)]
}

/// Whether processes of the service run; nothing where that is not known.
fn has_processes(machine: &Machine) -> Option<bool> {
    let slice = SLICES.into_iter().find(|slice| machine.has(slice))?;
    let processes = machine.text(&format!("{slice}/gatehouse.service/cgroup.procs"));
    Some(processes.is_some_and(|processes| !processes.trim().is_empty()))
}

/// With the reason and what to do about it.
fn explained(finding: Finding, machine: &Machine, wanted: &Wanted) -> Finding {
    const AGAIN: &str = "`sudo systemctl restart gatehouse`";
    if wanted.mistakes > 0 {
        let file = wanted.file.display();
        return finding
            .about(&"configuration")
            .about(&"")
            .because("Its configuration has mistakes, and it does not start with them.")
            .so(format!(
                "Mend the configuration: `gatehouse check {file}` shows each mistake. Then {AGAIN}."
            ));
    }
    let data = machine.path(&wanted.notes().to_string_lossy());
    let failed = FailedStart::read(&data).map(|failed| (failed.because, failed.reason));
    let failed = failed.or_else(|| Some((FailedBecause::Failed, releases::why_not_started(&data)?)));
    let Some((because, reason)) = failed else {
        return finding
            .about(&"stopped")
            .about(&"")
            .because(
                "Nothing is known of a start that failed: somebody has stopped it, or its log tells, or this needs `sudo` to see it.",
            )
            .so("Start it: `sudo systemctl start gatehouse`. If it does not stay, `journalctl -u gatehouse` tells why.");
    };
    let (word, remedy) = match because {
        FailedBecause::DataTooNew => (
            "data-too-new",
            format!(
                "Install the newer release again. Or go back to the data of before the upgrade: `sudo gatehouse rollback` says first \
                 what is lost, and asks; then {AGAIN}. Without such a copy, restore a backup of this release."
            ),
        ),
        FailedBecause::Damaged => (
            "damaged",
            format!(
                "Restore a backup: `sudo gatehouse restore FILE`. What is there is kept aside. Then {AGAIN}."
            ),
        ),
        FailedBecause::Failed => {
            ("failed", format!("Mend the reason, then {AGAIN}. `journalctl -u gatehouse` tells more."))
        }
    };
    finding
        .about(&word)
        .about(&reason)
        .because(format!("Its last start gave this reason: {}.", reason.trim_end_matches('.')))
        .so(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    const PROCESSES: &str = "/sys/fs/cgroup/system.slice/gatehouse.service/cgroup.procs";
    const NOTE: &str = "/var/lib/gatehouse/start-failed.json";

    /// A machine with systemd on which no service runs.
    fn still() -> FakeMachine {
        let machine = FakeMachine::pi();
        machine.put("/run/systemd/system/x", "").put("/sys/fs/cgroup/system.slice/cgroup.procs", "");
        machine
    }

    #[test]
    fn a_service_that_does_not_run_is_told_with_what_its_last_start_said() {
        let machine = still();
        let told = |machine: &FakeMachine| finding(machine, "", DoctorKind::NotRunning);
        let stopped = told(&machine);
        assert_eq!(stopped.facts, ["stopped", ""]);
        assert!(stopped.remedy.contains("systemctl start gatehouse"), "{stopped:?}");
        machine.put(
            "/var/lib/gatehouse/starting.json",
            "{\"version\":\"9.0.0\",\"starts\":6,\"reason\":\"it hung\"}",
        );
        assert_eq!(told(&machine).facts, ["failed", "it hung"]);
        for (because, remedy) in [
            ("data-too-new", "sudo gatehouse rollback"),
            ("damaged", "sudo gatehouse restore"),
            ("failed", "journalctl -u gatehouse"),
        ] {
            let note = format!(
                "{{\"because\":\"{because}\",\"reason\":\"a disk says so\",\"at\":\"2026-11-22T09:14:00.000Z\"}}"
            );
            machine.put(NOTE, &note);
            let found = told(&machine);
            assert_eq!(found.facts, [because, "a disk says so"]);
            assert!(found.remedy.contains(remedy) && found.why.contains("a disk says so"), "{found:?}");
        }
        let wrong = finding(&machine, "[gateway]\nnmae = \"x\"\n", DoctorKind::NotRunning);
        assert!(
            wrong.facts == ["configuration", ""] && wrong.remedy.contains("gatehouse check"),
            "{wrong:?}"
        );
    }

    #[test]
    fn nothing_is_told_where_it_runs_or_systemd_does_not_manage_it() {
        let machine = still();
        machine.put(PROCESSES, "812\n");
        assert_eq!(kinds(&machine, ""), []);
        machine.remove("/sys/fs/cgroup/system.slice").put("/sys/fs/cgroup/systemd/system.slice/x", "");
        machine.put("/sys/fs/cgroup/systemd/system.slice/gatehouse.service/cgroup.procs", "812\n");
        assert_eq!(kinds(&machine, ""), [], "several trees");
        machine.remove("/sys/fs/cgroup/systemd");
        assert_eq!(kinds(&machine, ""), [], "it is not known");
        let machine = still();
        machine.remove("/run/systemd/system");
        assert_eq!(kinds(&machine, ""), [], "an image that is being made");
        let machine = still();
        let elsewhere = Wanted { data: "/home/ana/house".into(), ..Wanted::default() };
        assert_eq!(not_running(&machine.machine, &elsewhere), [], "by hand");
    }
}
