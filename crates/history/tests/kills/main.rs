//! `kill -9` at random instants, again and again on the same file: what was committed is there, once, and what is kept
//! beside the rows says what they say.
//!
//! A process of its own records a simulated house at the pace of its disk (a minute of the house takes well under a
//! millisecond), so that a kill meets commits, sealing, days that end, checkpoints and the start itself. GATEHOUSE_KILLS says how
//! often, GATEHOUSE_SEED repeats the choices of a run.

#[cfg(test)]
mod check;
#[cfg(test)]
mod house;
#[cfg(test)]
mod process;

use std::path::Path;

use gatehouse_model::{Clock as _, SystemClock};
use tempfile::TempDir;

use check::Segment;
use process::{Dice, run};

/// Kills of one run without GATEHOUSE_KILLS: some seconds.
const KILLS: u32 = 12;

/// Kills that one file goes through: each check reads it whole.
const KILLS_OF_A_FILE: u32 = 40;

/// Minutes of the house between two runs, in which nothing is recorded.
const PAUSE: i64 = 17;

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
