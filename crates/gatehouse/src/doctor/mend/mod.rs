//! What can be mended: a closed list of words, and exactly what each does.
//!
//! No text from outside reaches a path or a command: a word is one of the list or it is refused, and everything that a mend
//! touches is written here.

mod apply;
pub(crate) mod boot;

use std::fmt;

use gatehouse_dashboard::wire::DoctorRestart;

use super::machine::{GROUPS, Machine, SERVICE_USER};

pub(crate) use apply::{Programs, Runner, apply};

/// A word of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    EnableI2c,
    EnableSpi,
    EnableSerial,
    /// With the line of the header, 0 to 27.
    EnableOneWire(u8),
    EnableMemoryLimit,
    Groups,
    StopMosquitto,
    StopPigpiod,
}

/// The words without a number.
const WORDS: [(&str, Mend); 7] = [
    ("enable-i2c", Mend::EnableI2c),
    ("enable-spi", Mend::EnableSpi),
    ("enable-serial", Mend::EnableSerial),
    ("enable-memory-limit", Mend::EnableMemoryLimit),
    ("groups", Mend::Groups),
    ("stop-mosquitto", Mend::StopMosquitto),
    ("stop-pigpiod", Mend::StopPigpiod),
];

/// What the word for 1-Wire begins with; the number of a line follows.
const ONE_WIRE: &str = "enable-one-wire-";

/// Lines that come out at the header: BCM 0 to 27.
const HEADER_LINES: u8 = 28;

impl Mend {
    /// The mend that a word names, if it is just that word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let plain = WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, mend)| mend);
        plain.or_else(|| (0..HEADER_LINES).map(Self::EnableOneWire).find(|mend| mend.to_string() == word))
    }

    /// Exactly what it would do on this machine now.
    ///
    /// # Errors
    /// When it cannot be done here, in a sentence for people.
    pub(crate) fn plan(self, machine: &Machine) -> Result<Plan, String> {
        match self {
            Self::EnableI2c => boot::plan_i2c(machine),
            Self::EnableSpi | Self::EnableSerial | Self::EnableOneWire(_) => boot::plan_bus(machine, self),
            Self::EnableMemoryLimit => boot::plan_memory_limit(machine),
            Self::Groups => Ok(plan_groups(machine)),
            Self::StopMosquitto => Ok(stop(&STOP_MOSQUITTO, DoctorRestart::Gateway)),
            Self::StopPigpiod => Ok(stop(&STOP_PIGPIOD, DoctorRestart::Nothing)),
        }
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::EnableOneWire(line) = self {
            return write!(f, "{ONE_WIRE}{line}");
        }
        let word = WORDS.iter().find(|(_, mend)| mend == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

/// A program with its arguments, whole: nothing is ever put together.
pub(crate) type Command = &'static [&'static str];

const STOP_MOSQUITTO: [Command; 1] = [&["/usr/bin/systemctl", "disable", "--now", "mosquitto.service"]];
const STOP_PIGPIOD: [Command; 1] = [&["/usr/bin/systemctl", "disable", "--now", "pigpiod.service"]];
const LOAD_MODULES: Command = &["/usr/bin/systemctl", "restart", "systemd-modules-load.service"];
/// Makes the service's user and the groups where they are missing, by the file that the package installs.
const MAKE_USER_AND_GROUPS: Command = &["/usr/bin/systemd-sysusers", "/usr/lib/sysusers.d/gatehouse.conf"];
const JOIN_GROUPS: Command =
    &["/usr/sbin/usermod", "--append", "--groups", "gpio,i2c,spi,dialout", "gatehouse"];
/// Lets udev read its rules again: what they say of a group that was not there at the time has been left out until then. To be told
/// so is not enough for it, since it only reads files that have changed.
const READ_DEVICE_RULES: Command = &["/usr/bin/systemctl", "restart", "systemd-udevd.service"];
/// Lets udev look at all devices again, as at the start of the machine, so that rules hold for those that are there.
const APPLY_DEVICE_RULES: Command = &["/usr/bin/systemctl", "restart", "systemd-udev-trigger.service"];

/// What a mend does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) commands: Vec<Command>,
    /// What has to start again afterwards.
    pub(crate) restart: DoctorRestart,
}

/// Another text for a file of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The file, as the machine calls it.
    pub(crate) file: String,
    /// Its text; nothing when there is no such file yet.
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

impl Change {
    /// Lines that go, and lines that come, in their order.
    pub(crate) fn lines(&self) -> (Vec<String>, Vec<String>) {
        let old: Vec<&str> = self.old.as_deref().unwrap_or_default().lines().collect();
        let new: Vec<&str> = self.new.lines().collect();
        // What a mend changes lies together: what is the same before it and behind it is left out.
        let same =
            |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
        let before = same(&mut old.iter().zip(&new));
        let (old, new) = (&old[before..], &new[before..]);
        let after = same(&mut old.iter().rev().zip(new.iter().rev()));
        let middle = |lines: &[&str]| {
            lines[..lines.len() - after].iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()
        };
        (middle(old), middle(new))
    }
}

/// A command as somebody would type it.
pub(crate) fn typed(command: Command) -> String {
    let name = |program: &str| program.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = command.iter();
    let program = words.next().map(|program| name(program));
    program.into_iter().chain(words.map(|word| (*word).to_owned())).collect::<Vec<_>>().join(" ")
}

fn stop(commands: &[Command], restart: DoctorRestart) -> Plan {
    Plan { changes: Vec::new(), commands: commands.to_vec(), restart }
}

fn plan_groups(machine: &Machine) -> Plan {
    let is_complete =
        machine.user(SERVICE_USER).is_some() && GROUPS.iter().all(|group| machine.group(group).is_some());
    let is_member = GROUPS.iter().all(|group| machine.is_member(SERVICE_USER, group));
    let make = (!is_complete).then_some(MAKE_USER_AND_GROUPS);
    let join = (!is_member).then_some(JOIN_GROUPS);
    let commands = make.into_iter().chain(join).chain([READ_DEVICE_RULES, APPLY_DEVICE_RULES]).collect();
    Plan { changes: Vec::new(), commands, restart: DoctorRestart::Gateway }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machine::fake::FakeMachine;

    #[test]
    fn every_word_means_itself() {
        let lines = (0..HEADER_LINES).map(Mend::EnableOneWire);
        for mend in WORDS.into_iter().map(|(_, mend)| mend).chain(lines) {
            assert_eq!(Mend::parse(&mend.to_string()), Some(mend));
        }
        for word in [
            "",
            "enable-one-wire-",
            "enable-one-wire-28",
            "enable-one-wire-04",
            "enable-one-wire-4 ",
            "ENABLE-I2C",
            "groups\0",
        ] {
            assert_eq!(Mend::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn commands_name_their_programs_whole() {
        let all = [
            STOP_MOSQUITTO[0],
            STOP_PIGPIOD[0],
            LOAD_MODULES,
            MAKE_USER_AND_GROUPS,
            JOIN_GROUPS,
            READ_DEVICE_RULES,
            APPLY_DEVICE_RULES,
        ];
        assert!(all.iter().all(|command| command[0].starts_with("/usr/")));
        assert_eq!(typed(STOP_MOSQUITTO[0]), "systemctl disable --now mosquitto.service");
        for group in GROUPS {
            assert!(JOIN_GROUPS[3].split(',').any(|one| one == group), "{group}");
        }
    }

    #[test]
    fn only_what_is_missing_is_made() {
        let machine = FakeMachine::pi();
        assert_eq!(
            plan_groups(&machine.machine).commands,
            [JOIN_GROUPS, READ_DEVICE_RULES, APPLY_DEVICE_RULES],
            "rules that name a group which was missing hold from now on"
        );
        machine.put("/etc/group", "gpio:x:1:\n");
        assert_eq!(plan_groups(&machine.machine).commands[0], MAKE_USER_AND_GROUPS);
    }

    #[test]
    fn a_change_is_shown_by_its_lines() {
        let change = |old: Option<&str>, new: &str| {
            Change { file: String::new(), old: old.map(str::to_owned), new: new.to_owned() }.lines()
        };
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(change(Some("a\nb\nc\n"), "a\nx\nc\n"), (lines(&["b"]), lines(&["x"])));
        assert_eq!(change(None, "a\n"), (lines(&[]), lines(&["a"])));
        assert_eq!(change(Some("a\n"), "a\na\n"), (lines(&[]), lines(&["a"])));
        assert_eq!(change(Some("a\n"), "a\n"), (lines(&[]), lines(&[])));
    }
}
