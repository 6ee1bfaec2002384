//! The checks: each looks at one thing, and gives what it finds.

mod buses;
mod ports;
mod release;
mod rights;
mod running;
mod system;
mod upkeep;

use gatehouse_dashboard::wire::{DoctorKind, DoctorLevel};

use super::finding::Finding;
use super::machine::Machine;
use super::wanted::Wanted;

pub(super) use ports::holder_of;

/// Looks at everything. The worst comes first; within a level the order is that of the checks.
pub(crate) fn examine(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let checks: [fn(&Machine, &Wanted) -> Vec<Finding>; 23] = [
        running::not_running,
        |_, wanted| configuration(wanted),
        release::did_not_start,
        release::no_way_back,
        ports::taken,
        ports::mosquitto_that_starts,
        ports::left_alone,
        rights::user,
        rights::groups,
        rights::devices,
        buses::switched_off,
        buses::serial_console,
        buses::lines,
        buses::pigpiod,
        system::memory_only,
        system::disk,
        system::power,
        system::clock,
        system::network,
        system::last_run,
        system::memory_limit,
        upkeep::watchdog_and_swap,
        upkeep::journal_and_network,
    ];
    let mut found: Vec<Finding> = checks.iter().flat_map(|check| check(machine, wanted)).collect();
    found.sort_by_key(|finding| finding.level);
    found
}

/// Whether something does not work.
pub(crate) fn has_problem(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == DoctorLevel::Problem)
}

fn configuration(wanted: &Wanted) -> Vec<Finding> {
    if wanted.mistakes == 0 {
        return Vec::new();
    }
    let file = wanted.file.display();
    let count = match wanted.mistakes {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    let finding = Finding::problem(DoctorKind::ConfigurationWrong, format!("{file} has {count}."))
        .about(&file)
        .about(&wanted.mistakes)
        .because("The gateway does not start with it, and what it needs of this machine cannot be checked.")
        .so(format!("`gatehouse check {file}` shows each with its line and what to write instead."));
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::doctor::machine::fake::FakeMachine;
    use std::path::Path;

    /// What a configuration with this text wants.
    pub(super) fn wanted(text: &str) -> Wanted {
        let config = config::load(text, "test.toml");
        Wanted::of(Path::new("test.toml"), Path::new("/var/lib/gatehouse"), &config)
    }

    /// The kinds that are found, with their facts.
    pub(super) fn kinds(machine: &FakeMachine, text: &str) -> Vec<(DoctorKind, Vec<String>)> {
        let found = examine(&machine.machine, &wanted(text));
        found.into_iter().map(|finding| (finding.kind, finding.facts)).collect()
    }

    /// The one finding of this kind.
    #[track_caller]
    pub(super) fn finding(machine: &FakeMachine, text: &str, kind: DoctorKind) -> Finding {
        let found = examine(&machine.machine, &wanted(text));
        let mut of_kind = found.iter().filter(|finding| finding.kind == kind);
        let one = of_kind.next().unwrap_or_else(|| panic!("no {kind:?} in {found:?}"));
        assert_eq!(of_kind.next(), None);
        assert!(!one.why.is_empty() && !one.remedy.is_empty() && one.what.ends_with('.'), "{one:?}");
        one.clone()
    }

    #[test]
    fn on_a_machine_where_all_is_well_nothing_is_found() {
        assert_eq!(kinds(&FakeMachine::pi(), ""), []);
    }

    #[test]
    fn a_machine_of_which_nothing_is_known_is_only_given_notes() {
        let found = examine(&FakeMachine::empty().machine, &wanted(""));
        assert!(!has_problem(&found), "{found:?}");
    }

    #[test]
    fn mistakes_of_the_configuration_are_counted_and_the_worst_comes_first() {
        let machine = FakeMachine::pi();
        machine.remove("/proc/net/if_inet6");
        let found = kinds(&machine, "[gateway]\nnmae = \"x\"\n");
        let expected = (DoctorKind::ConfigurationWrong, vec!["test.toml".to_owned(), "1".to_owned()]);
        assert_eq!(found, [expected, (DoctorKind::NoIpv6, Vec::new())]);
    }
}
