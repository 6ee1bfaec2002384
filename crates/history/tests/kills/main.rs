//! `kill -9` at random instants, again and again on the same file: what was committed is there, once, and what is kept
//! beside the rows says what they say.
//!
//! A process of its own records a simulated house at the pace of its disk (a minute of the house takes well under a
//! millisecond), so that a kill meets commits, sealing, days that end, checkpoints and the start itself. GATEHOUSE_KILLS says how
//! often, GATEHOUSE_SEED repeats the choices of a run.

mod check;
mod house;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use gatehouse_model::{Clock as _, SystemClock};
use tempfile::TempDir;

use check::Segment;

/// Kills of one run without GATEHOUSE_KILLS: some seconds.
const KILLS: u32 = 12;

/// Kills that one file goes through: each check reads it whole.
const KILLS_OF_A_FILE: u32 = 40;

/// Longest time from the start of the process to its end, when that is not during the start.
const LONGEST: u64 = 400;

/// Longest time from the start of the process to an end that may be during its start.
const EARLY: u64 = 60;

/// Longest time until a process has committed something: machines that test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Minutes of the house between two runs, in which nothing is recorded.
const PAUSE: i64 = 17;

/// Numbers that look random and are the same for the same seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The process that is killed, when the test below starts this file again; else nothing.
#[test]
#[ignore = "it is the process that the other test kills"]
fn recording_process() {
    let Ok(directory) = std::env::var("GATEHOUSE_KILL_ME") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<i64>().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let file = Path::new(&directory).join("history.db");
    runtime.block_on(house::record(&file, number("GATEHOUSE_FROM"), number("GATEHOUSE_EAGER") == 1));
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
fn run(directory: &Path, from: i64, dice: &mut Dice) -> u64 {
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

#[test]
fn what_was_committed_survives_every_kill_once_and_rollups_agree() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = asked("GATEHOUSE_KILLS").map_or(KILLS, |kills| u32::try_from(kills).unwrap());
    let seed = asked("GATEHOUSE_SEED").unwrap_or_else(|| SystemClock::new().now().as_millis().unsigned_abs());
    eprintln!("GATEHOUSE_SEED={seed} GATEHOUSE_KILLS={kills}");
    let mut dice = Dice(seed | 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut total = check::Found::default();
    let mut left = kills;
    while left > 0 {
        let directory = TempDir::new().unwrap();
        let mut segments: Vec<Segment> = Vec::new();
        let mut found = check::Found::default();
        let mut from = 0;
        for _ in 0..left.min(KILLS_OF_A_FILE) {
            let committed = run(directory.path(), from, &mut dice);
            segments.push(Segment { from, committed });
            found = runtime.block_on(check::check(&directory.path().join("history.db"), &segments));
            from = found.next.max(from) + PAUSE;
        }
        left -= left.min(KILLS_OF_A_FILE);
        total.add(&found);
    }
    eprintln!(
        "{kills} kills: {} rows, {} of them in {} chunks, {} hours and {} days with their rollups, {} events",
        total.rows, total.sealed, total.chunks, total.hours, total.days, total.events
    );
    assert!(total.rows > 0 && total.chunks > 0 && total.hours > 0 && total.events > 0);
}
