//! What the machine and this process take, as figures for monitoring.

use std::time::Duration;

use gatehouse_board::host::{HostPlaces, Machine};
use gatehouse_dashboard::{Figure, FigureKind};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::figure::{counter, gauge, number};

/// Longest time that a look may take. It takes milliseconds, unless a disk hangs; then its figures are left out.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// Looks at the machine for whoever asks, one look at a time: a disk that hangs holds one thread, however often it is asked.
pub(super) struct MachineLook {
    places: HostPlaces,
    looking: Mutex<Option<JoinHandle<Machine>>>,
}

impl MachineLook {
    pub(super) fn new(places: HostPlaces) -> Self {
        Self { places, looking: Mutex::new(None) }
    }

    /// The figures now; none while the look hangs.
    pub(super) async fn figures(&self) -> Vec<Figure> {
        let mut looking = self.looking.lock().await;
        let look = looking.get_or_insert_with(|| {
            let places = self.places.clone();
            tokio::task::spawn_blocking(move || Machine::read(&places))
        });
        let Ok(seen) = tokio::time::timeout(LOOK_LIMIT, look).await else { return Vec::new() };
        *looking = None;
        of_machine(&seen.unwrap_or_default())
    }
}

/// What the machine tells of itself. The names of this process' own are those that every program has.
fn of_machine(machine: &Machine) -> Vec<Figure> {
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Memory of the process, in bytes.",
            machine.process_memory.map(number),
        ),
        (
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            machine.process_started,
        ),
        ("gatehouse_machine_uptime_seconds", "Time since the machine started.", machine.uptime),
        ("gatehouse_cpu_temperature_celsius", "The processor's temperature.", machine.temperature),
        (
            "gatehouse_machine_memory_bytes",
            "Memory of the machine.",
            machine.memory.map(|(all, _)| number(all)),
        ),
        (
            "gatehouse_machine_free_memory_bytes",
            "Memory of the machine that programs could still have.",
            machine.memory.map(|(_, free)| number(free)),
        ),
        (
            "gatehouse_disk_size_bytes",
            "Size of the disk with the data.",
            machine.disk.map(|(size, _)| number(size)),
        ),
        (
            "gatehouse_disk_free_bytes",
            "What is free on the disk with the data, for programs that are not root.",
            machine.disk.map(|(_, free)| number(free)),
        ),
    ];
    let mut figures: Vec<Figure> =
        gauges.into_iter().filter_map(|(name, help, value)| Some(gauge(name, help, value?))).collect();
    figures.extend(machine.process_cpu.map(|seconds| Figure {
        name: "process_cpu_seconds_total",
        kind: FigureKind::Counter,
        help: "Processor time that the process took, in seconds.",
        samples: vec![(None, seconds)],
    }));
    let written = machine.process_written;
    figures.extend(written.map(|bytes| {
        counter("gatehouse_process_written_bytes_total", "Bytes that the process wrote to disks.", bytes)
    }));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_does_not_tell_is_no_figure() {
        assert_eq!(of_machine(&Machine::default()), []);
        let machine = Machine {
            temperature: Some(48.3),
            disk: Some((1_000, 400)),
            process_cpu: Some(1.25),
            ..Machine::default()
        };
        let figures = of_machine(&machine);
        let found: Vec<_> = figures.iter().map(|figure| (figure.name, figure.samples[0].1)).collect();
        let expected = [
            ("gatehouse_cpu_temperature_celsius", 48.3),
            ("gatehouse_disk_size_bytes", 1_000.0),
            ("gatehouse_disk_free_bytes", 400.0),
            ("process_cpu_seconds_total", 1.25),
        ];
        assert_eq!(found, expected);
    }

    /// A scrape every quarter of a minute would take all threads within two hours.
    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_waited_for_by_all_who_ask_and_by_no_second_thread() {
        let directory = tempfile::tempdir().unwrap();
        let look = MachineLook::new(HostPlaces::of_this_machine(directory.path()));
        let (ends, hangs) = tokio::sync::oneshot::channel();
        *look.looking.lock().await = Some(tokio::spawn(async move { hangs.await.unwrap_or_default() }));
        for _ in 0..3 {
            assert_eq!(look.figures().await, []);
        }
        ends.send(Machine { temperature: Some(40.0), ..Machine::default() }).unwrap();
        assert_eq!(look.figures().await.len(), 1, "the look that hung");
        assert!(look.looking.lock().await.is_none(), "the next one looks anew");
    }
}
