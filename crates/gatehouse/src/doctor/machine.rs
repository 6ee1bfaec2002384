//! The machine as its files show it, below a root directory, so that tests can make one.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gatehouse_board::boards::{Recognised, recognise};
use gatehouse_board::host::HostPlaces;

use crate::conditions;

/// Largest file that is read. Those of the kernel are some kilobytes; /proc/net/tcp of a busy machine is the longest.
const MAX_BYTES: u64 = 1024 * 1024;

/// Most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 8_192;

/// The user of the installed service.
pub(crate) const SERVICE_USER: &str = "gatehouse";

/// The groups that own the devices of the header, in the order of the unit.
pub(crate) const GROUPS: [&str; 4] = ["gpio", "i2c", "spi", "dialout"];

/// What the checks look at.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    root: PathBuf,
    /// The disk that holds the gateway's data.
    pub(crate) disk: Option<Disk>,
    /// Whether others can reach this machine; nothing where that is not known.
    pub(crate) has_network: Option<bool>,
    /// The process that looks: what it has is nobody else's.
    pub(crate) own_process: String,
    /// Lines of the header with who has them, as the kernel says; none where that is not known.
    pub(crate) held_lines: Vec<(u32, String)>,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Bytes that may still be written.
    pub(crate) free: u64,
    /// Bytes in all.
    pub(crate) total: u64,
}

/// A user of the machine, with the groups that the machine's files give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gids: Vec<u32>,
}

impl Machine {
    /// This machine, with the data of the gateway in this directory.
    pub(crate) fn this(data: &Path) -> Self {
        let space = |directory: &Path| rustix::fs::statvfs(directory).ok();
        // Before the first start there is no directory yet; what is above it lies on the same disk most of the time.
        let figures = data.ancestors().find_map(space);
        let disk = figures.map(|figures| Disk {
            free: figures.f_bavail.saturating_mul(figures.f_frsize),
            total: figures.f_blocks.saturating_mul(figures.f_frsize),
        });
        Self {
            disk,
            has_network: Some(conditions::has_network()),
            own_process: std::process::id().to_string(),
            ..Self::below(Path::new("/"))
        }
    }

    /// The machine whose files are below `root`.
    pub(crate) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            disk: None,
            has_network: None,
            own_process: String::new(),
            held_lines: Vec::new(),
        }
    }

    /// Where a file of the machine really is.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file.trim_start_matches('/'))
    }

    /// Whether there is such a file or directory.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// Whether there is such a link, wherever it leads.
    pub(crate) fn has_link(&self, file: &str) -> bool {
        self.path(file).symlink_metadata().is_ok()
    }

    /// The text of a file; nothing when it is not there, may not be read or is longer than any such file is.
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(file)).ok()?.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= MAX_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first word of a file, as the kernel's files of one value have it.
    pub(crate) fn word(&self, file: &str) -> Option<String> {
        Some(self.text(file)?.trim_matches(['\0', '\n', ' ']).to_owned())
    }

    /// The names in a directory, in order; none when it is not there.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
        let names = entries.take(MAX_ENTRIES).filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Where a link leads, as it says itself.
    pub(crate) fn link(&self, file: &str) -> Option<String> {
        std::fs::read_link(self.path(file)).ok()?.into_os_string().into_string().ok()
    }

    /// What board this is.
    pub(crate) fn board(&self) -> Recognised {
        recognise(&HostPlaces {
            dev: self.path("/dev"),
            proc: self.path("/proc"),
            sys: self.path("/sys"),
            data: self.root.clone(),
        })
    }

    /// Whether it is a Raspberry Pi of the list.
    pub(crate) fn is_pi(&self) -> bool {
        self.board().soc().is_some()
    }

    /// The number of a group.
    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        self.text("/etc/group")?.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    }

    /// Whether a user is named as a member of a group.
    pub(crate) fn is_member(&self, user: &str, group: &str) -> bool {
        let text = self.text("/etc/group").unwrap_or_default();
        let members = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(2).unwrap_or_default())
        });
        members.is_some_and(|members| members.split(',').any(|member| member.trim() == user))
    }

    /// The number and the own group of a user.
    pub(crate) fn user(&self, name: &str) -> Option<(u32, u32)> {
        self.text("/etc/passwd")?.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let mut numbers = fields.skip(1).map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
    }

    /// The name of a user.
    pub(crate) fn user_name(&self, uid: u32) -> Option<String> {
        self.text("/etc/passwd")?.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    }

    /// Whether a user may read and write a device, going by its owner and mode.
    pub(crate) fn may_use(&self, user: &User, file: &str) -> bool {
        let Ok(node) = std::fs::metadata(self.path(file)) else { return false };
        let allowed = |shift: u32| node.mode() >> shift & 0o6 == 0o6;
        if user.uid == 0 {
            return true;
        }
        if node.uid() == user.uid {
            return allowed(6);
        }
        if user.gids.contains(&node.gid()) { allowed(3) } else { allowed(0) }
    }

    /// The name of the group that a device belongs to, or its number.
    pub(crate) fn group_of(&self, file: &str) -> Option<String> {
        let gid = std::fs::metadata(self.path(file)).ok()?.gid();
        let text = self.text("/etc/group").unwrap_or_default();
        let name = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
        });
        Some(name.unwrap_or_else(|| gid.to_string()))
    }

    /// The processes with this name, as far as this user may see them.
    pub(crate) fn has_process(&self, name: &str) -> bool {
        self.processes().iter().any(|process| self.process_name(process).as_deref() == Some(name))
    }

    /// The numbers of the processes.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut names = self.names("/proc");
        names.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        names
    }

    /// How a process is called.
    pub(crate) fn process_name(&self, process: &str) -> Option<String> {
        self.word(&format!("/proc/{process}/comm"))
    }

    /// Whether a service starts with the machine.
    pub(crate) fn is_enabled(&self, service: &str) -> bool {
        self.has_link(&format!("/etc/systemd/system/multi-user.target.wants/{service}.service"))
    }
}

#[cfg(test)]
pub(super) mod fake {
    use super::*;

    /// A machine in a directory of its own.
    pub(crate) struct FakeMachine {
        pub(crate) machine: Machine,
        pub(crate) root: tempfile::TempDir,
    }

    impl FakeMachine {
        /// A machine of which nothing is known.
        pub(crate) fn empty() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { machine: Machine::below(root.path()), root }
        }

        /// A Raspberry Pi 4 on which all is well: a fresh Raspberry Pi OS with everything switched on.
        pub(crate) fn pi() -> Self {
            let pi = Self::empty();
            pi.put("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
            pi.put("/boot/firmware/config.txt", "dtparam=i2c_arm=on\ndtparam=spi=on\nenable_uart=1\n");
            pi.put("/boot/firmware/cmdline.txt", "root=PARTUUID=1-02 rootfstype=ext4 rootwait\n");
            pi.put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
            pi.put("/run/systemd/timesync/synchronized", "");
            pi.put("/proc/net/if_inet6", "0 01 80 10 80 lo\n");
            pi.put("/var/log/journal/x", "");
            pi.put("/proc/self/mountinfo", "25 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n");
            pi.put("/sys/class/watchdog/watchdog0/state", "active\n");
            pi.put("/sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
            for device in ["/dev/i2c-1", "/dev/spidev0.0", "/dev/serial0", "/dev/gpiochip0"] {
                pi.put(device, "");
            }
            pi.put("/sys/bus/i2c/devices/i2c-1/name", "bcm2835 (i2c@7e804000)\n");
            pi.put("/sys/bus/w1/devices/w1_bus_master1/uevent", "");
            pi.put("/proc/1/comm", "systemd\n");
            pi.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ngatehouse:x:990:990::/var/lib/gatehouse:/usr/sbin/nologin\nmosquitto:x:110:115::/:/usr/sbin/nologin\n");
            // The devices of this fake belong to whoever runs the test.
            let own = std::fs::metadata(pi.root.path()).unwrap().gid();
            pi.put(
                "/etc/group",
                &format!("gpio:x:{own}:\ni2c:x:{own}:\nspi:x:{own}:\ndialout:x:{own}:\ngatehouse:x:990:\n"),
            );
            pi.put(
                "/usr/lib/systemd/system/gatehouse.service",
                "[Service]\nUser=gatehouse\nSupplementaryGroups=gpio i2c spi dialout\n",
            );
            pi.mode("/dev/i2c-1", 0o660)
                .mode("/dev/spidev0.0", 0o660)
                .mode("/dev/serial0", 0o660)
                .mode("/dev/gpiochip0", 0o660);
            pi
        }

        pub(crate) fn put(&self, file: &str, text: &str) -> &Self {
            let path = self.machine.path(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }

        pub(crate) fn mode(&self, file: &str, mode: u32) -> &Self {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(self.machine.path(file), std::fs::Permissions::from_mode(mode)).unwrap();
            self
        }

        pub(crate) fn link(&self, file: &str, to: &str) -> &Self {
            let path = self.machine.path(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
            self
        }

        pub(crate) fn remove(&self, file: &str) -> &Self {
            let path = self.machine.path(file);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
            self
        }

        pub(crate) fn read(&self, file: &str) -> String {
            std::fs::read_to_string(self.machine.path(file)).unwrap()
        }
    }
}
