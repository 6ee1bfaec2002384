//! Throws many lines fast, and says how many edges it made.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::pulls::Pull;
use crate::{say, time};

/// Throws each line `rate` times a second for so many seconds. Ends with every line down, and an even number of edges.
///
/// A machine that stood still for a moment makes up for it, but never with two edges of a line closer to each other than
/// half of their period: the kernel's thread that tells of edges melts those that are a few microseconds apart into one,
/// and such a burst is not the rate that was asked for. (One pulse of 44,000 was missed that way.)
pub(crate) fn throw(rate: u32, seconds: u32, paths: &[&str]) -> Result<()> {
    ensure!(rate > 0, "the rate is a number of edges a second");
    let mut pulls = paths.iter().map(|path| Pull::open(Path::new(path))).collect::<Result<Vec<_>>>()?;
    let count = (u64::from(rate) * u64::from(seconds)).next_multiple_of(2);
    let start = time::now();
    let closest = Duration::from_secs(1) / rate / 2;
    let mut latest = Duration::ZERO;
    let mut allowed = start;
    for round in 0..count {
        let due = start
            + Duration::from_secs(1) * u32::try_from(round / u64::from(rate))?
            + Duration::from_secs(1) * u32::try_from(round % u64::from(rate))? / rate;
        time::sleep_until(due.max(allowed));
        let now = time::now();
        latest = latest.max(now.saturating_sub(due));
        allowed = now + closest;
        for pull in &mut pulls {
            pull.toggle()?;
        }
    }
    let took = (time::now() - start).as_secs_f64();
    let achieved = count as f64 / took;
    say(&format!(
        "edges={count} lines={} seconds={took:.3} rate={achieved:.0} latest_ms={:.1}",
        pulls.len(),
        latest.as_secs_f64() * 1_000.0
    ))
}
