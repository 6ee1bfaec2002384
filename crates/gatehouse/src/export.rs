//! `gatehouse export`: what was recorded, for other programs, with or without a running gateway.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use gatehouse_history::formats::{Format, RowWriter};
use gatehouse_history::{Archive, History, HistoryError, MAX_PATTERNS, Options, RowsQuery, RowsReader};
use gatehouse_model::{Clock, SystemClock, Timestamp};

use crate::as_owner::as_owner_of;
use crate::cli::ExportArguments;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::{paths, releases};

/// Bytes that are gathered for one write.
const BUFFER_BYTES: usize = 256 * 1024;

/// Stands for standard output in the place of a file.
const STANDARD_OUTPUT: &str = "-";

/// Writes what was recorded.
pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let history = directory.join(paths::HISTORY_FILE);
    ensure!(
        history.is_file(),
        "there is no history in {}: --data-dir names another data directory",
        directory.display()
    );
    ensure!(
        arguments.series.len() <= MAX_PATTERNS,
        "there are more than {MAX_PATTERNS} patterns: use --series '*'"
    );
    let file = arguments.output.as_deref().filter(|output| *output != Path::new(STANDARD_OUTPUT));
    let format = match (arguments.format, file.and_then(Format::of_path)) {
        (Some(format), _) => format.into(),
        (None, Some(format)) => format,
        (None, None) => Format::Csv,
    };
    let query = RowsQuery {
        patterns: arguments.series.clone(),
        from: arguments.from.as_deref().map(|text| time("--from", text)).transpose()?,
        to: arguments.to.as_deref().map(|text| time("--to", text)).transpose()?,
    };
    // Whoever may write there need not be who owns the data.
    let sink = open_sink(file, format)?;
    let outcome = as_owner_of(&directory, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(export(&directory, &history, &query, format, sink))
    });
    if outcome.is_err()
        && let Some(file) = file
    {
        // Half a file looks like a whole one.
        let _ = std::fs::remove_file(file);
    }
    match outcome {
        Err(problem) if is_broken_pipe(&problem) => Ok(Exit::Success),
        other => other,
    }
}

/// Whoever read what is written here has enough, such as `head`.
fn is_broken_pipe(problem: &anyhow::Error) -> bool {
    problem.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn time(option: &str, text: &str) -> anyhow::Result<Timestamp> {
    // A date is its first moment in UTC.
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse(&whole).ok().with_context(|| {
        format!("{option}: `{text}` is no time: write it like 2026-11-21 or 2026-11-21T09:14:00Z")
    })
}

fn open_sink(file: Option<&Path>, format: Format) -> anyhow::Result<Box<dyn Write + Send>> {
    match file {
        Some(file) => {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
            let made: File = made.with_context(|| format!("{} cannot be made", file.display()))?;
            Ok(Box::new(made))
        }
        None if format == Format::Parquet && io::stdout().is_terminal() => {
            bail!("Parquet is not for a terminal: name a file with --output, or send it on with |")
        }
        None => Ok(Box::new(io::stdout())),
    }
}

async fn export(
    directory: &Path,
    history: &Path,
    query: &RowsQuery,
    format: Format,
    sink: Box<dyn Write + Send>,
) -> anyhow::Result<Exit> {
    let archive = open_archive(directory, history).await?;
    let mut reader = archive.read_rows(query).await?;
    let mut progress = Progress::new();
    let mut writer = RowWriter::new(format, BufWriter::with_capacity(BUFFER_BYTES, sink))?;
    while let Some(rows) = reader.next().await? {
        for row in &rows {
            writer.write(row)?;
        }
        show(&mut progress, &reader);
    }
    writer.finish()?;
    progress.clear();
    let done = reader.progress();
    archive.close().await;
    if done.damaged_chunks > 0 {
        let mut say = io::stderr();
        let _ = writeln!(
            say,
            "gatehouse: {} stretches of the history are damaged and missing in this export; all else is in it",
            done.damaged_chunks
        );
        return Ok(Exit::Failure);
    }
    Ok(Exit::Success)
}

fn show(progress: &mut Progress, reader: &RowsReader) {
    let now = reader.progress();
    let (done, all) = (now.series_done as u64, now.series as u64);
    progress.bar(done, all, &format!("{done} of {all} series, {} rows", now.rows));
}

/// Opens the file for reading. One that has not all tables yet is first brought up to date, which only happens when no
/// gateway runs: one that did would have done it.
async fn open_archive(directory: &Path, history: &Path) -> anyhow::Result<Archive> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match Archive::open(history, Arc::clone(&clock)).await {
        Err(HistoryError::Behind { .. }) => {
            let _claim = paths::claim(directory)?;
            releases::check_form(directory, paths::HISTORY_FILE).await?;
            let path: PathBuf = history.to_owned();
            History::open(&path, Options::default(), Arc::clone(&clock)).await?.close().await;
            Ok(Archive::open(history, clock).await?)
        }
        other => Ok(other?),
    }
}
