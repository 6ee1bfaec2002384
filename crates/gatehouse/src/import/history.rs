//! `gatehouse import history` and `gatehouse import home-assistant`: rows from elsewhere into the history.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_history::formats::{Format, Row, RowReader};
use gatehouse_history::home_assistant::HomeAssistant;
use gatehouse_history::home_assistant::statistics::Statistics;
use gatehouse_history::{History, Import, Imported, Options, SeriesName};
use gatehouse_model::{Scheme, SystemClock};

use crate::cli::{DataArguments, FormatArgument, ImportHistoryArguments, ImportHomeAssistantArguments};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::{config, paths};

/// Rows between two looks of the person who waits.
const TELL_EVERY: u64 = 10_000;

/// Rows that make no sense of which each is told; more are counted.
const TOLD_MISTAKES: u64 = 10;

/// Rows that make no sense at the beginning of a file, after which nobody hopes for others.
const HOPELESS: u64 = 1_000;

/// Imports files of rows.
pub(super) fn history(arguments: &ImportHistoryArguments) -> anyhow::Result<Exit> {
    let scheme = config::load_file(&arguments.config).ok().map(|config| config.gateway.scheme);
    with_history(&arguments.data, async |history| {
        let mut exit = Exit::Success;
        for file in &arguments.files {
            let mut import = history.import();
            let read = read_file(file, arguments.format, scheme.clone(), &mut import).await?;
            let counts = import.finish().await?;
            say(&format!("{}: {}", file.display(), sentence(counts)));
            if let Some(problem) = read.sentence() {
                say(&format!("gatehouse: {}: {problem}", file.display()));
                exit = Exit::Failure;
            }
        }
        Ok(exit)
    })
}

/// How the reading of a file went.
#[derive(Debug, Default)]
struct FileRead {
    rows: u64,
    /// Rows that could not be read.
    bad: u64,
    /// What ended it before its end.
    end: Option<String>,
}

impl FileRead {
    /// What is wrong with the file, if anything is.
    fn sentence(&self) -> Option<String> {
        let bad = match self.bad {
            0 => None,
            1 => Some("1 row makes no sense and is left out".to_owned()),
            bad => Some(format!("{bad} rows make no sense and are left out")),
        };
        let next = "mend the file and import it again: what is known already stays as it is";
        Some(match (bad, &self.end) {
            (None, None) => return None,
            (_, Some(end)) if self.rows == 0 => end.clone(),
            (Some(bad), None) => format!("{bad}; all others are imported. To have these too, {next}"),
            (None, Some(end)) => format!("{end}. What was read before that is imported; {next}"),
            (Some(bad), Some(end)) => format!("{bad}, and then: {end}. What was read is imported; {next}"),
        })
    }
}

/// Reads one file into an import, and tells of the first mistakes in it.
async fn read_file(
    file: &Path,
    format: Option<FormatArgument>,
    scheme: Option<Scheme>,
    import: &mut Import,
) -> anyhow::Result<FileRead> {
    let is_input = file == Path::new("-");
    let format = match format.map(Format::from).or_else(|| Format::of_path(file)) {
        Some(format) => format,
        None if is_input => Format::Csv,
        None => bail!("{}: the end of its name says no format: give one with --format", file.display()),
    };
    let opened = if is_input {
        RowReader::new(Box::new(std::io::stdin()), format, scheme)
    } else {
        RowReader::open(file, format, scheme)
    };
    let mut read = FileRead::default();
    let reader = match opened {
        Ok(reader) => reader,
        Err(problem) => return Ok(FileRead { end: Some(problem.to_string()), ..read }),
    };
    let mut progress = Progress::new();
    for row in reader {
        match row {
            Ok(row) => {
                import.push(&row).await?;
                read.rows += 1;
                if read.rows.is_multiple_of(TELL_EVERY) {
                    progress.line(&format!("{}: {} rows", file.display(), read.rows));
                }
            }
            Err(problem) if problem.is_of_file => {
                read.end = Some(problem.to_string());
                break;
            }
            Err(problem) => {
                read.bad += 1;
                if read.bad <= TOLD_MISTAKES {
                    progress.clear();
                    say(&format!("gatehouse: {}: {problem}", file.display()));
                }
                if read.bad == HOPELESS && read.rows == 0 {
                    read.end = Some(format!(
                        "of its first {HOPELESS} rows none makes sense: it seems to be another kind of file"
                    ));
                    break;
                }
            }
        }
    }
    progress.clear();
    Ok(read)
}

/// Imports the states of a recorder's database.
pub(super) fn home_assistant(arguments: &ImportHomeAssistantArguments) -> anyhow::Result<Exit> {
    let mut names = HashMap::new();
    for pair in &arguments.map {
        let (entity, name) = pair.split_once('=').with_context(|| {
            format!("--map: `{pair}` is not ENTITY=SERIES, as in sensor.kitchen=kitchen/temperature")
        })?;
        let name: SeriesName = name.parse().with_context(|| format!("--map: `{name}` is no series"))?;
        names.insert(entity.to_owned(), name);
    }
    with_history(&arguments.data, async |history| {
        let mut import = history.import();
        let mut progress = Progress::new();
        let mut rows = 0_u64;
        // The two readers are alike, and neither is worth a trait.
        let (skipped, what) = if arguments.statistics {
            let mut reader = Statistics::open(&arguments.file, names).await?;
            while let Some(batch) = reader.next().await? {
                rows += push(&mut import, &batch).await?;
                progress.line(&format!("{rows} rows of statistics"));
            }
            let skipped = reader.skipped();
            reader.close().await;
            (skipped, "hours")
        } else {
            let mut reader = HomeAssistant::open(&arguments.file, names).await?;
            while let Some(batch) = reader.next().await? {
                rows += push(&mut import, &batch).await?;
                progress.line(&format!("{rows} states"));
            }
            let skipped = reader.skipped();
            reader.close().await;
            (skipped, "states")
        };
        progress.clear();
        let counts = import.finish().await?;
        say(&format!("{}: {}; {skipped} {what} said nothing", arguments.file.display(), sentence(counts)));
        Ok(Exit::Success)
    })
}

/// Takes rows in, and gives how many.
async fn push(import: &mut Import, batch: &[Row]) -> anyhow::Result<u64> {
    for row in batch {
        import.push(row).await?;
    }
    Ok(batch.len() as u64)
}

/// Opens the history of a data directory on which no gateway runs, does something with it, and closes it.
fn with_history(
    data: &DataArguments,
    work: impl AsyncFnOnce(&History) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(data.data_dir.clone(), false);
    paths::make_private_directory(&directory)?;
    let _claim = paths::claim(&directory)
        .context("history is imported while the gateway is stopped: `sudo systemctl stop gatehouse`")?;
    let file = directory.join(paths::HISTORY_FILE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let history = History::open(&file, Options::default(), Arc::new(SystemClock::new()))
            .await
            .with_context(|| format!("the history in {} cannot be opened", file.display()))?;
        let outcome = work(&history).await;
        history.close().await;
        paths::give_to_owner_of(&directory, &file)?;
        outcome
    })
}

/// What became of the rows, for people.
fn sentence(counts: Imported) -> String {
    let Imported { stored, known, refused } = counts;
    let mut text = format!("{stored} rows are new, {known} were known");
    for (count, reason) in [
        (refused.time, "are refused for their time, before 2000 or in the future"),
        (refused.number, "are refused since they are no finite numbers"),
        (refused.series, "are refused since there are too many series"),
        (refused.texts, "are refused since there are too many different texts"),
    ] {
        if count > 0 {
            text += &format!(", {count} {reason}");
        }
    }
    text
}

fn say(text: &str) {
    // A terminal that is gone is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}
