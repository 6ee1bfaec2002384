//! The process that records, its start and its sudden end.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use gatehouse_model::{Clock as _, SystemClock};

/// Longest time from the start of the process to its end, when that is not during the start.
const LONGEST: u64 = 400;

/// Longest time from the start of the process to an end that may be during its start.
const EARLY: u64 = 60;

/// Longest time until a process has committed something: machines that test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random and are the same for the same seed (Marsaglia's xorshift).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn start(directory: &Path, from: i64, eager: bool) -> (Child, Receiver<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["recording_process", "--exact", "--ignored", "--nocapture"])
        .env("GATEHOUSE_KILL_ME", directory)
        .env("GATEHOUSE_FROM", from.to_string())
        .env("GATEHOUSE_EAGER", if eager { "1" } else { "0" })
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, heard) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        // A line that the kill cut short says nothing.
        for line in output.lines().map_while(Result::ok) {
            let committed = line.strip_prefix("committed ").and_then(|rest| rest.strip_suffix('.'));
            if let Some(committed) = committed.and_then(|text| text.parse().ok()) {
                let _ = sender.send(committed);
            }
        }
    });
    (child, heard)
}

/// Runs the process until it is killed. Gives how many samples it said were committed.
pub(crate) fn run(directory: &Path, from: i64, dice: &mut Dice) -> u64 {
    let clock = SystemClock::new();
    let during_start = dice.below(5) == 0;
    let (mut child, heard) = start(directory, from, dice.below(2) == 0);
    let mut committed = 0;
    if !during_start {
        committed = heard.recv_timeout(PATIENCE).expect("the process commits");
    }
    let until =
        clock.moment() + Duration::from_millis(dice.below(if during_start { EARLY } else { LONGEST }));
    loop {
        match heard.recv_timeout(until.saturating_since(clock.moment())) {
            Ok(count) => committed = count,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => panic!("the process ended by itself: {:?}", child.wait()),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before its end counts as well.
    heard.iter().last().unwrap_or(committed)
}
