//! A broker's process: what it uses, and how it is ended. It is always ended, by its id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// How long a broker may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often a condition is looked at that sends no word when it comes true.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The core of every broker, and the core of the load. On a machine with one core they share it.
const BROKER_CORE: usize = 1;
const LOAD_CORE: usize = 0;

/// Does something on one core; what is started meanwhile stays there. Then this thread is back on the core of the load.
fn on_core<T>(core: usize, act: impl FnOnce() -> T) -> T {
    pin(core);
    let result = act();
    pin(LOAD_CORE);
    result
}

/// Puts this thread, and all that it starts from now on, on one core.
fn pin(core: usize) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut set = CpuSet::new();
    // While this thread is pinned the system says that there is one core, so that it is asked for the number only once.
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    set.set(core % *CORES.get_or_init(|| cores));
    // A container may forbid it; then the system decides, for all brokers alike.
    let _ = sched_setaffinity(None, &set);
}

/// Puts the load on its core, and lets it and every broker open as many files as the system allows: each client takes
/// one.
pub(crate) fn prepare() {
    pin(LOAD_CORE);
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Processor time of the calling process's first thread, which plays the clients.
pub(crate) fn own_cpu_time() -> Result<Duration, String> {
    let path = Path::new("/proc/self/schedstat");
    run_time(path).map(Duration::from_nanos).ok_or(format!("{} cannot be read", path.display()))
}

/// Nanoseconds that a thread has run: the first figure of its schedstat (Documentation/scheduler/sched-stats.rst).
fn run_time(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Waits.
#[expect(
    clippy::disallowed_methods,
    reason = "a port that opens and a process that ends elsewhere send no word"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Looks until `condition` gives something or `limit` is over.
pub(crate) fn until<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let mut waited = Duration::ZERO;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if waited >= limit {
            return None;
        }
        pause(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
}

/// Resident memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All resident pages.
    pub(crate) rss_bytes: u64,
    /// The same with shared pages counted in parts: what the machine would get back.
    pub(crate) pss_bytes: u64,
}

/// A child process with its output in a file.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let explain = |error: std::io::Error| format!("{program} cannot be started: {error}");
        let output = File::create(log).map_err(explain)?;
        let errors = output.try_clone().map_err(explain)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = on_core(BROKER_CORE, || command.spawn()).map_err(explain)?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its output.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn read(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}\n{}", self.last_words()))
    }

    /// What it has resident now.
    pub(crate) fn memory(&self) -> Result<Memory, String> {
        let text = self.read("smaps_rollup")?;
        Ok(Memory { rss_bytes: kibibytes(&text, "Rss:")?, pss_bytes: kibibytes(&text, "Pss:")? })
    }

    /// Processor time of all its threads, its own and the kernel's for it.
    pub(crate) fn cpu_time(&self) -> Result<Duration, String> {
        let path = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
        // A thread that ends meanwhile takes its part along; those of a broker stay.
        let times = threads.flatten().filter_map(|thread| run_time(&thread.path().join("schedstat")));
        Ok(Duration::from_nanos(times.sum()))
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| error.to_string())?;
        let ended = until(STOP_LIMIT, || self.has_ended().then_some(()));
        ended.ok_or_else(|| format!("it had not stopped after {STOP_LIMIT:?}\n{}", self.last_words()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kibibytes(text: &str, label: &str) -> Result<u64, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map(|kib| kib * 1_024).ok_or(format!("/proc says nothing of {label}"))
}
