//! The machine's own sensors as a sensor source.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_model::{Clock, Moment, PropertyId, PropertyInfo, PropertyKind, Quality, Value};

use super::HostPlaces;
use super::figures::{Counters, Figures};
use crate::traits::{ReadError, Sample, SensorProperty, SensorSource};

/// How a figure is shown.
struct Shape {
    id: &'static str,
    name: &'static str,
    /// Unit and decimals of a number; nothing for a switch.
    number: Option<(&'static str, u8)>,
    class: Option<&'static str>,
    range: Option<(f64, f64)>,
}

const fn number(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    decimals: u8,
    range: (f64, f64),
) -> Shape {
    Shape { id, name, number: Some((unit, decimals)), class: None, range: Some(range) }
}

const fn problem(id: &'static str, name: &'static str) -> Shape {
    Shape { id, name, number: None, class: Some("problem"), range: None }
}

const PERCENT: (f64, f64) = (0.0, 100.0);

/// Far more than any machine has, so that only nonsense is outside.
const ANY: (f64, f64) = (0.0, 1e15);

const TEMPERATURE: Shape = Shape {
    class: Some("temperature"),
    ..number("temperature", "Processor temperature", "°C", 1, (-40.0, 150.0))
};
const LOAD: Shape = number("load", "Load, 1 minute", "", 2, (0.0, 1e6));
const PROCESSOR: Shape = number("processor", "Processor use", "%", 1, PERCENT);
const MEMORY: Shape = number("memory", "Memory used", "%", 1, PERCENT);
const DISK: Shape = number("disk", "Disk used", "%", 1, PERCENT);
const DISK_FREE: Shape = Shape { class: Some("data_size"), ..number("disk-free", "Disk free", "GB", 2, ANY) };
const RECEIVED: Shape =
    Shape { class: Some("data_rate"), ..number("received", "Network received", "B/s", 0, ANY) };
const SENT: Shape = Shape { class: Some("data_rate"), ..number("sent", "Network sent", "B/s", 0, ANY) };
const UPTIME: Shape =
    Shape { class: Some("duration"), ..number("uptime", "Running since start-up", "s", 0, ANY) };
const UNDER_VOLTAGE: Shape = problem("under-voltage", "Power supply too weak");
const THROTTLED: Shape = problem("throttled", "Processor slowed down");

impl Shape {
    #[expect(clippy::expect_used, reason = "the ids are fixed words, and a test makes all of them")]
    fn id(&self) -> PropertyId {
        PropertyId::new(self.id).expect("a fixed word")
    }

    fn property(&self) -> SensorProperty {
        let kind = match self.number {
            Some((unit, decimals)) => PropertyKind::Number { unit: unit.to_owned(), decimals },
            None => PropertyKind::Switch,
        };
        let class = self.class.map(str::to_owned);
        let info = PropertyInfo {
            id: self.id(),
            name: self.name.to_owned(),
            kind,
            settable: false,
            class,
            range: None,
        };
        SensorProperty::new(info, self.range)
    }

    fn sample(&self, measured: f64) -> Option<Sample> {
        Some(Sample { property: self.id(), value: Value::number(measured)?, quality: Quality::Ok })
    }

    fn flag(&self, on: bool) -> Sample {
        Sample { property: self.id(), value: Value::Switch(on), quality: Quality::Ok }
    }
}

/// Reads the machine that it runs on.
#[derive(Debug)]
pub struct HostSource {
    places: HostPlaces,
    clock: Arc<dyn Clock>,
    properties: Vec<SensorProperty>,
    /// Rates are differences to the reading before.
    before: (Moment, Figures),
}

impl HostSource {
    /// Looks up what this machine has.
    pub fn probe(places: HostPlaces, clock: Arc<dyn Clock>) -> Self {
        let figures = Figures::read(&places);
        let present = [
            (figures.temperature.is_some(), TEMPERATURE),
            (figures.processor.is_some(), PROCESSOR),
            (figures.load.is_some(), LOAD),
            (figures.memory.is_some(), MEMORY),
            (figures.disk.is_some(), DISK),
            (figures.disk_free.is_some(), DISK_FREE),
            (figures.network.is_some(), RECEIVED),
            (figures.network.is_some(), SENT),
            (figures.uptime.is_some(), UPTIME),
            (figures.under_voltage.is_some(), UNDER_VOLTAGE),
            (figures.throttled.is_some(), THROTTLED),
        ];
        let properties = present.iter().filter(|(is_there, _)| *is_there).map(|(_, shape)| shape.property());
        Self { properties: properties.collect(), before: (clock.moment(), figures), places, clock }
    }

    fn samples(&self, now: Moment, figures: &Figures) -> Vec<Sample> {
        let (then, before) = &self.before;
        let seconds = now.saturating_since(*then).as_secs_f64();
        let processor = difference(before.processor, figures.processor)
            .filter(|ticks| ticks.second > 0)
            .map(|ticks| 100.0 * ticks.first as f64 / ticks.second as f64);
        let network = difference(before.network, figures.network).filter(|_| seconds > 0.0);
        let rate = |bytes: u64| bytes as f64 / seconds;
        [
            figures.temperature.and_then(|celsius| TEMPERATURE.sample(celsius)),
            processor.and_then(|percent| PROCESSOR.sample(percent)),
            figures.load.and_then(|load| LOAD.sample(load)),
            figures.memory.and_then(|percent| MEMORY.sample(percent)),
            figures.disk.and_then(|percent| DISK.sample(percent)),
            figures.disk_free.and_then(|gigabytes| DISK_FREE.sample(gigabytes)),
            network.and_then(|bytes| RECEIVED.sample(rate(bytes.first))),
            network.and_then(|bytes| SENT.sample(rate(bytes.second))),
            figures.uptime.and_then(|seconds| UPTIME.sample(seconds)),
            figures.under_voltage.map(|on| UNDER_VOLTAGE.flag(on)),
            figures.throttled.map(|on| THROTTLED.flag(on)),
        ]
        .into_iter()
        .flatten()
        // A value that appears later (a network card plugged in) waits for the next start, with its inventory.
        .filter(|sample| self.properties.iter().any(|property| property.info.id == sample.property))
        .collect()
    }
}

/// How far counters went, or nothing when one went backwards: it was reset, and the difference would be made up.
fn difference(before: Option<Counters>, now: Option<Counters>) -> Option<Counters> {
    let (before, now) = before.zip(now)?;
    Some(Counters {
        first: now.first.checked_sub(before.first)?,
        second: now.second.checked_sub(before.second)?,
    })
}

#[async_trait]
impl SensorSource for HostSource {
    fn properties(&self) -> Vec<SensorProperty> {
        self.properties.clone()
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        // statvfs of a disk that hangs would hold a worker thread of the runtime.
        let places = self.places.clone();
        let figures = tokio::task::spawn_blocking(move || Figures::read(&places))
            .await
            .map_err(|error| ReadError::Silent(error.to_string()))?;
        let now = self.clock.moment();
        let samples = self.samples(now, &figures);
        self.before = (now, figures);
        if samples.is_empty() {
            return Err(ReadError::Silent("the kernel shows none of this machine's sensors".to_owned()));
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{ManualClock, Timestamp};
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

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

    fn network_file(received: u64, sent: u64) -> String {
        format!(
            "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n\
             \u{20}   lo: 999999999 1 0 0 0 0 0 0 999999999 1 0 0 0 0 0 0\n\
             \u{20} eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"
        )
    }

    fn stat_file(user: u64, idle: u64) -> String {
        format!(
            "cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {user} 0 0 {idle} 0 0 0 0 0 0\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
        )
    }

    /// A Raspberry Pi as the kernel shows it (values of a Pi 4 with a weak power supply).
    fn raspberry_pi(root: &Path) {
        write(root, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        write(root, "proc/loadavg", "0.52 0.58 0.59 1/467 12345\n");
        write(root, "proc/uptime", "3600.50 7000.00\n");
        write(root, "proc/stat", &stat_file(1_000, 9_000));
        write(root, "proc/meminfo", &meminfo());
        write(root, "proc/net/dev", &network_file(1_000, 2_000));
        fs::create_dir_all(root.join("sys/class/net/eth0/device")).unwrap();
        fs::create_dir_all(root.join("sys/class/net/lo")).unwrap();
        write(root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone0/temp", "48312\n");
        write(root, "sys/class/thermal/thermal_zone1/type", "battery\n");
        write(root, "sys/class/thermal/thermal_zone1/temp", "71000\n");
        write(root, "sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        write(root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        write(root, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
    }

    fn meminfo() -> String {
        let fields = [
            ("MemTotal", 4_000_000),
            ("MemFree", 500_000),
            ("MemAvailable", 3_000_000),
            ("Buffers", 1),
            ("Cached", 1),
            ("SwapCached", 1),
            ("Active", 1),
            ("Inactive", 1),
            ("SwapTotal", 1),
            ("SwapFree", 1),
            ("Dirty", 1),
            ("Writeback", 1),
            ("Mapped", 1),
            ("Slab", 1),
            ("Committed_AS", 1),
            ("VmallocTotal", 1),
            ("VmallocUsed", 1),
            ("VmallocChunk", 1),
        ];
        fields.iter().map(|(name, kilobytes)| format!("{name}: {kilobytes} kB\n")).collect()
    }

    fn value(samples: &[Sample], id: &str) -> Option<Value> {
        samples.iter().find(|sample| sample.property.as_str() == id).map(|sample| sample.value.clone())
    }

    #[tokio::test]
    async fn a_raspberry_pi_shows_all_its_sensors() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        raspberry_pi(root);
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut source = HostSource::probe(places(root), clock.clone());
        clock.advance(Duration::from_secs(10));
        write(root, "proc/stat", &stat_file(1_250, 9_750));
        write(root, "proc/net/dev", &network_file(11_000, 2_500));
        let samples = source.read().await.unwrap();
        for (id, expected) in [
            ("temperature", Value::Number(48.312)),
            ("load", Value::Number(0.52)),
            ("processor", Value::Number(25.0)),
            ("memory", Value::Number(25.0)),
            ("received", Value::Number(1_000.0)),
            ("sent", Value::Number(50.0)),
            ("uptime", Value::Number(3_600.5)),
            ("under-voltage", Value::Switch(true)),
            ("throttled", Value::Switch(false)),
        ] {
            assert_eq!(value(&samples, id), Some(expected), "{id}");
        }
        assert!(
            matches!(value(&samples, "disk"), Some(Value::Number(used)) if (0.0..=100.0).contains(&used))
        );
        assert_eq!(samples.len(), source.properties().len());
        assert!(samples.iter().all(|sample| sample.quality == Quality::Ok));
        assert_eq!(places(root).board_name(), "Raspberry Pi 4 Model B Rev 1.4");
    }

    #[tokio::test]
    async fn what_a_machine_does_not_have_is_absent_not_zero() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "proc/loadavg", "0.00 0.00 0.00 1/100 1\n");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut source = HostSource::probe(places(directory.path()), clock);
        let ids: Vec<String> =
            source.properties().iter().map(|property| property.info.id.to_string()).collect();
        assert_eq!(ids, ["load", "disk", "disk-free"]);
        assert_eq!(value(&source.read().await.unwrap(), "temperature"), None);
        assert_eq!(places(directory.path()).board_name(), "unknown board");
    }

    #[tokio::test]
    async fn a_sensor_of_a_pc_is_found_among_the_chips() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(root, "sys/class/thermal/thermal_zone0/type", "acpitz\n");
        write(root, "sys/class/thermal/thermal_zone0/temp", "27800\n");
        write(root, "sys/class/hwmon/hwmon0/name", "coretemp\n");
        write(root, "sys/class/hwmon/hwmon0/temp1_input", "55000\n");
        write(root, "sys/class/hwmon/hwmon0/temp2_input", "61000\n");
        write(root, "sys/class/hwmon/hwmon1/name", "nvme\n");
        write(root, "sys/class/hwmon/hwmon1/temp1_input", "70000\n");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut source = HostSource::probe(places(root), clock);
        assert_eq!(value(&source.read().await.unwrap(), "temperature"), Some(Value::Number(61.0)));
    }

    #[tokio::test]
    async fn a_counter_that_was_reset_gives_no_rate() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        raspberry_pi(root);
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut source = HostSource::probe(places(root), clock.clone());
        clock.advance(Duration::from_secs(10));
        write(root, "proc/net/dev", &network_file(10, 10));
        let samples = source.read().await.unwrap();
        assert_eq!((value(&samples, "received"), value(&samples, "sent")), (None, None));
    }

    #[tokio::test]
    async fn this_machine_can_be_read() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let directory = tempfile::tempdir().unwrap();
        let mut source = HostSource::probe(HostPlaces::of_this_machine(directory.path()), clock);
        let samples = source.read().await.unwrap();
        assert!(matches!(value(&samples, "memory"), Some(Value::Number(used)) if used > 0.0 && used < 100.0));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(256))]
        /// A kernel module may write anything into its files.
        #[test]
        fn no_content_of_a_file_panics_or_gives_a_number_that_is_none(content in "(\\PC|\n|[0-9 :.-]){0,200}") {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            raspberry_pi(root);
            for path in ["proc/loadavg", "proc/uptime", "proc/stat", "proc/meminfo", "proc/net/dev",
                "sys/class/thermal/thermal_zone0/temp", "sys/devices/platform/soc/soc:firmware/get_throttled"] {
                write(root, path, &content);
            }
            let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
            let source = HostSource::probe(places(root), clock);
            let samples = source.samples(Moment::from_start(Duration::from_secs(1)), &Figures::read(&places(root)));
            let is_finite = |sample: &Sample| sample.value.as_number().is_some_and(f64::is_finite);
            proptest::prop_assert!(samples.iter().all(is_finite));
        }
    }
}
