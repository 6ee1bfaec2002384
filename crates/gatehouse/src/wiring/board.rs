//! The board in the words of the API, for the page and for `gatehouse scan`.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_board::boards::{Recognised, recognise};
use gatehouse_board::catalogue::{self, Bus, Content, Entry, Kind, Setting, SettingKind};
use gatehouse_board::host::HostPlaces;
use gatehouse_board::kernel::ProbeSurvey;
use gatehouse_board::pinout::{Around, SeenTree, pinout};
use gatehouse_board::scan::{Candidate, Holder, Reach, Scan, Scanner, Thing};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::Board;
use gatehouse_dashboard::wire::{
    self, BoardBus, BoardScan, Catalogue, CatalogueBusWord, CatalogueEntry, CatalogueKindWord,
    CatalogueProperty, CatalogueSetting, CatalogueWire, FoundCandidate, FoundThing, HolderWord, Probes,
    ScannedBus,
};
use gatehouse_dashboard::{BoardProblem, BoardReader};
use gatehouse_model::Clock;
use tokio::sync::watch;

use super::lines::{board_line, probe};

/// Pins of the simulated board's header.
const SIMULATED_PINS: u8 = 40;

/// What it takes to look at a board.
#[derive(Clone)]
pub(crate) struct BoardView {
    pub(crate) board: Arc<dyn Board>,
    /// The same once more when it is the simulated one, to play with.
    pub(crate) simulated: Option<SimulatedBoard>,
    pub(crate) places: HostPlaces,
    pub(crate) scanner: Scanner,
    /// Whether the lines are those of the header, and not of a chip that the configuration names.
    pub(crate) is_header: bool,
    /// What was seen of the device tree.
    pub(crate) tree: Arc<SeenTree>,
    /// Who reads the thermometers on 1-Wire for people.
    pub(crate) survey: Arc<ProbeSurvey>,
    /// What was noticed while the gateway runs.
    pub(crate) found: watch::Receiver<Vec<Thing>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl BoardView {
    /// The board as it is now. It reads small files.
    pub(crate) fn board_now(&self) -> wire::Board {
        let machine = recognise(&self.places);
        let is_simulated = self.board.is_simulated();
        let (model, header_pins) = if is_simulated {
            (None, Some(SIMULATED_PINS))
        } else {
            let model = machine.model.map(|model| model.name.to_owned());
            (model, machine.header().map(|header| header.last_pin()))
        };
        let devices = self.scanner.devices();
        let firmware = if is_simulated { String::new() } else { crate::pins::firmware_text() };
        // What this machine is says nothing of a board that is made up.
        let around = Around {
            places: &self.places,
            machine: if is_simulated { &Recognised::default() } else { &machine },
            is_header: self.is_header,
            devices: &devices,
            firmware: &firmware,
            tree: &self.tree,
            now: self.clock.moment(),
        };
        let (lines, lines_problem) = match pinout(&*self.board, &around) {
            Ok(lines) => (lines.into_iter().map(board_line).collect(), None),
            Err(problem) => (Vec::new(), Some(problem.to_string())),
        };
        let bus = |info: gatehouse_board::traits::BusInfo| BoardBus {
            name: info.name,
            description: info.description,
            problem: info.problem,
        };
        wire::Board {
            name: self.board.name(),
            model,
            header_pins,
            simulated: is_simulated,
            lines,
            lines_problem,
            buses: self.board.buses().into_iter().map(bus).collect(),
            found: self.found.borrow().iter().map(found).collect(),
        }
    }

    /// What the thermometers on 1-Wire show. It blocks for some seconds.
    pub(crate) fn probes_now(&self) -> Probes {
        let probes = self.survey.look(&*self.board, &self.scanner.devices(), &*self.clock);
        Probes { probes: probes.iter().map(probe).collect() }
    }

    /// Looks at everything that is connected. It blocks for some seconds.
    pub(crate) fn scan_now(&self, reach: Reach) -> BoardScan {
        let Scan { buses, kernel } = self.scanner.scan(reach);
        let bus = |bus: gatehouse_board::scan::ScannedBus| ScannedBus {
            things: bus.things.iter().map(found).collect(),
            name: bus.name,
            description: bus.description,
            problem: bus.problem,
        };
        BoardScan {
            at: self.clock.now(),
            buses: buses.into_iter().map(bus).collect(),
            kernel: kernel.iter().map(found).collect(),
        }
    }
}

/// A thing in the words of the API.
pub(crate) fn found(thing: &Thing) -> FoundThing {
    let (held_by, holder) = match &thing.holder {
        Holder::Nobody => (HolderWord::Nobody, None),
        Holder::Kernel { driver } => (HolderWord::Kernel, Some(driver.clone())),
        Holder::Device { id } => (HolderWord::Device, Some(id.clone())),
    };
    let candidate = |candidate: &Candidate| FoundCandidate {
        driver: candidate.driver.clone(),
        name: candidate.name.clone(),
        certainty: candidate.certainty,
        or_else: candidate.or_else.clone(),
    };
    FoundThing {
        bus: thing.bus.clone(),
        place: thing.place.clone(),
        held_by,
        holder,
        candidates: thing.candidates.iter().map(candidate).collect(),
        note: thing.note.clone(),
        configuration: thing.configuration.clone(),
    }
}

#[async_trait]
impl BoardReader for BoardView {
    async fn board(&self) -> Result<wire::Board, BoardProblem> {
        let view = self.clone();
        let board = tokio::task::spawn_blocking(move || view.board_now()).await;
        board.map_err(|error| BoardProblem(error.to_string()))
    }

    async fn scan(&self) -> Result<BoardScan, BoardProblem> {
        let view = self.clone();
        let scan = tokio::task::spawn_blocking(move || view.scan_now(Reach::Header)).await;
        scan.map_err(|error| BoardProblem(error.to_string()))
    }

    async fn probes(&self) -> Result<Probes, BoardProblem> {
        let view = self.clone();
        let probes = tokio::task::spawn_blocking(move || view.probes_now()).await;
        probes.map_err(|error| BoardProblem(error.to_string()))
    }

    fn catalogue(&self) -> Catalogue {
        catalogue_entries()
    }
}

/// Every chip that is driven.
pub(crate) fn catalogue_entries() -> Catalogue {
    Catalogue { entries: catalogue::entries().iter().map(|entry| catalogue_entry(entry)).collect() }
}

fn catalogue_entry(entry: &Entry) -> CatalogueEntry {
    let (bus, addresses) = match entry.bus {
        Bus::I2c { addresses } => (CatalogueBusWord::I2c, addresses.to_vec()),
        Bus::Spi { .. } => (CatalogueBusWord::Spi, Vec::new()),
        Bus::Serial { .. } => (CatalogueBusWord::Serial, Vec::new()),
    };
    let (kind, lines) = match entry.kind {
        Kind::Sensor => (CatalogueKindWord::Sensor, None),
        Kind::LineExpander { lines } => (CatalogueKindWord::LineExpander, Some(lines)),
        Kind::PwmExpander { lines } => (CatalogueKindWord::PwmExpander, Some(lines)),
        Kind::Multiplexer { channels } => (CatalogueKindWord::Multiplexer, Some(channels)),
    };
    let properties = entry.properties.iter().map(|property| {
        let range = (property.content == Content::Number).then_some(property.range);
        CatalogueProperty {
            id: property.id.to_owned(),
            name: property.name.to_owned(),
            unit: property.unit.to_owned(),
            lowest: range.map(|(lowest, _)| lowest),
            highest: range.map(|(_, highest)| highest),
        }
    });
    let wiring = entry.wiring.iter().map(|wire| CatalogueWire {
        pin: wire.pin.to_owned(),
        to: wire.to.to_owned(),
        note: wire.note.to_owned(),
    });
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    CatalogueEntry {
        driver: entry.word.to_owned(),
        name: entry.name.to_owned(),
        what: entry.what.to_owned(),
        bus,
        addresses,
        kind,
        lines,
        properties: properties.collect(),
        settings: entry.settings.iter().map(setting).collect(),
        wiring: wiring.collect(),
        supply_lowest: entry.supply.lowest,
        supply_highest: entry.supply.highest,
        period_ms: millis(entry.periods.default),
        shortest_period_ms: millis(entry.periods.shortest),
        source: entry.source.to_owned(),
        notes: entry.notes.iter().map(|note| (*note).to_owned()).collect(),
    }
}

fn setting(setting: &Setting) -> CatalogueSetting {
    let (values, default) = match setting.kind {
        SettingKind::Number { lowest, highest, default, unit } => {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            (format!("{lowest} to {highest}{unit}"), default.to_string())
        }
        SettingKind::Choice { words, default } => {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            (quoted.join(", "), format!("\"{default}\""))
        }
        SettingKind::Flag { default } => ("true or false".to_owned(), default.to_string()),
    };
    CatalogueSetting { key: setting.key.to_owned(), what: setting.what.to_owned(), values, default }
}
