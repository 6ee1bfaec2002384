//! A broker's process: what it uses, and how it is ended. It is always ended, by its id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long a broker may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often a condition is looked at that sends no word when it comes true.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Clock ticks per second in /proc: USER_HZ, which is 100 on every Linux of today (man 5 proc, man 7 time).
const TICKS_PER_SECOND: u64 = 100;

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
#[derive(Clone, Copy)]
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
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(explain)?;
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

    /// The most it ever had resident.
    pub(crate) fn peak_bytes(&self) -> Result<u64, String> {
        kibibytes(&self.read("status")?, "VmHWM:")
    }

    /// Processor time of all its threads, its own and the kernel's for it.
    pub(crate) fn cpu_time(&self) -> Result<Duration, String> {
        let text = self.read("stat")?;
        // The second field is the name in parentheses, which may hold anything; user and system time are fields 14 and 15.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = rest
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
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
