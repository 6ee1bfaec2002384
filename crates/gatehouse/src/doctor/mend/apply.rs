//! Doing what a plan says.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;

use super::{Command, Plan, typed};
use crate::config_txt;
use crate::doctor::machine::Machine;

/// Longest part of what a program says about its failure that is passed on, in characters.
const MAX_COMPLAINT: usize = 300;

/// Runs commands.
pub(crate) trait Runner {
    /// Runs one to its end.
    ///
    /// # Errors
    /// When it cannot be started or fails, in a sentence for people.
    fn run(&self, command: Command) -> Result<(), String>;
}

/// The programs of this machine.
pub(crate) struct Programs;

impl Runner for Programs {
    fn run(&self, command: Command) -> Result<(), String> {
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let mut child = std::process::Command::new(program);
        child.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        let output = child.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("`{}` cannot be started: {error}.", typed(command)))?;
        if output.status.success() {
            return Ok(());
        }
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => format!("failed with {code}"),
            (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(MAX_COMPLAINT).collect();
        Err(format!("`{}` {how}: {said}", typed(command)))
    }
}

/// Changes the files and runs the commands, in their order. Gives what was done, one sentence each.
///
/// # Errors
/// What failed, in a sentence for people; what comes behind it is not done.
pub(crate) fn apply(plan: &Plan, machine: &Machine, runner: &dyn Runner) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    for change in &plan.changes {
        let path = machine.path(&change.file);
        let written = match &change.old {
            Some(old) => replace(&path, old, &change.new).map(Some),
            None => config_txt::create(&path, &change.new).map(|()| None),
        };
        let kept = written.map_err(|problem| format!("{problem:#}."))?;
        let file = &change.file;
        done.push(match kept {
            Some(copy) => {
                format!("changed {file}; as it was before the gateway's changes, it is {}", copy.display())
            }
            None => format!("made {file}"),
        });
    }
    for command in &plan.commands {
        runner.run(command)?;
        done.push(format!("ran `{}`", typed(command)));
    }
    Ok(done)
}

/// Replaces a file, unless it is another one than the plan was made for.
fn replace(path: &Path, old: &str, new: &str) -> anyhow::Result<std::path::PathBuf> {
    if config_txt::read(path)? != old {
        anyhow::bail!("{} has changed meanwhile: look again", path.display());
    }
    config_txt::replace(path, old, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machine::fake::FakeMachine;
    use crate::doctor::mend::Mend;
    use std::cell::RefCell;

    const CONFIG: &str = "/boot/firmware/config.txt";

    /// Keeps the commands that it was given; the one with this word fails.
    #[derive(Default)]
    struct Notebook {
        ran: RefCell<Vec<String>>,
        failing: Option<&'static str>,
    }

    impl Runner for Notebook {
        fn run(&self, command: Command) -> Result<(), String> {
            self.ran.borrow_mut().push(typed(command));
            match self.failing {
                Some(word) if command.contains(&word) => Err("it failed".to_owned()),
                _ => Ok(()),
            }
        }
    }

    fn mend(machine: &FakeMachine, mend: Mend, notebook: &Notebook) -> Result<Vec<String>, String> {
        apply(&mend.plan(&machine.machine)?, &machine.machine, notebook)
    }

    #[test]
    fn files_are_changed_once_and_kept_as_they_were() {
        let machine = FakeMachine::pi();
        machine.put(CONFIG, "# mine\n").remove("/sys/bus/i2c/devices/i2c-1");
        let notebook = Notebook::default();
        let done = mend(&machine, Mend::EnableI2c, &notebook).unwrap();
        assert_eq!(done.len(), 2, "{done:?}");
        let written = machine.read(CONFIG);
        assert!(written.starts_with("# mine\n") && written.contains("\ndtparam=i2c_arm=on\n"), "{written}");
        assert_eq!(machine.read("/boot/firmware/config.txt.before-gatehouse"), "# mine\n");
        assert!(machine.read("/etc/modules-load.d/gatehouse.conf").ends_with("\ni2c-dev\n"));
        assert_eq!(
            mend(&machine, Mend::EnableI2c, &notebook).unwrap(),
            Vec::<String>::new(),
            "twice is once"
        );
        assert_eq!(machine.read("/boot/firmware/config.txt.before-gatehouse"), "# mine\n");
        assert_eq!(*notebook.ran.borrow(), Vec::<String>::new());
    }

    #[test]
    fn the_command_line_is_changed_and_kept() {
        let machine = FakeMachine::pi();
        mend(&machine, Mend::EnableMemoryLimit, &Notebook::default()).unwrap();
        let cmdline = "root=PARTUUID=1-02 rootfstype=ext4 rootwait";
        assert_eq!(machine.read("/boot/firmware/cmdline.txt"), format!("{cmdline} cgroup_enable=memory\n"));
        assert_eq!(machine.read("/boot/firmware/cmdline.txt.before-gatehouse"), format!("{cmdline}\n"));
    }

    /// Power fails after the new text was written and before it took its place: the old file is whole, and the next try
    /// writes over what was left.
    #[test]
    fn a_power_cut_leaves_the_old_file_or_the_new_one() {
        let machine = FakeMachine::pi();
        machine.put(CONFIG, "# mine\n");
        machine.put("/boot/firmware/config.txt.gatehouse-new", "half of a li");
        assert_eq!(machine.read(CONFIG), "# mine\n");
        mend(&machine, Mend::EnableSpi, &Notebook::default()).unwrap();
        assert!(machine.read(CONFIG).contains("\ndtparam=spi=on\n"));
        assert!(!machine.machine.has("/boot/firmware/config.txt.gatehouse-new"), "it took its place");
    }

    #[test]
    fn a_file_that_somebody_edits_meanwhile_is_left_alone() {
        let machine = FakeMachine::pi();
        machine.put(CONFIG, "# mine\n");
        let plan = Mend::EnableSpi.plan(&machine.machine).unwrap();
        machine.put(CONFIG, "# mine, edited\n");
        assert!(apply(&plan, &machine.machine, &Notebook::default()).unwrap_err().contains("meanwhile"));
        assert_eq!(machine.read(CONFIG), "# mine, edited\n");
    }

    #[test]
    fn commands_run_in_order_and_stop_at_a_failure() {
        let machine = FakeMachine::pi();
        machine.put("/etc/group", "");
        let notebook = Notebook { failing: Some("--append"), ..Notebook::default() };
        assert_eq!(mend(&machine, Mend::Groups, &notebook), Err("it failed".to_owned()));
        assert_eq!(
            *notebook.ran.borrow(),
            [
                "systemd-sysusers /usr/lib/sysusers.d/gatehouse.conf",
                "usermod --append --groups gpio,i2c,spi,dialout gatehouse"
            ]
        );
        let notebook = Notebook::default();
        mend(&machine, Mend::StopMosquitto, &notebook).unwrap();
        assert_eq!(*notebook.ran.borrow(), ["systemctl disable --now mosquitto.service"]);
    }

    #[test]
    fn a_program_that_fails_says_why() {
        assert_eq!(Programs.run(&["/bin/true"]), Ok(()));
        let said = Programs.run(&["/bin/sh", "-c", "echo no >&2; exit 3"]).unwrap_err();
        assert!(said.ends_with("failed with 3: no"), "{said}");
        assert!(Programs.run(&["/nowhere/program"]).unwrap_err().contains("cannot be started"));
    }
}
