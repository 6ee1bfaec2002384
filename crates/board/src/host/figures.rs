//! What the kernel says about this machine, at one time.

use std::path::{Path, PathBuf};

use procfs_core::prelude::{FromRead, FromReadSI};
use procfs_core::{ExplicitSystemInfo, KernelStats, LoadAverage, Meminfo, Uptime};

use super::{HostPlaces, read_text};

/// Most zones, chips or interfaces that are looked at; a machine with more is read in part.
const MAX_ENTRIES: usize = 64;

/// Temperatures in °C outside these limits are the nonsense of a driver without a sensor.
const BELIEVABLE_CELSIUS: std::ops::RangeInclusive<f64> = -40.0..=150.0;

/// Bits of `get_throttled` (Raspberry Pi documentation, `vcgencmd get_throttled`): under-voltage now.
const THROTTLED_UNDER_VOLTAGE: u32 = 1;
/// Frequency capped, throttled, or held at the soft temperature limit now.
const THROTTLED_SLOWED: u32 = 1 << 1 | 1 << 2 | 1 << 3;

/// A counter pair that only a difference makes sense of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counters {
    pub(super) first: u64,
    pub(super) second: u64,
}

/// Everything that could be read; nothing where this machine has nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// In °C.
    pub(super) temperature: Option<f64>,
    /// Load average of the last minute.
    pub(super) load: Option<f64>,
    /// Busy ticks and all ticks of all processors.
    pub(super) processor: Option<Counters>,
    /// Used memory in %.
    pub(super) memory: Option<f64>,
    /// Used disk in %.
    pub(super) disk: Option<f64>,
    /// Free disk in gigabytes (10⁹ bytes).
    pub(super) disk_free: Option<f64>,
    /// Bytes received and sent by all physical interfaces.
    pub(super) network: Option<Counters>,
    /// In seconds.
    pub(super) uptime: Option<f64>,
    pub(super) under_voltage: Option<bool>,
    pub(super) throttled: Option<bool>,
}

impl Figures {
    pub(super) fn read(places: &HostPlaces) -> Self {
        let (disk, disk_free) = disk(&places.data).unzip();
        let throttled = throttled_flags(&places.sys);
        Self {
            temperature: temperature(&places.sys),
            load: parse::<LoadAverage>(&places.proc.join("loadavg")).map(|load| two_digits(load.one)),
            processor: processor(&places.proc),
            memory: memory(&places.proc),
            disk,
            disk_free,
            network: network(places),
            uptime: parse::<Uptime>(&places.proc.join("uptime")).map(|uptime| uptime.uptime),
            under_voltage: under_voltage_alarm(&places.sys)
                .or_else(|| throttled.map(|flags| flags & THROTTLED_UNDER_VOLTAGE != 0)),
            throttled: throttled.map(|flags| flags & THROTTLED_SLOWED != 0),
        }
    }
}

pub(super) fn parse<T: FromRead>(path: &Path) -> Option<T> {
    T::from_read(read_ascii(path)?.as_slice()).ok()
}

/// The content of a file below `/proc`, when it is what the kernel writes there: ASCII. The parser cuts its text by
/// bytes and panics inside a longer character; a property test found that.
fn read_ascii(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok().filter(|content| content.is_ascii())
}

/// The kernel writes two digits; a 32-bit float made 64 bits wide would show more than it knows.
pub(super) fn two_digits(number: f32) -> f64 {
    (f64::from(number) * 100.0).round() / 100.0
}

/// Subdirectories (or links to them) of a directory of `/sys/class`, in the order of their names.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = found.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths.truncate(MAX_ENTRIES);
    paths
}

fn read_millicelsius(path: &Path) -> Option<f64> {
    let millis: f64 = read_text(path)?.parse().ok()?;
    let celsius = millis / 1_000.0;
    BELIEVABLE_CELSIUS.contains(&celsius).then_some(celsius)
}

fn hottest(temperatures: impl Iterator<Item = f64>) -> Option<f64> {
    temperatures.max_by(f64::total_cmp)
}

/// Zones and chips that measure the processor, not a battery or a radio: `cpu-thermal` (Pi), `x86_pkg_temp`, `coretemp`,
/// `k10temp`, `soc-thermal`.
fn is_of_processor(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["cpu", "soc", "x86_pkg", "core", "k10temp", "zenpower"].iter().any(|word| name.contains(word))
}

/// The hottest of the processor's thermal zones, else of its hwmon chips, else of any thermal zone.
fn temperature(sys: &Path) -> Option<f64> {
    let zones: Vec<(String, f64)> = entries(&sys.join("class/thermal"))
        .iter()
        .filter_map(|zone| {
            let kind = read_text(&zone.join("type")).unwrap_or_default();
            Some((kind, read_millicelsius(&zone.join("temp"))?))
        })
        .collect();
    let of_processor = zones.iter().filter(|(kind, _)| is_of_processor(kind)).map(|(_, celsius)| *celsius);
    hottest(of_processor)
        .or_else(|| hottest(chip_temperatures(sys).into_iter()))
        .or_else(|| hottest(zones.iter().map(|(_, celsius)| *celsius)))
}

fn chip_temperatures(sys: &Path) -> Vec<f64> {
    let is_processor_chip =
        |chip: &PathBuf| read_text(&chip.join("name")).is_some_and(|name| is_of_processor(&name));
    let is_input = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("temp") && name.ends_with("_input")
    };
    entries(&sys.join("class/hwmon"))
        .into_iter()
        .filter(is_processor_chip)
        .flat_map(|chip| entries(&chip).into_iter().filter(is_input).collect::<Vec<_>>())
        .filter_map(|path| read_millicelsius(&path))
        .collect()
}

fn processor(proc: &Path) -> Option<Counters> {
    // Only ratios of ticks are used, so their length does not matter.
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 100,
        page_size: 4_096,
        is_little_endian: true,
    };
    let total = KernelStats::from_read(read_ascii(&proc.join("stat"))?.as_slice(), &system).ok()?.total;
    // Guest time is already part of user and nice (proc_stat(5)).
    let idle = total.idle.saturating_add(total.iowait.unwrap_or(0));
    let busy =
        [Some(total.user), Some(total.nice), Some(total.system), total.irq, total.softirq, total.steal]
            .into_iter()
            .flatten()
            .fold(0_u64, u64::saturating_add);
    Some(Counters { first: busy, second: busy.saturating_add(idle) })
}

fn memory(proc: &Path) -> Option<f64> {
    let memory: Meminfo = parse(&proc.join("meminfo"))?;
    let available = memory.mem_available?;
    (memory.mem_total > 0)
        .then(|| 100.0 * memory.mem_total.saturating_sub(available) as f64 / memory.mem_total as f64)
}

/// Used % as `df` counts it (what only root may use is not free), and free gigabytes.
fn disk(directory: &Path) -> Option<(f64, f64)> {
    let figures = rustix::fs::statvfs(directory).ok()?;
    let used = figures.f_blocks.saturating_sub(figures.f_bfree);
    let reachable = used.saturating_add(figures.f_bavail);
    if reachable == 0 {
        return None;
    }
    let free_gigabytes = figures.f_bavail as f64 * figures.f_frsize as f64 / 1e9;
    Some((100.0 * used as f64 / reachable as f64, free_gigabytes))
}

/// Physical interfaces are those with a device behind them; loopback, bridges and tunnels count the same bytes again.
fn network(places: &HostPlaces) -> Option<Counters> {
    let status: procfs_core::net::InterfaceDeviceStatus = parse(&places.proc.join("net/dev"))?;
    let mut sum: Option<Counters> = None;
    for interface in entries(&places.sys.join("class/net")) {
        let Some(name) = interface.file_name().and_then(|name| name.to_str()) else { continue };
        let counters = status.0.get(name).filter(|_| interface.join("device").exists());
        let Some(counters) = counters else { continue };
        let sum = sum.get_or_insert(Counters { first: 0, second: 0 });
        sum.first = sum.first.saturating_add(counters.recv_bytes);
        sum.second = sum.second.saturating_add(counters.sent_bytes);
    }
    sum
}

/// The flags of the Raspberry Pi's firmware, hexadecimal.
pub(super) fn throttled_flags(sys: &Path) -> Option<u32> {
    let text = read_text(&sys.join("devices/platform/soc/soc:firmware/get_throttled"))?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// The alarm of the kernel's `raspberrypi-hwmon` driver, which every kernel has.
fn under_voltage_alarm(sys: &Path) -> Option<bool> {
    let is_pi_supply = |chip: &&PathBuf| read_text(&chip.join("name")).is_some_and(|name| name == "rpi_volt");
    let chips = entries(&sys.join("class/hwmon"));
    let chip = chips.iter().find(is_pi_supply)?;
    Some(read_text(&chip.join("in0_lcrit_alarm"))? != "0")
}
