//! The files that the machine starts with: config.txt of the firmware, cmdline.txt of the kernel, the list of modules.

use gatehouse_dashboard::wire::DoctorRestart;

use super::{Change, LOAD_MODULES, Mend, Plan};
use crate::config_txt::{BUSES, PLACES, block, lines_of, read, with_block};
use crate::doctor::machine::Machine;

/// Beside config.txt.
const CMDLINE: [&str; 2] = ["/boot/firmware/cmdline.txt", "/boot/cmdline.txt"];

/// What the kernel has to be told.
const COUNT_MEMORY: &str = "cgroup_enable=memory";

/// Longest command line that the kernels of all boards take (COMMAND_LINE_SIZE is 1024 on 32-bit ARM, with what the
/// firmware puts before it).
const LONGEST_COMMAND_LINE: usize = 700;

/// Modules that systemd loads at the start of the machine (modules-load.d(5)), and the module of /dev/i2c-*.
const MODULES: &str = "/etc/modules-load.d/gatehouse.conf";
const I2C_MODULE: &str = "i2c-dev";

/// Ends the overlay before it, so that a parameter means the board itself (Raspberry Pi documentation, "Device Trees,
/// overlays, and parameters").
const END_OF_OVERLAY: &str = "dtoverlay=";

/// The firmware's file of this machine.
fn config_file(machine: &Machine) -> Option<&'static str> {
    PLACES.into_iter().find(|place| machine.path(place).is_file())
}

/// Its text.
pub(crate) fn config_text(machine: &Machine) -> Option<String> {
    machine.text(config_file(machine)?)
}

/// Whether there is a file with the kernel's command line.
pub(crate) fn has_command_line(machine: &Machine) -> bool {
    CMDLINE.into_iter().any(|place| machine.path(place).is_file())
}

/// The line of config.txt that switches something on.
pub(crate) fn line(mend: Mend) -> Option<String> {
    match mend {
        Mend::EnableI2c => Some("dtparam=i2c_arm=on".to_owned()),
        Mend::EnableSpi => Some("dtparam=spi=on".to_owned()),
        Mend::EnableSerial => Some("enable_uart=1".to_owned()),
        Mend::EnableOneWire(line) => Some(format!("dtoverlay=w1-gpio,gpiopin={line}")),
        Mend::EnableMemoryLimit | Mend::Groups | Mend::StopMosquitto | Mend::StopPigpiod => None,
    }
}

/// Whether config.txt switches it on for every board. Of several lines the last one counts; those below a condition, such as
/// [cm4], are left out of account, since writing a line that is there already does no harm.
pub(crate) fn is_on(text: &str, mend: Mend) -> bool {
    let mut is_for_all = true;
    let mut is_on = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_for_all = line == "[all]";
        } else if is_for_all && let Some(setting) = setting(line, mend) {
            is_on = setting;
        }
    }
    is_on
}

/// What one line says about it.
fn setting(line: &str, mend: Mend) -> Option<bool> {
    let parameter = |names: &[&str]| {
        let mut parameters = line.strip_prefix("dtparam=")?.split(',').filter_map(|one| {
            let (name, value) = one.split_once('=').unwrap_or((one, "on"));
            names.contains(&name.trim()).then(|| matches!(value.trim(), "on" | "true" | "yes" | "1"))
        });
        parameters.next_back()
    };
    match mend {
        Mend::EnableI2c => parameter(&["i2c_arm", "i2c", "i2c1"]),
        Mend::EnableSpi => parameter(&["spi"]),
        Mend::EnableSerial => Some(line.strip_prefix("enable_uart=")?.trim() == "1"),
        Mend::EnableOneWire(_) => {
            let overlay = line.strip_prefix("dtoverlay=")?.split([',', ':']).next()?;
            overlay.starts_with("w1-gpio").then_some(true)
        }
        Mend::EnableMemoryLimit | Mend::Groups | Mend::StopMosquitto | Mend::StopPigpiod => None,
    }
}

/// Switches a bus on.
pub(super) fn plan_bus(machine: &Machine, mend: Mend) -> Result<Plan, String> {
    let changes = config_change(machine, mend)?.into_iter().collect();
    Ok(Plan { changes, commands: Vec::new(), restart: DoctorRestart::Machine })
}

/// Switches I²C on, and has the module loaded that makes its device.
pub(super) fn plan_i2c(machine: &Machine) -> Result<Plan, String> {
    let config = config_change(machine, Mend::EnableI2c)?;
    let modules = machine.text(MODULES);
    let lists = |text: &str| text.lines().any(|line| matches!(line.trim(), "i2c-dev" | "i2c_dev"));
    let is_loaded_anyway =
        [modules.clone(), machine.text("/etc/modules")].iter().flatten().any(|text| lists(text));
    let module = (!is_loaded_anyway).then(|| Change {
        file: MODULES.to_owned(),
        new: format!(
            "# Written by `gatehouse doctor --mend`: the module that makes /dev/i2c-*.\n{I2C_MODULE}\n"
        ),
        old: modules,
    });
    let has_adapter = machine.has("/sys/bus/i2c/devices/i2c-1");
    let restart =
        if has_adapter && config.is_none() { DoctorRestart::Nothing } else { DoctorRestart::Machine };
    let commands = if has_adapter { vec![LOAD_MODULES] } else { Vec::new() };
    Ok(Plan { changes: config.into_iter().chain(module).collect(), commands, restart })
}

/// The change of config.txt that switches something on; nothing when it is on.
fn config_change(machine: &Machine, mend: Mend) -> Result<Option<Change>, String> {
    let Some(file) = config_file(machine) else {
        return Err("This machine has no config.txt in /boot/firmware or /boot: it is no Raspberry Pi, or that partition \
                    is not mounted."
            .to_owned());
    };
    let text = read(&machine.path(file)).map_err(|problem| format!("{problem:#}."))?;
    if is_on(&text, mend) {
        return Ok(None);
    }
    let mut lines = lines_of(&text, BUSES);
    lines.retain(|line| line != END_OF_OVERLAY && setting(line, mend).is_none());
    lines.extend(line(mend));
    // Parameters of the board come before overlays, to which they would belong otherwise.
    lines.sort_by_key(|line| line.starts_with("dtoverlay="));
    lines.insert(0, END_OF_OVERLAY.to_owned());
    if lines.last().is_some_and(|line| line.starts_with("dtoverlay=w1")) {
        lines.push(END_OF_OVERLAY.to_owned());
    }
    let new =
        with_block(&text, BUSES, &block(BUSES, &lines)).map_err(|problem| format!("{file}: {problem}."))?;
    if !is_on(&new, mend) {
        return Err(format!(
            "A line below the gateway's block in {file} switches it off again: remove that line."
        ));
    }
    Ok(Some(Change { file: file.to_owned(), old: Some(text), new }))
}

/// Has the kernel count memory. The file is one line, which stays one.
pub(super) fn plan_memory_limit(machine: &Machine) -> Result<Plan, String> {
    let Some(file) = CMDLINE.into_iter().find(|place| machine.path(place).is_file()) else {
        return Err("This machine has no cmdline.txt in /boot/firmware or /boot.".to_owned());
    };
    let text = read(&machine.path(file)).map_err(|problem| format!("{problem:#}."))?;
    let new = with_word(&text, COUNT_MEMORY).map_err(|problem| format!("{file} {problem}"))?;
    let changes = (new != text).then(|| Change { file: file.to_owned(), old: Some(text), new });
    Ok(Plan { changes: changes.into_iter().collect(), commands: Vec::new(), restart: DoctorRestart::Machine })
}

/// The command line with a word at its end.
fn with_word(text: &str, word: &str) -> Result<String, String> {
    let line = text.trim_end_matches(['\n', '\r', ' ', '\t']);
    if line.trim().is_empty() || line.contains(['\n', '\r', '\0']) {
        return Err(
            "is not one line: it is left alone, since the kernel reads only the first. Mend it by hand."
                .to_owned(),
        );
    }
    if line.split_whitespace().last() == Some(word) || is_told(line, word) {
        return Ok(text.to_owned());
    }
    let new = format!("{line} {word}\n");
    if new.len() > LONGEST_COMMAND_LINE {
        return Err(format!(
            "would be longer than {LONGEST_COMMAND_LINE} characters: shorten it by hand first."
        ));
    }
    Ok(new)
}

/// Whether the word stands there and nothing behind it takes it back.
fn is_told(line: &str, word: &str) -> bool {
    let (mut told, opposite) = (false, word.replace("enable", "disable"));
    for one in line.split_whitespace() {
        told = (told || one == word) && one != opposite;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machine::fake::FakeMachine;
    use proptest::prelude::*;

    const CONFIG: &str = "/boot/firmware/config.txt";

    fn planned(machine: &FakeMachine, mend: Mend) -> Plan {
        mend.plan(&machine.machine).unwrap()
    }

    #[test]
    fn what_config_txt_says_is_read_as_the_firmware_does() {
        let on = |text| is_on(text, Mend::EnableI2c);
        assert!(on("dtparam=i2c_arm=on\n") && on("  dtparam=spi=on,i2c_arm=on") && on("dtparam=i2c=on"));
        assert!(on("dtparam=i2c_arm"), "a parameter without a value is on");
        assert!(!on("#dtparam=i2c_arm=on") && !on("dtparam=i2c_arm=on\ndtparam=i2c_arm=off\n"));
        assert!(!on("[pi5]\ndtparam=i2c_arm=on\n") && on("[pi5]\n[all]\ndtparam=i2c_arm=on\n"));
        assert!(is_on("dtoverlay=w1-gpio\n", Mend::EnableOneWire(4)) && !is_on("", Mend::EnableOneWire(4)));
        assert!(is_on("enable_uart=1\n", Mend::EnableSerial) && !is_on("enable_uart=0", Mend::EnableSerial));
    }

    #[test]
    fn buses_gather_in_one_block_and_twice_is_once() {
        let machine = FakeMachine::pi();
        machine.put(CONFIG, "dtoverlay=vc4-kms-v3d\n");
        for mend in [Mend::EnableOneWire(17), Mend::EnableSpi, Mend::EnableI2c, Mend::EnableSerial] {
            let plan = planned(&machine, mend);
            machine.put(CONFIG, &plan.changes[0].new);
            assert!(planned(&machine, mend).changes.iter().all(|change| change.file != CONFIG), "{mend}");
        }
        let text = machine.read(CONFIG);
        let lines: Vec<&str> = text.lines().skip_while(|line| *line != "[all]").collect();
        assert_eq!(
            lines,
            [
                "[all]",
                "dtoverlay=",
                "dtparam=spi=on",
                "dtparam=i2c_arm=on",
                "enable_uart=1",
                "dtoverlay=w1-gpio,gpiopin=17",
                "dtoverlay=",
                "# <<< gatehouse: buses <<<"
            ]
        );
    }

    #[test]
    fn i2c_needs_its_module_too() {
        let machine = FakeMachine::pi();
        machine.put(CONFIG, "").remove("/sys/bus/i2c/devices/i2c-1");
        let plan = planned(&machine, Mend::EnableI2c);
        let files: Vec<&str> = plan.changes.iter().map(|change| change.file.as_str()).collect();
        assert_eq!((files.as_slice(), plan.commands.len()), ([CONFIG, MODULES].as_slice(), 0));
        assert_eq!(plan.restart, DoctorRestart::Machine);
        // The kernel has the bus: then the module alone is missing, and nothing has to start again.
        machine.put(CONFIG, "dtparam=i2c_arm=on\n").put("/sys/bus/i2c/devices/i2c-1/name", "x\n");
        let plan = planned(&machine, Mend::EnableI2c);
        assert_eq!(
            (plan.changes[0].file.as_str(), plan.commands.as_slice()),
            (MODULES, [LOAD_MODULES].as_slice())
        );
        assert_eq!(plan.restart, DoctorRestart::Nothing);
        machine.put("/etc/modules", "# modules\ni2c-dev\n");
        assert_eq!(planned(&machine, Mend::EnableI2c).changes, []);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let machine = FakeMachine::pi();
        let after = "# >>> gatehouse: buses >>>\n[all]\n# <<< gatehouse: buses <<<\ndtparam=spi=off\n";
        machine.put(CONFIG, after);
        let said = Mend::EnableSpi.plan(&machine.machine).unwrap_err();
        assert!(said.contains("switches it off again"), "{said}");
        machine.remove(CONFIG);
        assert!(Mend::EnableSpi.plan(&machine.machine).unwrap_err().contains("no config.txt"));
        machine.put("/boot/firmware/cmdline.txt", "root=x\nquiet\n");
        assert!(Mend::EnableMemoryLimit.plan(&machine.machine).unwrap_err().contains("is not one line"));
    }

    #[test]
    fn the_command_line_stays_one_line() {
        let with = |text: &str| with_word(text, COUNT_MEMORY);
        assert_eq!(with("root=x rootwait\n").unwrap(), "root=x rootwait cgroup_enable=memory\n");
        assert_eq!(with("root=x rootwait").unwrap(), "root=x rootwait cgroup_enable=memory\n");
        assert_eq!(with("cgroup_enable=memory root=x\n").unwrap(), "cgroup_enable=memory root=x\n");
        let taken_back = "cgroup_enable=memory cgroup_disable=memory\n";
        assert_eq!(
            with(taken_back).unwrap(),
            "cgroup_enable=memory cgroup_disable=memory cgroup_enable=memory\n"
        );
        assert!(with("").is_err() && with("\n").is_err() && with("a\nb\n").is_err());
        assert!(with(&"a ".repeat(LONGEST_COMMAND_LINE)).is_err());
    }

    proptest! {
        /// Whatever the file holds: it is left alone, or every word of it stays and it is one line.
        #[test]
        fn no_command_line_is_broken(text in "([a-z=0-9,. ]{0,20}[\r\n\t ]{0,2}){0,4}") {
            if let Ok(new) = with_word(&text, COUNT_MEMORY) {
                prop_assert_eq!(new.trim_end().lines().count(), 1);
                let words: Vec<&str> = text.split_whitespace().collect();
                let kept: Vec<&str> = new.split_whitespace().collect();
                prop_assert_eq!(&kept[..words.len()], &words[..]);
                prop_assert_eq!(with_word(&new, COUNT_MEMORY).unwrap(), new);
            }
        }

        /// Whatever config.txt holds: what stood there stays, and afterwards it is on or nothing is written.
        #[test]
        fn no_config_txt_is_spoiled(text in "((#|\\[all\\]|\\[pi4\\]|dtparam=(spi|i2c_arm)=(on|off)|dtoverlay=x|[a-z=]{0,8})\r?\n){0,8}") {
            let machine = FakeMachine::empty();
            machine.put(CONFIG, &text);
            let plan = Mend::EnableSpi.plan(&machine.machine).unwrap();
            for change in plan.changes {
                prop_assert!(change.new.starts_with(&text) && is_on(&change.new, Mend::EnableSpi));
            }
        }
    }
}
