//! Measures how many rows a second an import takes in: `cargo run --release -p gatehouse-history --example import`.
//!
//! A month of 30 series that are read every 10 s, in the order of an export (series by series) and in that of a log (by time),
//! and then the first one again into the same file, where every row is known. It ends with what is on the disk.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_history::formats::{Entry, Head, Row};
use gatehouse_history::{History, Kind, Options};
use gatehouse_model::{Clock, Quality, SystemClock, Timestamp, Value};

const SERIES: usize = 30;
const DAYS: i64 = 30;
const STEP: i64 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("gatehouse-import-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let measured = measure(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    measured
}

async fn measure(directory: &Path) -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let end = clock.now().as_millis().div_euclid(STEP) * STEP;
    let times = end - DAYS * 86_400_000..end;
    let heads: Vec<Arc<Head>> = (0..SERIES)
        .map(|n| {
            let name = format!("room-{n}/temperature").parse()?;
            Ok(Arc::new(Head { name, kind: Kind::Number, unit: Some("°C".into()) }))
        })
        .collect::<Result<_, Box<dyn Error>>>()?;
    let step = usize::try_from(STEP)?;
    let by_series = heads.iter().flat_map(|head| times.clone().step_by(step).map(move |at| row(head, at)));
    let by_time = times.clone().step_by(step).flat_map(|at| heads.iter().map(move |head| row(head, at)));
    let first = directory.join("series.db");
    run("as an export has them", &first, &clock, by_series.clone()).await?;
    run("all known already", &first, &clock, by_series).await?;
    run("in the order of time", &directory.join("time.db"), &clock, by_time).await
}

/// A temperature in tenths that wanders through the day, with noise that is the same in each run.
fn row(head: &Arc<Head>, at: i64) -> Row {
    let seed =
        at.wrapping_mul(0x9e37_79b9).wrapping_add(i64::try_from(head.name.to_string().len()).unwrap_or(0));
    let noise = f64::from(u8::try_from((seed >> 16) & 3).unwrap_or(0)) / 10.0;
    let minute = f64::from(u16::try_from(at.rem_euclid(86_400_000) / 60_000).unwrap_or(0));
    let value =
        ((20.0 + 3.0 * (minute / 1_440.0 * std::f64::consts::TAU).sin()) * 10.0).round() / 10.0 + noise;
    let entry = Entry::Reading { value: Value::Number(value), quality: Quality::Ok };
    Row { head: Arc::clone(head), at: Timestamp::from_millis(at), entry }
}

async fn run(
    what: &str,
    file: &Path,
    clock: &Arc<dyn Clock>,
    rows: impl Iterator<Item = Row>,
) -> Result<(), Box<dyn Error>> {
    let history = History::open(file, Options::default(), Arc::clone(clock)).await?;
    let started = clock.moment();
    let mut import = history.import();
    for row in rows {
        import.push(&row).await?;
    }
    let counts = import.finish().await?;
    let took: Duration = clock.moment().saturating_since(started);
    history.close().await;
    let total = counts.stored + counts.known;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let (rate, bytes) =
        (total as f64 / took.as_secs_f64(), std::fs::metadata(file)?.len() as f64 / total as f64);
    writeln!(
        std::io::stdout(),
        "{what}: {total} rows ({} new) in {:.1} s, {rate:.0} rows/s; {bytes:.2} bytes a row on the disk",
        counts.stored,
        took.as_secs_f64()
    )?;
    Ok(())
}
