//! `gatehouse check`: every problem of a configuration.

use std::path::Path;
use std::sync::Arc;

use gatehouse_board::preflight::obstacles;
use gatehouse_model::{Clock, SystemClock};

use crate::answer::{answer, remark};
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::mistakes::{print, report_problems};
use crate::pins;

/// Checks the file and prints what is wrong with it.
pub(crate) fn check(file: &Path) -> anyhow::Result<Exit> {
    match config::load_file(file) {
        Ok(config) => {
            print(&config.warnings);
            print_machine(&config);
            answer!("{}: no mistake found, {}", file.display(), devices(config.devices.len()));
            Ok(Exit::Success)
        }
        Err(problems) => Ok(report_problems(&problems)),
    }
}

/// Prints what is in the way on this machine, and which outputs fire at power-on, if any.
fn print_machine(config: &Config) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Only the machine's own files are looked at.
    let board = config.board.open(Path::new("/"), &clock);
    let obstacles = obstacles(&*board, &config.devices);
    for warning in obstacles.into_iter().chain(pins::power_on_warnings(config)) {
        remark!("warning: {warning}");
    }
}

fn devices(count: usize) -> String {
    match count {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    }
}
