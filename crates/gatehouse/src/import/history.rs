//! `gatehouse import history` and `gatehouse import home-assistant`: rows from elsewhere into the history.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_history::formats::{Format, Row, RowReader};
use gatehouse_history::home_assistant::statistics::Statistics;
use gatehouse_history::home_assistant::{HomeAssistant, HomeAssistantError};
use gatehouse_history::{History, Import, Imported, Options, SeriesName};
use gatehouse_model::{Scheme, SystemClock};

use crate::as_owner::as_owner_of;
use crate::cli::{DataArguments, FormatArgument, ImportHistoryArguments, ImportHomeAssistantArguments};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::{config, paths, releases};

/// Rows between two looks of the person who waits.
const TELL_EVERY: u64 = 10_000;

/// Rows that make no sense of which each is told; more are counted.
const TOLD_MISTAKES: u64 = 10;

/// Rows that make no sense at the beginning of a file, after which nobody hopes for others.
const HOPELESS: u64 = 1_000;

/// Imports files of rows.
pub(super) fn history(arguments: &ImportHistoryArguments) -> anyhow::Result<Exit> {
    let scheme = config::load_file(&arguments.config).ok().map(|config| config.gateway.scheme);
    let data = Data::claim(&arguments.data)?;
    let mut exit = Exit::Success;
    for file in &arguments.files {
        let input = Input::open(file, arguments.format)?;
        let (read, counts) = data.with_history(async |history| {
            let mut import = history.import();
            let read = read_rows(input, file, scheme.clone(), &mut import).await?;
            Ok((read, import.finish().await?))
        })?;
        say(&format!("{}: {}", file.display(), sentence(counts)));
        if let Some(problem) = read.sentence() {
            say(&format!("gatehouse: {}: {problem}", file.display()));
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

/// A file of rows, opened with the rights of whoever runs this: it need not be one that the owner of the data may read.
struct Input {
    /// Nothing for standard input.
    file: Option<io::Result<File>>,
    format: Format,
}

impl Input {
    fn open(file: &Path, format: Option<FormatArgument>) -> anyhow::Result<Self> {
        let is_standard = file == Path::new("-");
        let format = match format.map(Format::from).or_else(|| Format::of_path(file)) {
            Some(format) => format,
            None if is_standard => Format::Csv,
            None => bail!("{}: the end of its name says no format: give one with --format", file.display()),
        };
        Ok(Self { file: (!is_standard).then(|| File::open(file)), format })
    }

    /// The rows of it, or what is wrong with it as a whole.
    fn into_rows(self, scheme: Option<Scheme>) -> Result<RowReader, String> {
        let opened = match self.file {
            None => RowReader::new(Box::new(io::stdin()), self.format, scheme),
            Some(Ok(file)) => RowReader::of_file(file, self.format, scheme),
            Some(Err(problem)) => return Err(format!("it cannot be opened: {problem}")),
        };
        opened.map_err(|problem| problem.to_string())
    }
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
async fn read_rows(
    input: Input,
    file: &Path,
    scheme: Option<Scheme>,
    import: &mut Import,
) -> anyhow::Result<FileRead> {
    let mut read = FileRead::default();
    let reader = match input.into_rows(scheme) {
        Ok(reader) => reader,
        Err(problem) => return Ok(FileRead { end: Some(problem), ..read }),
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
    let data = Data::claim(&arguments.data)?;
    // The file need not be one that the owner of the data may read. Its connection has a thread, which keeps the rights that it
    // is made with.
    let opening = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reader = opening.block_on(Recorder::open(&arguments.file, names, arguments.statistics))?;
    let (counts, skipped) = data.with_history(async |history| {
        let mut import = history.import();
        let mut progress = Progress::new();
        let mut rows = 0_u64;
        while let Some(batch) = reader.next().await? {
            rows += push(&mut import, &batch).await?;
            progress.line(&format!("{rows} {}", reader.what()));
        }
        let skipped = reader.close().await;
        progress.clear();
        Ok((import.finish().await?, skipped))
    })?;
    let (file, unit) = (arguments.file.display(), if arguments.statistics { "hours" } else { "states" });
    say(&format!("{file}: {}; {skipped} {unit} said nothing", sentence(counts)));
    Ok(Exit::Success)
}

/// A recorder's database, of which one of two things is read.
enum Recorder {
    States(HomeAssistant),
    Statistics(Statistics),
}

impl Recorder {
    async fn open(
        file: &Path,
        names: HashMap<String, SeriesName>,
        statistics: bool,
    ) -> Result<Self, HomeAssistantError> {
        Ok(match statistics {
            true => Self::Statistics(Statistics::open(file, names).await?),
            false => Self::States(HomeAssistant::open(file, names).await?),
        })
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, HomeAssistantError> {
        match self {
            Self::States(reader) => reader.next().await,
            Self::Statistics(reader) => reader.next().await,
        }
    }

    /// What is counted while it is read.
    const fn what(&self) -> &'static str {
        match self {
            Self::States(_) => "states",
            Self::Statistics(_) => "rows of statistics",
        }
    }

    /// Closes it, and gives how many of them said nothing.
    async fn close(self) -> u64 {
        match self {
            Self::States(reader) => {
                let skipped = reader.skipped();
                reader.close().await;
                skipped
            }
            Self::Statistics(reader) => {
                let skipped = reader.skipped();
                reader.close().await;
                skipped
            }
        }
    }
}

/// Takes rows in, and gives how many.
async fn push(import: &mut Import, batch: &[Row]) -> anyhow::Result<u64> {
    for row in batch {
        import.push(row).await?;
    }
    Ok(batch.len() as u64)
}

/// A data directory on which no gateway runs, nor begins to.
struct Data {
    directory: PathBuf,
    _claim: File,
}

impl Data {
    fn claim(data: &DataArguments) -> anyhow::Result<Self> {
        paths::keep_files_private();
        let directory = paths::data_directory(data.data_dir.clone(), false);
        paths::make_private_directory(&directory)?;
        let claim = paths::claim(&directory)
            .context("history is imported while the gateway is stopped: `sudo systemctl stop gatehouse`")?;
        Ok(Self { directory, _claim: claim })
    }

    /// Opens its history with the rights of its owner, does something with it, and closes it.
    fn with_history<T: Send>(
        &self,
        work: impl AsyncFnOnce(&History) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        as_owner_of(&self.directory, || {
            let file = self.directory.join(paths::HISTORY_FILE);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                releases::check_form(&self.directory, paths::HISTORY_FILE).await?;
                let is_new = !file.exists();
                let history = History::open(&file, Options::default(), Arc::new(SystemClock::new()))
                    .await
                    .with_context(|| format!("the history in {} cannot be opened", file.display()))?;
                if is_new {
                    // Where root may not act for others.
                    paths::give_to_owner_of(&self.directory, &file)?;
                }
                let outcome = work(&history).await;
                history.close().await;
                outcome
            })
        })
    }
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
    let _ = writeln!(io::stderr(), "{text}");
}
