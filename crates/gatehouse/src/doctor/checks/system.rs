//! Disk, power supply, clock, network, the end of the last run, memory limit.

use gatehouse_dashboard::wire::DoctorKind;

use crate::as_owner::as_owner_of;
use crate::conditions::is_nearly_full;
use crate::conditions::last_run::{self, Ending};
use crate::doctor::finding::Finding;
use crate::doctor::machine::{Disk, Machine};
use crate::doctor::mend::{Mend, boot};
use crate::doctor::wanted::Wanted;
use crate::mounts::{self, Mount};

/// Under-voltage now, and since the start of the machine (bits of `vcgencmd get_throttled`, Raspberry Pi documentation).
const UNDER_VOLTAGE_NOW: u32 = 1;
const UNDER_VOLTAGE_SINCE_START: u32 = 1 << 16;

/// The disk that holds the data.
pub(super) fn disk(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let mount = machine.text(mounts::TABLE).and_then(|table| Mount::of(&table, &wanted.data));
    let read_only = mount.filter(|mount| mount.is_read_only);
    let read_only = read_only.map(|mount| {
        Finding::problem(
            DoctorKind::DiskReadOnly,
            format!("The file system at {} is read-only.", mount.place),
        )
        .about(&mount.place)
        .because("Nothing can be kept there: no history, no accounts, no retained messages.")
        .so("The kernel does this to a file system with errors: `sudo dmesg` says which, and a restart of the machine \
             checks it. If it happens again, the card is worn out: make a backup and write it to a new one.")
    });
    let is_full = |disk: &Disk| is_nearly_full(disk.free, disk.total);
    let full = machine.disk.filter(is_full).map(|disk| {
        let free = format!("{} MB", disk.free / 1_000_000);
        Finding::warning(DoctorKind::DiskNearlyFull, format!("The disk with the data has {free} left."))
            .about(&free)
            .because("When it is full the history stops, and clients are told that nothing can be kept for them.")
            .so("Make room: `sudo apt clean`, `sudo journalctl --vacuum-size=100M`; or let the history keep less ([history]).")
    });
    read_only.into_iter().chain(full).collect()
}

/// A gateway that found no disk to write to.
pub(super) fn memory_only(_: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let found = wanted.in_memory.as_ref().map(|_| {
        let data = wanted.data.display();
        let what = format!("The gateway runs from memory, since the disk with {data} could not be written at its start.");
        Finding::problem(DoctorKind::RunsFromMemory, what)
            .about(&data)
            .because("Nothing that happens now is kept when it ends: no history, no messages. Changes of the configuration and new \
                      people, phones and tokens are refused; what is taken away from them is so until the restart.")
            .so("Make a backup now (System → Backup). Where the disk is full, make room and restart the gateway; else restart the \
                 machine, which checks the disk. If it comes back to this, the card is worn out: write the backup to a new one.")
    });
    found.into_iter().collect()
}

/// The power supply.
pub(super) fn power(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    let flags = machine.word("/sys/devices/platform/soc/soc:firmware/get_throttled");
    let flags =
        flags.and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    let (now, since) = (flags & UNDER_VOLTAGE_NOW != 0, flags & UNDER_VOLTAGE_SINCE_START != 0);
    if !now && !since && !has_alarm(machine) {
        return Vec::new();
    }
    let what = if now || !since {
        "The power supply gives too little voltage."
    } else {
        "The power supply gave too little voltage since the machine was started."
    };
    let finding = Finding::warning(DoctorKind::UnderVoltage, what)
        .because("The processor is slowed down, USB devices drop out, and a write that is cut short can spoil the card.")
        .so("Use the board's own power supply and a short, thick cable; give what draws much a supply of its own.");
    vec![finding]
}

/// The alarm of the kernel's own driver, which every kernel has.
fn has_alarm(machine: &Machine) -> bool {
    machine.names("/sys/class/hwmon").iter().any(|chip| {
        let value = |file: &str| machine.word(&format!("/sys/class/hwmon/{chip}/{file}"));
        value("name").as_deref() == Some("rpi_volt") && value("in0_lcrit_alarm").as_deref() == Some("1")
    })
}

/// The clock.
pub(super) fn clock(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    // Another keeper of time than systemd's says nothing here; a clock chip keeps the time without any.
    let keeps_time = machine.has("/run/systemd/timesync");
    let is_set = machine.has("/run/systemd/timesync/synchronized");
    if is_set || !keeps_time || !machine.names("/sys/class/rtc").is_empty() {
        return Vec::new();
    }
    let finding = Finding::warning(DoctorKind::ClockNotSet, "The clock is not set, and there is no clock chip.")
        .because(
            "After a power cut this machine comes up with the time of its last hour. Readings wait until the clock is \
             set, and certificates may not hold yet.",
        )
        .so("Let the machine reach a time server (`timedatectl` says whether it does), or add a clock chip such as a DS3231.");
    vec![finding]
}

/// The network.
pub(super) fn network(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    if machine.has_network != Some(false) {
        return Vec::new();
    }
    let finding = Finding::problem(DoctorKind::NetworkGone, "This machine has no network.")
        .because(
            "Phones, Wi-Fi devices and time servers are out of reach. Sensors, outputs, interlocks and history on the \
             machine itself go on.",
        )
        .so("Check the cable or the Wi-Fi, and the router: `ip address` shows what this machine has.");
    vec![finding]
}

/// How the gateway's last run ended.
pub(super) fn last_run(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let data = machine.path(&wanted.notes().to_string_lossy());
    let Ok(Some(ending)) = as_owner_of(&data, || Ok(last_run::of(&data))) else { return Vec::new() };
    let what = format!("The gateway's last run {}.", ending.what());
    let finding = match ending {
        Ending::CutOff => Finding::note(DoctorKind::LastRunEnded, what)
            .because("Everything that was acknowledged is there; history lacks the last moments at most.")
            .so("Nothing has to be done. `sudo shutdown now` stops a machine in order."),
        Ending::OutOfMemory | Ending::Hung | Ending::Crashed => Finding::warning(DoctorKind::LastRunEnded, what)
            .because("It was started again by itself, with its outputs driven safe in between.")
            .so("`journalctl -u gatehouse -b all` tells what came before. Where it happens again, report it with that."),
    };
    vec![finding.about(&ending.as_str())]
}

/// Whether the kernel counts memory, so that a limit can hold.
pub(super) fn memory_limit(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    let counts = |text: String| text.split_whitespace().any(|controller| controller == "memory");
    if machine.text("/sys/fs/cgroup/cgroup.controllers").is_none_or(counts) {
        return Vec::new();
    }
    let finding = Finding::note(DoctorKind::MemoryLimitOff, "The kernel counts no memory for services.")
        .because(
            "The limit of the service (MemoryMax) has no effect: a leak, here or in another service, takes the whole \
             machine down and not the service alone.",
        )
        .so("Add cgroup_enable=memory at the end of the one line of /boot/firmware/cmdline.txt and restart the machine.")
        .mended_by(boot::has_command_line(machine).then_some(Mend::EnableMemoryLimit));
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    #[test]
    fn a_disk_that_is_nearly_full_or_read_only_is_told() {
        let mut machine = FakeMachine::pi();
        machine.machine.disk = Some(Disk { free: 90_000_000, total: 16_000_000_000 });
        assert_eq!(finding(&machine, "", DoctorKind::DiskNearlyFull).facts, ["90 MB"]);
        // A small partition of its own is full later.
        machine.machine.disk = Some(Disk { free: 90_000_000, total: 500_000_000 });
        assert_eq!(kinds(&machine, ""), []);
        let root = "25 1 179:2 / / rw - ext4 /dev/root ro,errors=remount-ro\n";
        machine.put("/proc/self/mountinfo", root);
        assert_eq!(finding(&machine, "", DoctorKind::DiskReadOnly).facts, ["/"]);
        // Another file system lies above the data, and one beside it does not matter.
        let own = format!(
            "{root}26 1 8:1 / /var/lib ro - ext4 /dev/sda1 rw\n27 1 8:2 / /var/lib/gatehouse2 rw - ext4 /dev/sdb ro\n"
        );
        machine.put("/proc/self/mountinfo", &own);
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_gateway_that_runs_from_memory_says_so() {
        let wanted = Wanted {
            in_memory: Some("/run/gatehouse/memory".into()),
            ..crate::doctor::checks::tests::wanted("")
        };
        let found = memory_only(&FakeMachine::pi().machine, &wanted);
        let kinds: Vec<_> = found.iter().map(|finding| (finding.kind, &*finding.facts)).collect();
        assert_eq!(kinds, [(DoctorKind::RunsFromMemory, &["/var/lib/gatehouse".to_owned()][..])]);
    }

    #[test]
    fn a_weak_power_supply_is_told_now_and_afterwards() {
        let machine = FakeMachine::pi();
        let flags = "/sys/devices/platform/soc/soc:firmware/get_throttled";
        machine.put(flags, "50000\n");
        assert!(finding(&machine, "", DoctorKind::UnderVoltage).what.contains("since"));
        machine.put(flags, "50005\n");
        assert!(!finding(&machine, "", DoctorKind::UnderVoltage).what.contains("since"));
        // Hot, not weak.
        machine.put(flags, "80008\n");
        assert_eq!(kinds(&machine, ""), []);
        machine.put("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        machine.put("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        finding(&machine, "", DoctorKind::UnderVoltage);
    }

    #[test]
    fn a_clock_that_is_not_set_is_told_unless_a_chip_keeps_time() {
        let machine = FakeMachine::pi();
        machine.remove("/run/systemd/timesync/synchronized");
        finding(&machine, "", DoctorKind::ClockNotSet);
        machine.put("/sys/class/rtc/rtc0/name", "ds3231\n");
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_network_that_is_gone_is_told() {
        let mut machine = FakeMachine::pi();
        machine.machine.has_network = Some(true);
        assert_eq!(kinds(&machine, ""), []);
        machine.machine.has_network = Some(false);
        finding(&machine, "", DoctorKind::NetworkGone);
    }

    #[test]
    fn a_run_that_did_not_end_in_order_is_told() {
        let machine = FakeMachine::pi();
        let mark = |ending: &str| {
            let text = format!(r#"{{"boot":"a","since":"2026-11-21T09:14:00Z"{ending}}}"#);
            machine.put("/var/lib/gatehouse/run.json", &text);
        };
        mark("");
        assert_eq!(kinds(&machine, ""), []);
        mark(r#","before":"out-of-memory""#);
        assert_eq!(finding(&machine, "", DoctorKind::LastRunEnded).facts, ["out-of-memory"]);
        mark(r#","before":"cut-off""#);
        assert!(finding(&machine, "", DoctorKind::LastRunEnded).what.contains("power"));
    }

    #[test]
    fn a_kernel_that_counts_no_memory_is_told_with_its_mend() {
        let machine = FakeMachine::pi();
        machine.put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
        assert_eq!(finding(&machine, "", DoctorKind::MemoryLimitOff).mend, Some(Mend::EnableMemoryLimit));
        machine.remove("/boot/firmware/cmdline.txt");
        assert_eq!(finding(&machine, "", DoctorKind::MemoryLimitOff).mend, None, "no Pi");
    }
}
