//! What makes a machine run for years alone: swap, watchdog, journal.

use gatehouse_dashboard::wire::DoctorKind;

use crate::doctor::finding::Finding;
use crate::doctor::machine::Machine;
use crate::doctor::wanted::Wanted;

/// Swap on the card, and a watchdog that nobody feeds.
pub(super) fn watchdog_and_swap(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    let swaps = machine.text("/proc/swaps").unwrap_or_default();
    let places = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let on_card = places.map(str::to_owned).find(|place| is_on_card(machine, place));
    let swap = on_card.map(|place| {
        Finding::note(DoctorKind::SwapOnCard, format!("Swap lies on the card: {place}."))
            .about(&place)
            .because("A machine that swaps writes without end, which wears the card out, and everything waits for it.")
            .so("Where memory suffices, switch it off (`sudo swapoff -a`, and `sudo systemctl disable dphys-swapfile` where \
                 that makes it); zram, in memory, costs the card nothing.")
    });
    let watchdog = machine.word("/sys/class/watchdog/watchdog0/state").filter(|state| state == "inactive");
    let watchdog = watchdog.map(|_| {
        Finding::note(DoctorKind::WatchdogUnused, "The hardware watchdog of this board is not used.")
            .because("When the whole machine hangs, nobody starts it again; the gateway's own watchdog only starts the gateway.")
            .so("Write RuntimeWatchdogSec=15 below [Manager] into /etc/systemd/system.conf.d/watchdog.conf and restart the machine.")
    });
    swap.into_iter().chain(watchdog).collect()
}

/// Whether swap at this place wears a memory card. A file lies on the disk of the system.
fn is_on_card(machine: &Machine, place: &str) -> bool {
    let is_card = |device: &str| device.starts_with("/dev/mmcblk");
    if place.starts_with("/dev/") {
        return is_card(place);
    }
    let text = machine.text("/proc/self/mountinfo").unwrap_or_default();
    let mut root = text.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        (mount.split_whitespace().nth(4)? == "/").then(|| file_system.split_whitespace().nth(1))?
    });
    root.next_back().is_some_and(is_card)
}

/// A journal that forgets, and a machine without IPv6.
pub(super) fn journal_and_network(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    let forgets = machine.has("/run/log/journal") && !machine.has("/var/log/journal");
    let journal = forgets.then(|| {
        Finding::note(DoctorKind::JournalVolatile, "The journal is lost with each restart of the machine.")
            .because("What was logged before a crash or a power cut cannot be read afterwards. It spares the card.")
            .so("To keep it: Storage=persistent and SystemMaxUse=50M below [Journal] in /etc/systemd/journald.conf.d/keep.conf.")
    });
    let is_linux = machine.has("/proc/self/mountinfo");
    let network = (is_linux && !machine.has("/proc/net/if_inet6")).then(|| {
        Finding::note(DoctorKind::NoIpv6, "This machine has no IPv6.")
            .because("The gateway listens on IPv4 alone; a phone that knows only its IPv6 address does not reach it.")
            .so("Nothing has to be done. To have it, take `ipv6.disable=1` out of cmdline.txt where it stands.")
    });
    journal.into_iter().chain(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    #[test]
    fn swap_is_told_where_it_wears_the_card() {
        let machine = FakeMachine::pi();
        let swaps =
            |place: &str| format!("Filename\tType\tSize\tUsed\tPriority\n{place}\tfile\t102396\t0\t-2\n");
        machine.put("/proc/swaps", &swaps("/var/swap"));
        assert_eq!(finding(&machine, "", DoctorKind::SwapOnCard).facts, ["/var/swap"]);
        machine.put("/proc/swaps", &swaps("/dev/zram0"));
        assert_eq!(kinds(&machine, ""), []);
        machine.put("/proc/swaps", &swaps("/var/swap"));
        machine.put("/proc/self/mountinfo", "25 1 8:2 / / rw - ext4 /dev/sda2 rw\n");
        assert_eq!(kinds(&machine, ""), [], "an SSD");
    }

    #[test]
    fn watchdog_journal_and_network_are_notes() {
        let machine = FakeMachine::pi();
        machine.put("/sys/class/watchdog/watchdog0/state", "inactive\n");
        machine.remove("/var/log/journal").put("/run/log/journal/x", "").remove("/proc/net/if_inet6");
        let found: Vec<DoctorKind> = kinds(&machine, "").into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(found, [DoctorKind::WatchdogUnused, DoctorKind::JournalVolatile, DoctorKind::NoIpv6]);
        for kind in found {
            finding(&machine, "", kind);
        }
    }
}
