//! The service's user, the groups of the devices, and the devices themselves.

use gatehouse_dashboard::wire::DoctorKind;

use crate::doctor::finding::{Finding, list};
use crate::doctor::machine::{GROUPS, Machine, SERVICE_USER, User};
use crate::doctor::mend::Mend;
use crate::doctor::wanted::Wanted;

/// The unit that the package installs, and where people change it.
pub(super) const UNIT: &str = "/usr/lib/systemd/system/gatehouse.service";
pub(super) const UNIT_OF_ADMINISTRATOR: &str = "/etc/systemd/system/gatehouse.service";
const UNIT_CHANGES: &str = "/etc/systemd/system/gatehouse.service.d";

/// Whether the package is installed here. Elsewhere the gateway runs as whoever starts it.
fn is_installed(machine: &Machine) -> bool {
    machine.has(UNIT)
}

/// The service's own user.
pub(super) fn user(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    if !is_installed(machine) || machine.user(SERVICE_USER).is_some() {
        return Vec::new();
    }
    let finding = Finding::problem(DoctorKind::UserMissing, format!("The user `{SERVICE_USER}` is missing."))
        .about(&SERVICE_USER)
        .because("The service runs as this user, and cannot start without it.")
        .so("`sudo systemd-sysusers gatehouse.conf` makes it, with the groups of the devices.")
        .mended_by(Mend::Groups);
    vec![finding]
}

/// Groups that are missing, or that the service is not in.
pub(super) fn groups(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    if !is_installed(machine) {
        return Vec::new();
    }
    let missing = names(|group| machine.group(group).is_none());
    if !missing.is_empty() {
        let which = list(&missing);
        let finding = Finding::problem(DoctorKind::GroupsMissing, format!("Groups are missing: {which}."))
            .about(&which)
            .because("The unit of the service names them; systemd does not start a service with a group that is not there.")
            .so("`sudo systemd-sysusers gatehouse.conf` makes them.")
            .mended_by(Mend::Groups);
        return vec![finding];
    }
    let of_unit = groups_of_unit(machine);
    let outside =
        names(|group| !of_unit.iter().any(|one| one == group) && !machine.is_member(SERVICE_USER, group));
    if outside.is_empty() || machine.user(SERVICE_USER).is_none() {
        return Vec::new();
    }
    let which = list(&outside);
    let finding = Finding::warning(
        DoctorKind::NotInGroups,
        format!("The service's user is not in these groups of devices: {which}."),
    )
    .about(&which)
    .because("Devices of these groups cannot be opened. The unit of the package names the groups; here it was changed.")
    .so(format!("`sudo usermod --append --groups {} {SERVICE_USER}`, then restart the gateway.", outside.join(",")))
    .mended_by(Mend::Groups);
    vec![finding]
}

fn names(is_one: impl Fn(&str) -> bool) -> Vec<String> {
    GROUPS.into_iter().filter(|group| is_one(group)).map(str::to_owned).collect()
}

/// The groups that the unit gives the service. An empty assignment takes back what stands before (systemd.exec(5)).
fn groups_of_unit(machine: &Machine) -> Vec<String> {
    let unit = machine.text(UNIT_OF_ADMINISTRATOR).or_else(|| machine.text(UNIT));
    let changes = machine.names(UNIT_CHANGES).into_iter().filter(|name| name.ends_with(".conf"));
    let changes = changes.filter_map(|name| machine.text(&format!("{UNIT_CHANGES}/{name}")));
    let mut groups = Vec::new();
    for text in unit.into_iter().chain(changes) {
        for value in text.lines().filter_map(|line| line.trim().strip_prefix("SupplementaryGroups=")) {
            if value.trim().is_empty() {
                groups.clear();
            }
            groups.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    groups
}

/// Devices that the service may not open although the configuration needs them.
pub(super) fn devices(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let Some((uid, gid)) = machine.user(SERVICE_USER).filter(|_| is_installed(machine)) else {
        return Vec::new();
    };
    let of_unit = groups_of_unit(machine);
    let has = |group: &&str| of_unit.iter().any(|one| one == group) || machine.is_member(SERVICE_USER, group);
    let gids = GROUPS.iter().filter(|group| has(group)).filter_map(|group| machine.group(group));
    let user = User { uid, gids: gids.chain([gid]).collect() };
    let needed = [
        (!wanted.lines.is_empty(), "gpiochip"),
        (!wanted.i2c.is_empty(), "i2c-1"),
        (!wanted.spi.is_empty(), "spidev"),
        (!wanted.serial.is_empty(), "serial0"),
    ];
    let needed = needed.into_iter().filter(|(is_needed, _)| *is_needed);
    // Of several chips and of several chip selects all belong to the same group.
    let first = |start: &str| machine.names("/dev").into_iter().find(|name| name.starts_with(start));
    let devices = needed.filter_map(|(_, start)| Some(format!("/dev/{}", first(start)?)));
    let forbidden = devices.filter(|device| !machine.may_use(&user, device));
    forbidden.map(|device| forbidden_finding(machine, &device)).collect()
}

fn forbidden_finding(machine: &Machine, device: &str) -> Finding {
    let group = machine.group_of(device).unwrap_or_default();
    Finding::problem(
        DoctorKind::DeviceForbidden,
        format!("The service's user may not open {device}, which belongs to the group `{group}`."),
    )
    .about(&device)
    .about(&group)
    .because("What is configured there does not work.")
    .so("The package's udev rule (60-gatehouse.rules) gives the device to a group of the service: let udev apply it \
         again, or restart the machine.")
    .mended_by(Mend::Groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    const AIR: &str = "[[device]]\nid = \"air\"\ndriver = \"bme280\"\nbus = \"i2c-1\"\naddress = 0x76\n";

    #[test]
    fn a_missing_user_and_missing_groups_are_told() {
        let machine = FakeMachine::pi();
        machine.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        assert_eq!(finding(&machine, "", DoctorKind::UserMissing).mend, Some(Mend::Groups));
        let machine = FakeMachine::pi();
        machine.put("/etc/group", "dialout:x:20:\ni2c:x:990:\n");
        assert_eq!(finding(&machine, "", DoctorKind::GroupsMissing).facts, ["gpio, spi"]);
        // Whoever runs it from a directory of his own has no such user, and needs none.
        machine.remove("/usr/lib/systemd/system/gatehouse.service").put("/etc/passwd", "");
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_changed_unit_needs_members() {
        let machine = FakeMachine::pi();
        let change = "/etc/systemd/system/gatehouse.service.d/override.conf";
        machine.put(change, "[Service]\nSupplementaryGroups=\nSupplementaryGroups=gpio\n");
        assert_eq!(finding(&machine, "", DoctorKind::NotInGroups).facts, ["i2c, spi, dialout"]);
        let groups = machine.read("/etc/group");
        let with_members: String = groups.lines().map(|line| format!("{line}pi,gatehouse\n")).collect();
        machine.put("/etc/group", &with_members);
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_device_of_another_group_is_told_only_where_it_is_needed() {
        let machine = FakeMachine::pi();
        machine.mode("/dev/i2c-1", 0o600);
        let found = finding(&machine, AIR, DoctorKind::DeviceForbidden);
        assert_eq!((found.facts[0].as_str(), found.mend), ("/dev/i2c-1", Some(Mend::Groups)));
        assert_eq!(kinds(&machine, ""), []);
        machine.mode("/dev/i2c-1", 0o666);
        assert_eq!(kinds(&machine, AIR), []);
    }
}
