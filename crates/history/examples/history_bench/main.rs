//! Measures history on a synthetic house, beside the table that Home Assistant's recorder resembles.
//! `scripts/bench history` builds and starts it.
//!
//! What makes the comparison fair: both files are made in the same run from the same readings. Of both, one day is written
//! with a commit each ten seconds, and that is the day whose bytes are counted, those of the process as the kernel counts
//! them (`/proc/self/io`; of ours without the tenth that threads write to wake each other, which is nothing of the other's): ours is the last one, through the real intake, writer and sealer with a simulated clock, into a
//! file that has all the others; the other table's is the first one, into an empty file, which flatters it. The rest of ours
//! is imported, and of the other one written some thousands of readings at a time. The other one is leaner than its model (one
//! index instead of five, no attributes, no contexts), and may have fewer days: where a question is about more of them than
//! it has, its time is multiplied, and the table says so.

mod house;
mod log;
mod naive;
mod ours;
mod queries;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use gatehouse_model::{Clock, SystemClock};

use house::House;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Days of readings.
    days: i64,
    /// Days of them that the other table gets, from the first one on: it grows by a third of a gigabyte in ten days.
    naive_days: i64,
    /// Series that are read every ten seconds, and each second.
    slow: usize,
    fast: usize,
    seed: u64,
    directory: PathBuf,
}

const USAGE: &str = "\
usage: history_bench [--quick] [--days N] [--naive-days N] [--slow N] [--fast N] [--seed N] --directory DIR
  --quick       a month instead of a year, and three days of it in the other table instead of ten
  --slow, --fast  series that are read every 10 s (30) and each second (5)
  --directory   where the files go; a disk that counts, not one in memory";

fn arguments() -> Result<Plan, String> {
    let mut plan = Plan { days: 365, naive_days: 10, slow: 30, fast: 5, seed: 1, directory: PathBuf::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--quick" {
            (plan.days, plan.naive_days) = (30, 3);
            continue;
        }
        let value = words.next().ok_or(USAGE)?;
        let number = || value.parse::<u32>().map_err(|_| format!("`{value}` is no number\n{USAGE}"));
        match word.as_str() {
            "--days" => plan.days = number()?.into(),
            "--naive-days" => plan.naive_days = number()?.into(),
            "--slow" => plan.slow = number()? as usize,
            "--fast" => plan.fast = number()? as usize,
            "--seed" => plan.seed = number()?.into(),
            "--directory" => plan.directory = value.into(),
            _ => return Err(USAGE.to_owned()),
        }
    }
    if plan.directory.as_os_str().is_empty() || plan.days < 2 || plan.slow == 0 {
        return Err(USAGE.to_owned());
    }
    plan.naive_days = plan.naive_days.clamp(2, plan.days);
    Ok(plan)
}

fn main() -> ExitCode {
    let done = arguments().and_then(|plan| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(run(&plan))
    });
    match done {
        Ok(report) => {
            let shown = std::io::stdout().write_all(report.as_bytes());
            if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(complaint) => {
            progress(&format!("history_bench: {complaint}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(plan: &Plan) -> Result<String, String> {
    let house = House::new(plan.slow, plan.fast, plan.seed);
    let ours = ours::build(plan, house.clone()).await?;
    let other = naive::build(plan, house.clone()).await?;
    progress("questions");
    let asked = queries::ask(plan, &house, &ours, &other).await?;
    let mut text = format!(
        "{} series every 10 s, {} at 1 Hz and {} switches, {} days: {} readings. The other table has {} days.\n\n",
        plan.slow,
        plan.fast,
        house::SWITCHES,
        plan.days,
        ours.samples,
        plan.naive_days
    );
    let mut row = |what: &str, here: String, there: String, ratio: f64, aim: &str| {
        text.push_str(&format!("| {what} | {here} | {there} | {ratio:.1} | {aim} |\n"));
    };
    row("", "Gatehouse".to_owned(), "the naive table".to_owned(), f64::NAN, "aim");
    row("---", "---".to_owned(), "---".to_owned(), f64::NAN, "---");
    let (here, there) = (ours.bytes_per_sample, other.bytes_per_sample);
    row("bytes a reading on disk, sealed", format!("{here:.2}"), format!("{there:.1}"), there / here, "2");
    let mega = |bytes: u64| bytes as f64 / 1e6;
    let (here, there) = (mega(ours.day.bytes), mega(other.day.bytes));
    row("MB written a day to files", format!("{here:.1}"), format!("{there:.1}"), there / here, "60");
    let (here, there) = (mega(ours.day.blocks), mega(other.day.blocks));
    row("MB written a day, blocks of 4 KiB", format!("{here:.1}"), format!("{there:.1}"), there / here, "");
    let (here, there) = (ours.imported_per_second, other.per_second);
    row("readings a second imported", format!("{here:.0}"), format!("{there:.0}"), here / there, "100,000");
    let (here, there) = (ours.per_second, other.per_second);
    row("readings a second recorded", format!("{here:.0}"), format!("{there:.0}"), here / there, "");
    for question in &asked {
        let here = format!("{:.1} ms, p95 {:.1} ms", question.here.0, question.here.1);
        let (median, p95) = question.there;
        let scaled =
            if question.scaled { format!(" (from {} days)", plan.naive_days) } else { String::new() };
        let there = format!("{median:.1} ms, p95 {p95:.1} ms{scaled}");
        let ratio = median / question.here.0;
        row(&question.what, here, there, ratio, question.aim);
    }
    text.push_str(&format!("\n{}", ours.report));
    Ok(text
        .replace("| NaN |", "| |")
        .replace("| --- | --- | --- | |", "| --- | --- | --- | --- |")
        .replace("the naive table | | aim", "the naive table | times | aim"))
}

/// Bytes that this process asked the kernel to write: in write calls, how many of those there were, and in pages of 4 KiB
/// that became dirty.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    bytes: u64,
    calls: u64,
    blocks: u64,
}

impl Written {
    pub(crate) fn now() -> Self {
        let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Self { bytes: number("wchar:"), calls: number("syscw:"), blocks: number("write_bytes:") }
    }

    pub(crate) fn since(before: Self) -> Self {
        let now = Self::now();
        Self {
            bytes: now.bytes - before.bytes,
            calls: now.calls - before.calls,
            blocks: now.blocks - before.blocks,
        }
    }

    /// Without the eight bytes with which threads wake each other (eventfd), which go to no disk. All other calls are known
    /// by their length: two for each page of so many in the log, 24 bytes and a page, and one for each page that a
    /// checkpoint moves into the file.
    pub(crate) fn to_files(self, log_pages: u64, page: u64) -> Self {
        let others = self.calls.saturating_sub(2 * log_pages);
        let bytes = self.bytes.saturating_sub(log_pages * (page + 24));
        let moved = bytes.saturating_sub(8 * others) / (page - 8).max(1);
        let wakes = others.saturating_sub(moved);
        Self { bytes: self.bytes - 8 * wakes, calls: self.calls - wakes, ..self }
    }
}

/// Seconds that something took.
pub(crate) struct Stopwatch(SystemClock, gatehouse_model::Moment);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let clock = SystemClock::new();
        let moment = clock.moment();
        Self(clock, moment)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.moment().saturating_since(self.1).as_secs_f64()
    }
}

/// Progress goes to standard error, so that the report can be piped.
pub(crate) fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
