//! Findings and plans as they are shown: in the words of the API, and as text.

use gatehouse_dashboard::wire::{
    DoctorChange, DoctorFinding, DoctorLevel, DoctorMend, DoctorReport, DoctorRestart,
};

use super::finding::Finding;
use super::machine::Machine;
use super::mend::{Mend, Plan, typed};

/// In the words of the API.
pub(super) fn report(findings: &[Finding], machine: &Machine, no_helper: Option<String>) -> DoctorReport {
    DoctorReport { findings: findings.iter().map(|finding| view(finding, machine)).collect(), no_helper }
}

fn view(finding: &Finding, machine: &Machine) -> DoctorFinding {
    let plan = finding.mend.map(|mend| (mend, mend.plan(machine)));
    let (mend, remedy) = match plan {
        Some((mend, Ok(plan))) => (Some(mend_view(mend, &plan)), finding.remedy.clone()),
        // What cannot be planned is left to people, who learn why.
        Some((_, Err(problem))) => (None, format!("{} {problem}", finding.remedy)),
        None => (None, finding.remedy.clone()),
    };
    DoctorFinding {
        kind: finding.kind,
        level: finding.level,
        facts: finding.facts.clone(),
        what: finding.what.clone(),
        why: finding.why.clone(),
        remedy,
        mend,
    }
}

fn mend_view(mend: Mend, plan: &Plan) -> DoctorMend {
    let changes = plan.changes.iter().map(|change| {
        let (removed, added) = change.lines();
        DoctorChange { file: change.file.clone(), is_new: change.old.is_none(), removed, added }
    });
    DoctorMend {
        word: mend.to_string(),
        changes: changes.collect(),
        commands: plan.commands.iter().map(|command| typed(command)).collect(),
        restart: plan.restart,
        by_hand: by_hand(mend),
    }
}

fn by_hand(mend: Mend) -> String {
    format!("sudo gatehouse doctor --mend {mend}")
}

/// For a terminal.
pub(super) fn text(findings: &[Finding], machine: &Machine) -> String {
    if findings.is_empty() {
        return "All is well.\n".to_owned();
    }
    let mut text = String::new();
    for finding in report(findings, machine, None).findings {
        let level = match finding.level {
            DoctorLevel::Problem => "Problem",
            DoctorLevel::Warning => "Warning",
            DoctorLevel::Note => "Note",
        };
        text.push_str(&format!("{level}: {}\n  {}\n  {}\n", finding.what, finding.why, finding.remedy));
        if let Some(mend) = finding.mend {
            text.push_str(&format!("  Mend it: {}\n", mend.by_hand));
        }
        text.push('\n');
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(DoctorLevel::Problem), count(DoctorLevel::Warning));
    let plural = |count, word| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let notes = count(DoctorLevel::Note);
    text + &format!(
        "{}, {}, {}.\n",
        plural(problems, "problem"),
        plural(warnings, "warning"),
        plural(notes, "note")
    )
}

/// Exactly what a plan does.
pub(super) fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let (removed, added) = change.lines();
        let what = if change.old.is_some() { "Change" } else { "Make" };
        text.push_str(&format!("  {what} {}\n", change.file));
        removed.iter().for_each(|line| text.push_str(&format!("    - {line}\n")));
        added.iter().for_each(|line| text.push_str(&format!("    + {line}\n")));
        if change.old.is_some() {
            text.push_str(&format!(
                "    and keep it as it was before the gateway's changes in {}.before-gatehouse\n",
                change.file
            ));
        }
    }
    plan.commands.iter().for_each(|command| text.push_str(&format!("  Run {}\n", typed(command))));
    text.push_str(match plan.restart {
        _ if plan.changes.is_empty() && plan.commands.is_empty() => {
            "  Nothing has to be done: it is so already.\n"
        }
        DoctorRestart::Nothing => "  It takes effect at once.\n",
        DoctorRestart::Gateway => "  It takes effect when the gateway starts again.\n",
        DoctorRestart::Machine => "  It takes effect when the machine starts again.\n",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::examine;
    use crate::doctor::machine::fake::FakeMachine;
    use crate::doctor::wanted::Wanted;

    #[test]
    fn findings_are_told_with_their_mend() {
        let machine = FakeMachine::pi();
        assert_eq!(text(&examine(&machine.machine, &Wanted::default()), &machine.machine), "All is well.\n");
        machine.remove("/dev/spidev0.0").put("/boot/firmware/config.txt", "");
        let findings = examine(&machine.machine, &Wanted::default());
        let told = text(&findings, &machine.machine);
        assert!(told.starts_with("Note: SPI is switched off.\n"), "{told}");
        assert!(told.contains("\n  Mend it: sudo gatehouse doctor --mend enable-spi\n"), "{told}");
        assert!(told.ends_with("0 problems, 0 warnings, 1 note.\n"), "{told}");
        let view = report(&findings, &machine.machine, None).findings;
        let mend = view[0].mend.as_ref().unwrap();
        assert_eq!(mend.changes[0].file, "/boot/firmware/config.txt");
        assert!(mend.changes[0].added.contains(&"dtparam=spi=on".to_owned()), "{mend:?}");
        let plan = plan_text(&Mend::EnableSpi.plan(&machine.machine).unwrap());
        assert!(plan.contains("    + dtparam=spi=on\n") && plan.contains("before-gatehouse"), "{plan}");
    }

    #[test]
    fn a_mend_that_is_not_possible_here_is_left_to_people() {
        let machine = FakeMachine::pi();
        machine.remove("/dev/spidev0.0").remove("/boot/firmware/config.txt");
        let view = report(&examine(&machine.machine, &Wanted::default()), &machine.machine, None).findings;
        assert_eq!(view[0].mend, None);
        assert!(view[0].remedy.contains("no config.txt"), "{}", view[0].remedy);
    }
}
