//! A child process whose output is read as it comes, that is always ended, and that can be sent signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::inbox::Inbox;

/// Longest that the output of a process that has ended may take to arrive.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(10);

/// A child process. It is killed when dropped while it still runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    exit: Option<ExitStatus>,
    stdout: Inbox<String>,
    stderr: Inbox<String>,
}

impl Process {
    /// Starts `command`, whose standard input is what `input` holds.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let name = command.get_program().to_string_lossy().into_owned();
        let mut stdin = child.stdin.take().expect("standard input was asked for");
        // A process that ends without reading its input is judged by its exit, not by this write.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let stdout = follow(&name, child.stdout.take().expect("standard output was asked for"));
        let stderr = follow(&name, child.stderr.take().expect("standard error was asked for"));
        Self { child, exit: None, stdout, stderr }
    }

    /// Starts `command` and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end within `limit`.
    pub fn run(command: &mut Command, input: &str, limit: Duration) -> Finished {
        let mut process = Self::start(command, input);
        let status = process.wait(limit);
        Finished {
            code: status.code(),
            stdout: process.stdout.all().join("\n"),
            stderr: process.stderr.all().join("\n"),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of its standard output.
    pub fn stdout(&self) -> &Inbox<String> {
        &self.stdout
    }

    /// The lines of its standard error.
    pub fn stderr(&self) -> &Inbox<String> {
        &self.stderr
    }

    /// Everything it has said so far.
    pub fn words(&self) -> String {
        let (stdout, stderr) = (self.stdout.all().join("\n"), self.stderr.all().join("\n"));
        format!("--- standard output\n{stdout}\n--- standard error\n{stderr}\n---")
    }

    /// Asks it to stop, as systemd does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again, as `systemctl reload` does.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Ends it without giving it a chance to do anything, as a power cut would.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The child has not been waited for, so its id cannot belong to another process by now.
        if self.exit.is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("the child can be signalled");
        }
    }

    /// Waits for its end and for its last words.
    ///
    /// # Panics
    /// When it does not end within `limit`; it is killed then.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        if let Some(exit) = self.exit {
            return exit;
        }
        if !self.ends_within(limit) {
            self.kill();
            panic!("the process had not ended after {} s\n{}", limit.as_secs(), self.words());
        }
        let exit = self.child.wait().expect("the child can be waited for");
        self.exit = Some(exit);
        self.stdout.wait_closed("the last words on standard output", LAST_WORDS_LIMIT);
        self.stderr.wait_closed("the last words on standard error", LAST_WORDS_LIMIT);
        exit
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let process =
            pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).expect("the child exists");
        let limit = Timespec::try_from(limit).expect("limits are short");
        // An interrupted poll counts as not ended; no test sends itself signals.
        matches!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)), Ok(1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a process that has ended leaves behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

fn follow(name: &str, stream: impl Read + Send + 'static) -> Inbox<String> {
    let inbox = Inbox::default();
    let lines = inbox.clone();
    let show = std::env::var_os("GATEHOUSE_TEST_LOG").map(|_| name.to_owned());
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(name) = &show {
                let _ = writeln!(std::io::stderr(), "{name}: {text}");
            }
            lines.push(text);
            line.clear();
        }
        lines.close();
    });
    inbox
}
