//! `gatehouse scan` and `gatehouse catalogue`: what is connected, and what can be, for people at a terminal.

mod report;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use gatehouse_board::BoardOptions;
use gatehouse_board::buses::Buses;
use gatehouse_board::config::DeviceConfig;
use gatehouse_board::scan::{Reach, Scanner};
use gatehouse_model::{Clock, SystemClock};
use tokio::sync::watch;

use crate::answer::{self, answer};
use crate::exit::Exit;
use crate::wiring::{BoardView, catalogue_entries};
use crate::{config, mistakes, paths};

/// Looks at the board and prints what is connected.
pub(crate) fn scan(file: Option<&Path>, as_json: bool, reach: Reach) -> anyhow::Result<Exit> {
    let (options, devices) = match known(file) {
        Ok(known) => known,
        Err(problems) => return Ok(mistakes::report_problems(&problems)),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let directory = paths::data_directory(None, false);
    let board = options.open(&directory, &clock);
    let buses = Arc::new(Buses::new(board.clone()));
    let (_, found) = watch::channel(Vec::new());
    let view = BoardView {
        simulated: None,
        scanner: Scanner::new(board.clone(), buses, devices),
        places: options.places(&directory),
        is_header: options.chip.is_none(),
        tree: Arc::default(),
        survey: Arc::default(),
        board,
        found,
        clock,
    };
    let (board, scan) = (view.board_now(), view.scan_now(reach));
    if as_json {
        answer!("{}", serde_json::to_string_pretty(&serde_json::json!({ "board": board, "scan": scan }))?);
    } else {
        answer::print(format_args!("{}", report::text(&board, &scan)));
    }
    Ok(Exit::Success)
}

/// The board and the devices of the configuration; those of an unconfigured machine when there is none.
fn known(file: Option<&Path>) -> Result<(BoardOptions, Vec<DeviceConfig>), config::Problems> {
    let usual = PathBuf::from(paths::DEFAULT_CONFIGURATION);
    let file = file.map(Path::to_owned).or_else(|| usual.exists().then_some(usual));
    let Some(file) = file else { return Ok((BoardOptions::default(), Vec::new())) };
    let config = config::load_file(&file)?;
    Ok((config.board, config.devices))
}

/// Prints the chips that are driven, or one of them with its wiring and settings.
pub(crate) fn catalogue(word: Option<&str>) -> anyhow::Result<Exit> {
    let entries = catalogue_entries().entries;
    let Some(word) = word else {
        answer::print(format_args!("{}", report::catalogue(&entries)));
        return Ok(Exit::Success);
    };
    match entries.iter().find(|entry| entry.driver == word) {
        Some(entry) => answer::print(format_args!("{}", report::entry(entry))),
        None => {
            let words = entries.iter().map(|entry| entry.driver.as_str());
            match config::nearest(word, words) {
                Some(meant) => bail!("there is no chip `{word}`: did you mean `{meant}`?"),
                None => bail!("there is no chip `{word}`: `gatehouse catalogue` lists those that there are"),
            }
        }
    }
    Ok(Exit::Success)
}
