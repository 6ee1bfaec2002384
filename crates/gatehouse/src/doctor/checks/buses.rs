//! Buses that are switched off, and lines and ports that others have.

use gatehouse_dashboard::wire::DoctorKind;

use crate::doctor::finding::{Finding, list};
use crate::doctor::machine::Machine;
use crate::doctor::mend::{Mend, boot};
use crate::doctor::wanted::Wanted;

/// The line of 1-Wire when nobody says another one (the overlay w1-gpio's own default).
const ONE_WIRE_LINE: u8 = 4;

/// The name under which the gateway itself holds lines.
const OURS: &str = "gatehouse";

/// A bus of the header.
struct Bus {
    kind: DoctorKind,
    name: &'static str,
    is_there: fn(&Machine) -> bool,
    mend: Mend,
    /// What has to be in config.txt.
    line: String,
    /// Whether its absence is worth a note although nothing is configured on it.
    is_usual: bool,
}

/// Buses of a Raspberry Pi that are switched off: a problem where a device waits for one, and a note for I²C and SPI.
pub(super) fn switched_off(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    if !machine.is_pi() {
        return Vec::new();
    }
    let is_free = !wanted.taken_lines().contains(&u32::from(ONE_WIRE_LINE));
    let config = boot::config_text(machine);
    let buses = [
        (
            bus(DoctorKind::I2cOff, "I²C", |machine| machine.has("/dev/i2c-1"), Mend::EnableI2c, true),
            &wanted.i2c,
        ),
        (bus(DoctorKind::SpiOff, "SPI", has_spi, Mend::EnableSpi, true), &wanted.spi),
        (
            bus(
                DoctorKind::SerialOff,
                "The serial port of the header",
                has_serial,
                Mend::EnableSerial,
                false,
            ),
            &wanted.serial,
        ),
        (
            bus(DoctorKind::OneWireOff, "1-Wire", has_one_wire, Mend::EnableOneWire(ONE_WIRE_LINE), false),
            &wanted.one_wire,
        ),
    ];
    let found = buses.into_iter().filter_map(|(bus, waiting)| {
        if (bus.is_there)(machine) || (waiting.is_empty() && !bus.is_usual) {
            return None;
        }
        let is_in_file = config.as_deref().is_some_and(|text| boot::is_on(text, bus.mend));
        let only_its_device_is_missing = bus.kind == DoctorKind::I2cOff && has_i2c_adapter(machine);
        if is_in_file && !only_its_device_is_missing {
            return Some(after_restart(&bus));
        }
        let mend = (bus.kind != DoctorKind::OneWireOff || is_free).then_some(bus.mend);
        Some(off(&bus, waiting, mend))
    });
    found.collect()
}

fn bus(
    kind: DoctorKind,
    name: &'static str,
    is_there: fn(&Machine) -> bool,
    mend: Mend,
    is_usual: bool,
) -> Bus {
    Bus { kind, name, is_there, mend, line: boot::line(mend).unwrap_or_default(), is_usual }
}

fn off(bus: &Bus, waiting: &[String], mend: Option<Mend>) -> Finding {
    let (name, line) = (bus.name, &bus.line);
    let what = format!("{name} is switched off.");
    let finding = if waiting.is_empty() {
        Finding::note(bus.kind, what)
            .because("Nothing is configured on it; what is connected there is not found.")
    } else {
        let waiting = list(waiting);
        Finding::problem(bus.kind, what)
            .about(&waiting)
            .because(format!("Configured on it, and not working: {waiting}."))
    };
    let finding = if waiting.is_empty() { finding.about(&"") } else { finding };
    let hint = if bus.kind == DoctorKind::OneWireOff && mend.is_none() {
        " GPIO 4, its usual line, belongs to another device: write the number of a free one behind gpiopin=."
    } else {
        ""
    };
    finding
        .so(format!("Write the line `{line}` into /boot/firmware/config.txt and restart the machine.{hint}"))
        .mended_by(mend)
}

fn after_restart(bus: &Bus) -> Finding {
    let name = bus.name;
    Finding::warning(
        DoctorKind::BusAfterRestart,
        format!("{name} is switched on in config.txt, and not there yet."),
    )
    .about(&name)
    .because("The firmware reads that file when the machine starts.")
    .so("Restart the machine (`sudo reboot`). If that was done already, look for a later line that switches it off again.")
}

fn has_i2c_adapter(machine: &Machine) -> bool {
    machine.has("/sys/bus/i2c/devices/i2c-1")
}

fn has_spi(machine: &Machine) -> bool {
    machine.names("/dev").iter().any(|name| name.starts_with("spidev"))
}

fn has_serial(machine: &Machine) -> bool {
    machine.has("/dev/serial0")
}

fn has_one_wire(machine: &Machine) -> bool {
    machine.names("/sys/bus/w1/devices").iter().any(|name| name.starts_with("w1_bus_master"))
}

/// The system's console at the port of a device.
pub(super) fn serial_console(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let cmdline = machine.text("/proc/cmdline").unwrap_or_default();
    let has_console =
        cmdline.split_whitespace().filter_map(|word| word.strip_prefix("console=")).any(|port| {
            ["serial0", "ttyAMA0", "ttyS0", "ttyAMA10"].contains(&port.split(',').next().unwrap_or_default())
        });
    if wanted.serial.is_empty() || !has_console {
        return Vec::new();
    }
    let waiting = list(&wanted.serial);
    let finding = Finding::problem(
        DoctorKind::SerialConsole,
        "The system's console is at the serial port of the header.",
    )
    .about(&waiting)
    .because(format!("It writes into what these devices say, and reads their answers: {waiting}."))
    .so("Take `console=serial0,115200` out of /boot/firmware/cmdline.txt, which must stay one line, and restart the \
         machine.");
    vec![finding]
}

/// Lines that something else has.
pub(super) fn lines(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let taken = wanted.lines.iter().filter_map(|(line, device)| {
        let (_, owner) = machine.held_lines.iter().find(|(held, _)| held == line)?;
        if owner.contains(OURS) {
            return None;
        }
        let finding = Finding::problem(DoctorKind::LineTaken, format!("GPIO {line} is held by `{owner}`."))
            .about(&line)
            .about(&owner)
            .about(&device)
            .because(format!("The device `{device}` is configured there, and cannot have it."))
            .so("Stop that program, remove its dtoverlay from config.txt, or choose another pin.");
        Some(finding)
    });
    taken.collect()
}

/// pigpiod drives pins behind the kernel's back.
pub(super) fn pigpiod(machine: &Machine, _: &Wanted) -> Vec<Finding> {
    let runs = machine.has_process("pigpiod");
    if !runs && !machine.is_enabled("pigpiod") {
        return Vec::new();
    }
    let what = if runs { "pigpiod runs." } else { "pigpiod starts with the machine." };
    let finding = Finding::warning(DoctorKind::Pigpiod, what)
        .because(
            "It drives pins behind the kernel's back, so that neither the kernel nor the gateway knows whose a pin is: \
             it can switch an output that the gateway holds.",
        )
        .so("If nothing needs it any more, stop it and keep it from starting: `sudo systemctl disable --now pigpiod`.")
        .mended_by(Mend::StopPigpiod);
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::tests::{finding, kinds};
    use crate::doctor::machine::fake::FakeMachine;

    const AIR: &str = "[[device]]\nid = \"air\"\ndriver = \"bme280\"\nbus = \"i2c-1\"\naddress = 0x76\n";
    const PROBE: &str = "[[device]]\nid = \"tank\"\ndriver = \"ds18b20\"\nprobe = \"28-0123456789ab\"\n";

    fn without_i2c() -> FakeMachine {
        let machine = FakeMachine::pi();
        machine.remove("/dev/i2c-1").remove("/sys/bus/i2c/devices/i2c-1");
        machine.put(
            "/boot/firmware/config.txt",
            "#dtparam=i2c_arm=on\ndtparam=spi=on\n[cm4]\ndtparam=i2c_arm=on\n",
        );
        machine
    }

    #[test]
    fn i2c_that_a_device_waits_for_is_a_problem_and_else_a_note() {
        let machine = without_i2c();
        let found = finding(&machine, AIR, DoctorKind::I2cOff);
        assert_eq!(
            (found.facts.as_slice(), found.mend),
            (["air".to_owned()].as_slice(), Some(Mend::EnableI2c))
        );
        assert!(found.remedy.contains("`dtparam=i2c_arm=on`"), "{}", found.remedy);
        assert_eq!(found.level, gatehouse_dashboard::wire::DoctorLevel::Problem);
        let found = finding(&machine, "", DoctorKind::I2cOff);
        assert_eq!(found.level, gatehouse_dashboard::wire::DoctorLevel::Note);
        // A laptop has no header.
        let laptop = FakeMachine::empty();
        assert!(!kinds(&laptop, AIR).iter().any(|(kind, _)| *kind == DoctorKind::I2cOff));
    }

    #[test]
    fn what_is_switched_on_already_waits_for_a_restart() {
        let machine = without_i2c();
        machine.put("/boot/firmware/config.txt", "dtparam=spi=on,i2c_arm=on\n");
        assert_eq!(finding(&machine, AIR, DoctorKind::BusAfterRestart).facts, ["I²C"]);
        // The kernel has the bus, and only its device is missing: that is no matter of a restart.
        machine.put("/sys/bus/i2c/devices/i2c-1/name", "bcm2835\n");
        assert_eq!(finding(&machine, AIR, DoctorKind::I2cOff).mend, Some(Mend::EnableI2c));
    }

    #[test]
    fn one_wire_comes_to_its_usual_line_unless_a_device_has_that() {
        let machine = FakeMachine::pi();
        machine.remove("/sys/bus/w1");
        assert_eq!(finding(&machine, PROBE, DoctorKind::OneWireOff).mend, Some(Mend::EnableOneWire(4)));
        let button = "[[device]]\nid = \"bell\"\ndriver = \"input\"\npin = 4\n";
        let found = finding(&machine, &format!("{PROBE}{button}"), DoctorKind::OneWireOff);
        assert_eq!(found.mend, None);
        assert!(found.remedy.contains("gpiopin="), "{}", found.remedy);
        assert_eq!(kinds(&machine, ""), [], "nothing needs it");
    }

    #[test]
    fn a_serial_port_is_told_when_it_is_off_or_the_console_has_it() {
        let scale = "[[device]]\nid = \"scale\"\ndriver = \"serial\"\nport = \"/dev/serial0\"\n";
        let machine = FakeMachine::pi();
        machine.put("/proc/cmdline", "console=tty1 console=serial0,115200 root=x\n");
        assert_eq!(finding(&machine, scale, DoctorKind::SerialConsole).facts, ["scale"]);
        machine.put("/proc/cmdline", "console=tty1 root=x\n").remove("/dev/serial0");
        machine.put("/boot/firmware/config.txt", "");
        assert_eq!(finding(&machine, scale, DoctorKind::SerialOff).mend, Some(Mend::EnableSerial));
        assert!(!kinds(&machine, "").iter().any(|(kind, _)| *kind == DoctorKind::SerialOff));
    }

    #[test]
    fn lines_of_others_and_pigpiod_are_named() {
        let mut machine = FakeMachine::pi();
        machine.machine.held_lines = vec![(4, "lirc".to_owned()), (5, "gatehouse: lamp".to_owned())];
        let text = "[[device]]\nid = \"bell\"\ndriver = \"input\"\npin = 4\n[[device]]\nid = \"door\"\ndriver = \"input\"\npin = 5\n";
        assert_eq!(
            kinds(&machine, text),
            [(DoctorKind::LineTaken, vec!["4".to_owned(), "lirc".to_owned(), "bell".to_owned()])]
        );
        let machine = FakeMachine::pi();
        machine.put("/proc/900/comm", "pigpiod\n");
        assert_eq!(finding(&machine, "", DoctorKind::Pigpiod).mend, Some(Mend::StopPigpiod));
    }
}
