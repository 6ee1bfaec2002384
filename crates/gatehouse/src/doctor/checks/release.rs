//! A release that was installed and does not start, and one from which there is no way back.

use gatehouse_dashboard::wire::DoctorKind;

use crate::as_owner::as_owner_of;
use crate::doctor::finding::Finding;
use crate::doctor::machine::Machine;
use crate::doctor::wanted::Wanted;
use crate::releases::{FallenBack, Unkept};

/// The newest release did not start, and the one before it runs in its place.
pub(super) fn did_not_start(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let data = machine.path(&wanted.notes().to_string_lossy());
    let told = as_owner_of(&data, || Ok(FallenBack::of_either_release(&data)));
    let Ok(Some(FallenBack { failed, runs, reason, at })) = told else { return Vec::new() };
    let finding = Finding::problem(
        DoctorKind::ReleaseFailed,
        format!("Release {failed} did not start, so release {runs} runs in its place since {at}."),
    )
    .about(&failed)
    .about(&runs)
    .about(&reason)
    .because(format!("It gave this reason: {reason}"))
    .so("Mend the reason, or take a package that has it mended, and install it (`sudo apt install --reinstall ./gatehouse_….deb`): \
         the newest release is tried again with every package that is installed.");
    vec![finding]
}

/// The upgrade to this release kept no copy of what was before.
pub(super) fn no_way_back(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let data = machine.path(&wanted.notes().to_string_lossy());
    let told = as_owner_of(&data, || Ok(Unkept::of_this_release(&data)));
    let Ok(Some(Unkept { version, reason, .. })) = told else { return Vec::new() };
    let finding = Finding::warning(
        DoctorKind::NoWayBack,
        format!("The upgrade to release {version} kept no copy of what was before it."),
    )
    .about(&version)
    .about(&reason)
    .because(format!(
        "The reason: {reason}. Everything works, but `gatehouse rollback` has nothing to go back to."
    ))
    .so("Before the next upgrade, make a backup (`sudo gatehouse backup`) and room on the disk.");
    vec![finding]
}

#[cfg(test)]
mod tests {
    use gatehouse_dashboard::wire::DoctorKind;

    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    #[test]
    fn an_upgrade_that_kept_no_copy_is_told_while_its_release_is_asked() {
        let machine = FakeMachine::pi();
        let note = |version: &str| {
            let note = format!(
                "{{\"version\":\"{version}\",\"reason\":\"no room\",\"at\":\"2026-11-22T09:14:00.000Z\"}}"
            );
            machine.put("/var/lib/gatehouse/no-way-back.json", &note);
        };
        let this = env!("CARGO_PKG_VERSION");
        note(this);
        assert_eq!(finding(&machine, "", DoctorKind::NoWayBack).facts, [this, "no room"]);
        note("9.0.0");
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_release_that_did_not_start_is_told_while_the_one_before_it_runs() {
        let machine = FakeMachine::pi();
        let note = |failed: &str, runs: &str| {
            let note = format!(
                "{{\"failed\":\"{failed}\",\"runs\":\"{runs}\",\"reason\":\"a bus hangs\",\"at\":\"2026-11-22T09:14:00.000Z\"}}"
            );
            machine.put("/var/lib/gatehouse/fallen-back.json", &note);
        };
        let this = env!("CARGO_PKG_VERSION");
        note("9.0.0", this);
        let found = finding(&machine, "", DoctorKind::ReleaseFailed);
        assert_eq!(found.facts, ["9.0.0", this, "a bus hangs"]);
        // `sudo gatehouse doctor` is the program that is installed: the release that did not start said nothing of it.
        note(this, "0.0.1");
        let found = finding(&machine, "", DoctorKind::ReleaseFailed);
        assert_eq!(found.facts, [this, "0.0.1", "a bus hangs"]);
        note("9.0.0", "0.0.1");
        assert_eq!(kinds(&machine, ""), []);
    }
}
