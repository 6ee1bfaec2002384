//! The contract of the board on a real kernel: `board_contract --make`, as root, on a machine with gpio-sim
//! (`CONFIG_GPIO_SIM`, since Linux 5.17).
//!
//! It makes a simulated chip, takes it for the header, drives its input from the other side of the simulation, and holds
//! the backend against every rule of `tests/contract/rules.rs`. With `--chip` and `--pulls` it takes a chip that is
//! there already:
//!
//! ```text
//! board_contract --chip gpiochip1 --pulls /sys/devices/platform/gpio-sim.0/gpiochip1
//! ```

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the rules are tests: they fail by panicking")]
#![expect(clippy::print_stdout, reason = "what passed is what it is run for")]

#[path = "../tests/contract/rules.rs"]
mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_board::cdev::CdevBoard;
use gatehouse_board::host::HostPlaces;
use gatehouse_board::traits::{Board, LineNumber};
use gatehouse_model::{Clock, SystemClock};

/// Lines of the chip that is made: as many as a Pi 4's has.
const LINES: u32 = 58;

/// Its label. It is not that of a header, so that a real one beside it is not taken by mistake.
const LABEL: &str = "gatehouse-contract";

/// The simulated chip, which is taken away again in the end.
struct Simulation {
    directory: PathBuf,
}

impl Simulation {
    fn make() -> Self {
        let directory =
            Path::new("/sys/kernel/config/gpio-sim").join(format!("{LABEL}-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("bank")).expect(
            "gpio-sim is loaded (modprobe gpio-sim), configfs is mounted on /sys/kernel/config, and this is root",
        );
        let put = |file: &str, text: &str| std::fs::write(directory.join(file), text).expect(file);
        put("bank/num_lines", &LINES.to_string());
        put("bank/label", LABEL);
        put("live", "1");
        Self { directory }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).expect(file).trim().to_owned()
    }

    fn chip(&self) -> String {
        self.read("bank/chip_name")
    }

    fn pulls(&self) -> PathBuf {
        Path::new("/sys/devices/platform").join(self.read("dev_name")).join(self.chip())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = std::fs::write(self.directory.join("live"), "0");
        let _ = std::fs::remove_dir(self.directory.join("bank"));
        let _ = std::fs::remove_dir(&self.directory);
    }
}

struct Arguments {
    chip: String,
    pulls: PathBuf,
    _simulation: Option<Simulation>,
}

fn arguments() -> Arguments {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1).cloned()
    };
    if words.iter().any(|word| word == "--make") {
        let simulation = Simulation::make();
        return Arguments {
            chip: simulation.chip(),
            pulls: simulation.pulls(),
            _simulation: Some(simulation),
        };
    }
    let usage = "usage: board_contract --make | --chip NAME --pulls DIRECTORY";
    Arguments {
        chip: after("--chip").expect(usage),
        pulls: PathBuf::from(after("--pulls").expect(usage)),
        _simulation: None,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = arguments();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let places = HostPlaces::of_this_machine(Path::new("/"));
    let board = CdevBoard::new(&places, Some(&arguments.chip), &clock);
    let lines = board.lines().expect("the chip can be opened");
    println!("{} with {} lines, as {}", arguments.chip, lines.len(), board.name());
    let (input, output) = (LineNumber::new(4), LineNumber::new(5));
    let pull = arguments.pulls.join(format!("sim_gpio{}/pull", input.number()));
    let value = arguments.pulls.join(format!("sim_gpio{}/value", output.number()));
    let bench = rules::Bench {
        board: Arc::new(board),
        input,
        output,
        missing: LineNumber::new(u32::try_from(lines.len()).unwrap()),
        drive: Box::new(move |is_high| {
            std::fs::write(&pull, if is_high { "pull-up" } else { "pull-down" }).unwrap();
        }),
        seen: Some(Box::new(move || std::fs::read_to_string(&value).unwrap().trim() == "1")),
    };
    rules::all(&bench, |rule| println!("ok: {rule}")).await;
    println!("the board keeps its contract");
}
