//! The machine as a whole, for the page of the system: what it is, what it has left, and what its firmware complains of.

use std::path::Path;

use procfs_core::process::Stat;
use procfs_core::{LoadAverage, Meminfo, Uptime};

use super::figures::{self, Figures, parse};
use super::{HostPlaces, read_text};

/// Bits of `get_throttled` (Raspberry Pi documentation, `vcgencmd get_throttled`): under-voltage since the start.
const BEFORE_UNDER_VOLTAGE: u32 = 1 << 16;
/// Frequency capped, throttled, or held at the soft temperature limit since the start.
const BEFORE_SLOWED: u32 = 1 << 17 | 1 << 18 | 1 << 19;

/// How far above a partition its card is looked for: partition, disk, and what stands around them.
const MAX_STEPS_UP: usize = 4;

/// What `sysconf(_SC_CLK_TCK)` says on every processor that this is built for (`USER_HZ`, which never changes).
const TICKS_IN_SECOND: f64 = 100.0;

/// Longest text that is taken from a file of a card: names have six letters.
const MAX_CARD_TEXT: usize = 32;

/// The machine at one time; nothing where it does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Load averages of the last 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The processor's temperature, in °C.
    pub temperature: Option<f64>,
    /// Seconds since the machine started.
    pub uptime: Option<f64>,
    /// Memory in all and memory that programs could still have, in bytes.
    pub memory: Option<(u64, u64)>,
    /// Memory of this process, in bytes.
    pub process_memory: Option<u64>,
    /// What this process had written to disks, in bytes.
    pub process_written: Option<u64>,
    /// Processor time that this process took, in seconds.
    pub process_cpu: Option<f64>,
    /// When this process started, in seconds since 1970, by the clock as it is now.
    pub process_started: Option<f64>,
    /// Size of the data directory's file system, and what is free there, in bytes.
    pub disk: Option<(u64, u64)>,
    /// The card below the data directory.
    pub card: Option<Card>,
    /// The supply is too weak: now, and at some time since the start.
    pub under_voltage: Since,
    /// The processor is slowed down: now, and at some time since the start.
    pub throttled: Since,
    /// There is a clock chip.
    pub clock_chip: bool,
}

/// Something that may be the matter now, or may have been since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Now.
    pub now: Option<bool>,
    /// At some time since the start.
    pub boot: Option<bool>,
}

/// A memory card, or flash that is soldered on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// `SD` or `MMC`.
    pub kind: String,
    /// The maker's name for it.
    pub name: Option<String>,
    /// How much of its life is used at most, in %, in steps of ten; 110 when it is over (JEDEC JESD84-B51, the greater of
    /// `DEVICE_LIFE_TIME_EST_TYP_A` and `_B`).
    pub life_used: Option<u8>,
    /// `PRE_EOL_INFO` of the same standard: 1 is normal, 2 a warning, 3 urgent.
    pub reserve: Option<u8>,
}

impl Machine {
    /// Looks. It reads small files and asks for the room on the disk, so it may wait for one that hangs: call it where
    /// waiting is allowed.
    pub fn read(places: &HostPlaces) -> Self {
        let figures = Figures::read(places);
        let flags = figures::throttled_flags(&places.sys);
        let load: Option<LoadAverage> = parse(&places.proc.join("loadavg"));
        let memory: Option<Meminfo> = parse(&places.proc.join("meminfo"));
        let uptime: Option<Uptime> = parse(&places.proc.join("uptime"));
        let process: Option<Stat> = parse(&places.proc.join("self/stat"));
        let booted = number_after(&places.proc.join("stat"), "btime ");
        Self {
            load: load.map(|load| [load.one, load.five, load.fifteen].map(figures::two_digits)),
            temperature: figures.temperature,
            uptime: uptime.map(|uptime| uptime.uptime),
            memory: memory.and_then(|memory| Some((memory.mem_total, memory.mem_available?))),
            process_memory: number_after(&places.proc.join("self/status"), "VmRSS:")
                .and_then(|kilobytes| kilobytes.checked_mul(1_024)),
            process_written: number_after(&places.proc.join("self/io"), "write_bytes:"),
            process_cpu: process.as_ref().map(|process| seconds(process.utime.saturating_add(process.stime))),
            process_started: process.zip(booted).map(|(process, booted)| {
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay below 2^53")]
                let booted = booted as f64;
                booted + seconds(process.starttime)
            }),
            disk: room(&places.data),
            card: device_below(&places.data).and_then(|device| card(&places.sys, device)),
            under_voltage: Since {
                now: figures.under_voltage,
                boot: flags.map(|flags| flags & BEFORE_UNDER_VOLTAGE != 0),
            },
            throttled: Since { now: figures.throttled, boot: flags.map(|flags| flags & BEFORE_SLOWED != 0) },
            clock_chip: places.sys.join("class/rtc/rtc0").exists(),
        }
    }
}

/// Processor time as the kernel counts it for programs, in seconds.
#[expect(clippy::cast_precision_loss, reason = "a processor needs millions of years for 2^53 ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_IN_SECOND
}

/// The number behind a word at the start of a line.
fn number_after(path: &Path, word: &str) -> Option<u64> {
    let text = read_text(path)?;
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Size and free bytes of the file system of a directory, as far as programs that are not root may have them.
fn room(directory: &Path) -> Option<(u64, u64)> {
    let figures = rustix::fs::statvfs(directory).ok()?;
    let size = figures.f_blocks.checked_mul(figures.f_frsize)?;
    let free = figures.f_bavail.checked_mul(figures.f_frsize)?;
    (size > 0).then_some((size, free))
}

/// Major and minor number of the device below a directory.
fn device_below(directory: &Path) -> Option<(u32, u32)> {
    let device = rustix::fs::stat(directory).ok()?.st_dev;
    Some((rustix::fs::major(device), rustix::fs::minor(device)))
}

/// The card that a device lies on, when it is one.
fn card(sys: &Path, (major, minor): (u32, u32)) -> Option<Card> {
    let partition = std::fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))).ok()?;
    let disks = partition.ancestors().take(MAX_STEPS_UP);
    let device = disks.map(|disk| disk.join("device")).find(|device: &std::path::PathBuf| is_card(device))?;
    let text = |file: &str| {
        read_text(&device.join(file)).filter(|text| text.len() <= MAX_CARD_TEXT && text.is_ascii())
    };
    let life = text("life_time").and_then(|both| {
        let worst = both.split_whitespace().filter_map(hexadecimal).max()?;
        // 1 is up to 10 %, 10 up to 100 %, 11 beyond it; anything else is not defined.
        (1..=11).contains(&worst).then(|| worst.saturating_mul(10))
    });
    let reserve = text("pre_eol_info").and_then(|word| hexadecimal(&word));
    Some(Card {
        kind: text("type")?,
        name: text("name"),
        life_used: life,
        reserve: reserve.filter(|level| (1..=3).contains(level)),
    })
}

fn is_card(device: &Path) -> bool {
    read_text(&device.join("type")).is_some_and(|kind| kind == "SD" || kind == "MMC")
}

fn hexadecimal(text: &str) -> Option<u8> {
    u8::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn places(root: &Path) -> HostPlaces {
        HostPlaces {
            dev: root.join("dev"),
            proc: root.join("proc"),
            sys: root.join("sys"),
            data: root.to_owned(),
        }
    }

    /// A card as the kernel shows it: the partition below the disk, and the disk's device beside it.
    fn with_card(root: &Path, kind: &str) {
        let disk = "sys/devices/platform/emmc2/mmc_host/mmc0/mmc0:0001/block/mmcblk0";
        fs::create_dir_all(root.join(disk).join("mmcblk0p2")).unwrap();
        write(root, "sys/devices/platform/emmc2/mmc_host/mmc0/mmc0:0001/type", &format!("{kind}\n"));
        write(root, "sys/devices/platform/emmc2/mmc_host/mmc0/mmc0:0001/name", "SC32G\n");
        symlink("../..", root.join(disk).join("device")).unwrap();
        fs::create_dir_all(root.join("sys/dev/block")).unwrap();
        symlink(root.join(disk).join("mmcblk0p2"), root.join("sys/dev/block/179:2")).unwrap();
    }

    #[test]
    fn what_was_the_matter_since_the_start_is_told_apart_from_now() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let file = "sys/devices/platform/soc/soc:firmware/get_throttled";
        for (flags, under_voltage, throttled) in [
            ("0", (false, false), (false, false)),
            ("50000", (false, true), (false, true)),
            ("50005", (true, true), (true, true)),
            ("10001", (true, true), (false, false)),
            ("80008", (false, false), (true, true)),
        ] {
            write(root, file, flags);
            let machine = Machine::read(&places(root));
            let told = |since: Since| (since.now.unwrap(), since.boot.unwrap());
            assert_eq!(told(machine.under_voltage), under_voltage, "{flags}");
            assert_eq!(told(machine.throttled), throttled, "{flags}");
        }
    }

    #[test]
    fn a_machine_without_such_a_firmware_says_that_nobody_knows() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::read(&places(directory.path()));
        assert_eq!((machine.under_voltage, machine.throttled), (Since::default(), Since::default()));
        assert_eq!((machine.card, machine.memory, machine.clock_chip), (None, None, false));
        assert!(machine.disk.is_some_and(|(size, free)| size >= free));
    }

    #[test]
    fn an_sd_card_has_a_name_and_no_word_about_its_wear() {
        let directory = tempfile::tempdir().unwrap();
        with_card(directory.path(), "SD");
        let found = card(&directory.path().join("sys"), (179, 2)).unwrap();
        let name = Some("SC32G".to_owned());
        assert_eq!(found, Card { kind: "SD".to_owned(), name, life_used: None, reserve: None });
        assert_eq!(card(&directory.path().join("sys"), (8, 1)), None, "a disk that is not there");
    }

    #[test]
    fn soldered_flash_tells_its_wear_and_nonsense_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        with_card(root, "MMC");
        let device = "sys/devices/platform/emmc2/mmc_host/mmc0/mmc0:0001";
        for (life, reserve, used, level) in [
            ("0x01 0x03\n", "0x01\n", Some(30), Some(1)),
            ("0x0b 0x01\n", "0x03\n", Some(110), Some(3)),
            ("0x00 0x00\n", "0x00\n", None, None),
            ("0xff 0x01\n", "0x7f\n", None, None),
            ("often\n", "much\n", None, None),
        ] {
            write(root, &format!("{device}/life_time"), life);
            write(root, &format!("{device}/pre_eol_info"), reserve);
            let found = card(&root.join("sys"), (179, 2)).unwrap();
            assert_eq!((found.life_used, found.reserve), (used, level), "{life}");
        }
    }

    #[test]
    fn this_process_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::read(&HostPlaces::of_this_machine(directory.path()));
        assert!(machine.process_memory.is_some_and(|bytes| bytes > 100_000), "{machine:?}");
        assert!(machine.memory.is_some_and(|(all, free)| all > free && all > 10_000_000), "{machine:?}");
        assert!(
            machine.process_cpu.is_some_and(|seconds| (0.0..100_000.0).contains(&seconds)),
            "{machine:?}"
        );
        // It runs for less than a day, on a machine whose clock is later than this test.
        assert!(machine.process_started.is_some_and(|at| at > 1_700_000_000.0), "{machine:?}");
    }

    #[test]
    fn the_time_of_a_process_is_counted_in_hundredths() {
        let directory = tempfile::tempdir().unwrap();
        let fields = "S 1 9 9 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 4 0 12345 1000000 500 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        write(directory.path(), "proc/self/stat", &format!("9 (gate) house) {fields}\n"));
        write(directory.path(), "proc/stat", "cpu  1 2 3\nbtime 1795252440\nprocesses 9\n");
        let machine = Machine::read(&places(directory.path()));
        assert_eq!((machine.process_cpu, machine.process_started), (Some(3.25), Some(1_795_252_563.45)));
    }
}
