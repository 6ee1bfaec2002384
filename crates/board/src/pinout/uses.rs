//! Which driver has which line, and as what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_model::Moment;

use super::Around;
use crate::boards::{Soc, TreeFunction, TreeUse, lines_in_use};
use crate::config::LineNumber;
use crate::host::HostPlaces;
use crate::traits::{Board, BusKind, LineInfo};

/// What a driver of the kernel does with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKind {
    /// I²C.
    I2c,
    /// SPI.
    Spi,
    /// A serial port.
    Serial,
    /// 1-Wire.
    OneWire,
    /// Hardware PWM.
    Pwm,
    /// Digital sound.
    Sound,
    /// Something else.
    Other,
}

/// A line that a driver has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineUse {
    /// What for.
    pub kind: UseKind,
    /// The bus or the driver's device: `i2c-1`, `spi-0`, `onewire@4`.
    pub name: String,
    /// The line's function there, as the chip's tables call it: `I2C1_SDA`; nothing when it is a plain line.
    pub function: Option<String>,
}

/// Lines of the header's buses where the device tree says nothing (Raspberry Pi documentation, "GPIO and the 40-pin header").
const I2C_1: [u32; 2] = [2, 3];
const SPI_0: [u32; 5] = [7, 8, 9, 10, 11];
const SERIAL: [u32; 2] = [14, 15];

/// Consoles that come out at header pins 8 and 10. The Pi 5's `ttyAMA10` has a connector of its own.
const HEADER_CONSOLES: [&str; 3] = ["serial0", "ttyS0", "ttyAMA0"];

/// How long what was seen of the device tree is believed: overlays are loaded at the start, and hardly ever later, and a walk
/// over a thousand nodes costs a small board some tens of milliseconds.
const TREE_HOLDS: Duration = Duration::from_secs(30);

/// What was seen of the device tree, for those who ask again and again.
#[derive(Debug, Default)]
pub struct SeenTree(Mutex<Option<(Moment, Arc<[TreeUse]>)>>);

impl SeenTree {
    fn uses(&self, places: &HostPlaces, now: Moment) -> Arc<[TreeUse]> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, uses)) = &*seen
            && now.saturating_since(*at) < TREE_HOLDS
        {
            return uses.clone();
        }
        let uses: Arc<[TreeUse]> = lines_in_use(places).into();
        *seen = Some((now, uses.clone()));
        uses
    }
}

pub(super) fn find(
    board: &dyn Board,
    around: &Around<'_>,
    soc: Option<Soc>,
    infos: &[LineInfo],
) -> BTreeMap<LineNumber, LineUse> {
    let mut uses = BTreeMap::new();
    if !board.is_simulated() {
        for found in around.tree.uses(around.places, around.now).iter() {
            uses.insert(found.line, of_tree(found, soc));
        }
    }
    for info in infos {
        let is_one_wire = info.consumer.as_deref().filter(|consumer| consumer.starts_with("onewire"));
        if let Some(consumer) = is_one_wire {
            let used = LineUse { kind: UseKind::OneWire, name: consumer.to_owned(), function: None };
            uses.entry(info.line).or_insert(used);
        }
    }
    if soc.is_some() {
        add_buses(board, soc, &mut uses);
    }
    uses
}

/// The buses of the header that can be used: their lines are not always in the device tree.
fn add_buses(board: &dyn Board, soc: Option<Soc>, uses: &mut BTreeMap<LineNumber, LineUse>) {
    for bus in board.buses().into_iter().filter(|bus| bus.problem.is_none()) {
        let (kind, name, lines): (_, _, &[u32]) = match bus.kind {
            BusKind::I2c if bus.name == "i2c-1" => (UseKind::I2c, bus.name, &I2C_1),
            BusKind::Spi if bus.name.starts_with("spi-0.") => (UseKind::Spi, "spi-0".to_owned(), &SPI_0),
            BusKind::Serial if bus.name.ends_with("/serial0") => (UseKind::Serial, bus.name, &SERIAL),
            _ => continue,
        };
        if uses.values().any(|used| used.kind == kind && used.name == name) {
            continue;
        }
        for line in lines.iter().copied().map(LineNumber::new) {
            let function = usual_function(soc, line, kind);
            uses.entry(line).or_insert_with(|| LineUse { kind, name: name.clone(), function });
        }
    }
}

fn of_tree(found: &TreeUse, soc: Option<Soc>) -> LineUse {
    let base = found.node.split('@').next().unwrap_or_default();
    let kind = match base {
        "i2c" => UseKind::I2c,
        "spi" => UseKind::Spi,
        "serial" => UseKind::Serial,
        "pwm" => UseKind::Pwm,
        "i2s" => UseKind::Sound,
        _ if base.starts_with("onewire") => UseKind::OneWire,
        _ => UseKind::Other,
    };
    let name = match (kind, found.alias.as_deref()) {
        (UseKind::I2c, Some(alias)) => alias.replacen("i2c", "i2c-", 1),
        (UseKind::Spi, Some(alias)) => alias.replacen("spi", "spi-", 1),
        (UseKind::Serial, Some(alias)) => format!("/dev/{alias}"),
        _ => found.node.clone(),
    };
    let functions = soc.map_or(&[][..], |soc| soc.functions(found.line));
    let function = match &found.function {
        TreeFunction::Plain => None,
        TreeFunction::Alternate(number) => {
            let name = functions.get(usize::from(*number)).copied().filter(|name| !name.is_empty());
            Some(name.map_or_else(|| format!("ALT{number}"), str::to_owned))
        }
        TreeFunction::Named(word) => {
            let name = functions.iter().find(|name| is_called(name, word));
            Some(name.map_or_else(|| word.to_ascii_uppercase(), |name| (*name).to_owned()))
        }
    };
    LineUse { kind, name, function }
}

/// Whether a function of the RP1's table belongs to what the device tree calls `word`: `SDA1` to `i2c1`, `TXD0` to `uart0`,
/// `SPI0_MOSI` to `spi0`.
fn is_called(name: &str, word: &str) -> bool {
    let numbered = |kind: &str, beginnings: &[&str]| {
        word.strip_prefix(kind).is_some_and(|number| {
            beginnings.iter().any(|beginning| name.strip_prefix(beginning) == Some(number))
        })
    };
    let is_wide = name.split_once('_').is_some_and(|(first, _)| first.eq_ignore_ascii_case(word));
    is_wide
        || numbered("i2c", &["SDA", "SCL"])
        || numbered("uart", &["TXD", "RXD", "CTS", "RTS"])
        || name.eq_ignore_ascii_case(word)
}

/// The function that a line has for a bus of the header.
fn usual_function(soc: Option<Soc>, line: LineNumber, kind: UseKind) -> Option<String> {
    let words: &[&str] = match kind {
        UseKind::I2c => &["I2C1_SDA", "I2C1_SCL", "SDA1", "SCL1"],
        UseKind::Spi => &["SPI0_"],
        UseKind::Serial => &["UART0_TXD", "UART0_RXD", "TXD0", "RXD0"],
        UseKind::OneWire | UseKind::Pwm | UseKind::Sound | UseKind::Other => &[],
    };
    let functions = soc?.functions(line);
    let found = functions.iter().find(|name| words.iter().any(|word| name.starts_with(word)))?;
    Some((*found).to_owned())
}

/// Whether the kernel writes its messages to the serial port of the header.
pub(super) fn is_console_on_header(places: &HostPlaces) -> bool {
    let Ok(line) = std::fs::read_to_string(places.proc.join("cmdline")) else { return false };
    let linked = std::fs::read_link(places.dev.join("serial0")).ok();
    let linked =
        linked.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    line.split_whitespace().filter_map(|word| word.strip_prefix("console=")).any(|console| {
        let console = console.split(',').next().unwrap_or_default();
        match &linked {
            Some(linked) => console == linked || console == "serial0",
            None => HEADER_CONSOLES.contains(&console),
        }
    })
}
