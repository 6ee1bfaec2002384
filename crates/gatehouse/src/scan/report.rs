//! The words of `gatehouse scan` and `gatehouse catalogue`.

use gatehouse_dashboard::wire::{
    Board, BoardLine, BoardScan, CatalogueEntry, FoundCandidate, FoundThing, HolderWord, LineDirectionWord,
};

use super::table::aligned;

/// What a machine without I²C is told.
const NO_I2C: &str = "There is no I²C bus. On a Raspberry Pi, write dtparam=i2c_arm=on into /boot/firmware/config.txt and\nrestart; on another machine, load the module: sudo modprobe i2c-dev.\n";

/// What a machine without 1-Wire is told.
const NO_ONE_WIRE: &str = "There is no 1-Wire bus. On a Raspberry Pi, write dtoverlay=w1-gpio into /boot/firmware/config.txt, restart,\nand connect data to header pin 7 (GPIO 4).\n";

/// Everything, for people.
pub(super) fn text(board: &Board, scan: &BoardScan) -> String {
    let mut text = match &board.model {
        Some(model) if *model != board.name => format!("Board: {} ({model})\n\n", board.name),
        _ => format!("Board: {}\n\n", board.name),
    };
    text.push_str(&lines(board));
    for bus in &scan.buses {
        text.push_str(&format!("\n{}: {}\n", bus.name, bus.description));
        if let Some(problem) = &bus.problem {
            text.push_str(&format!("  {problem}\n"));
        } else if bus.things.is_empty() && !is_blind(&bus.name) {
            text.push_str("  nothing answers\n");
        }
        text.push_str(&things(&bus.things));
    }
    let has = |prefix: &str| scan.buses.iter().any(|bus| bus.name.starts_with(prefix));
    if !has("i2c-") {
        text.push_str(&format!("\n{NO_I2C}"));
    }
    if !has("w1") {
        text.push_str(&format!("\n{NO_ONE_WIRE}"));
    }
    if !scan.kernel.is_empty() {
        text.push_str("\nSensors that the kernel drives\n");
        text.push_str(&things(&scan.kernel));
    }
    text.push_str(&suggestions(scan));
    text
}

/// Whether nothing can be found on a bus, though something may be there.
fn is_blind(bus: &str) -> bool {
    bus.starts_with("spi-") || bus.starts_with('/')
}

/// The driver that has a line which the kernel shows as free.
fn used_for(line: &BoardLine) -> Option<String> {
    let used = line.used_for.as_ref()?;
    Some(match &used.function {
        Some(function) => format!("{} ({function})", used.name),
        None => used.name.clone(),
    })
}

fn lines(board: &Board) -> String {
    if let Some(problem) = &board.lines_problem {
        return format!("Lines: {problem}\n");
    }
    let mut shown: Vec<&BoardLine> =
        board.lines.iter().filter(|line| board.header_pins.is_none() || line.header_pin.is_some()).collect();
    shown.sort_by_key(|line| (line.header_pin, line.line));
    let heading = ["pin", "line", "name", "is", "held by", "device"].map(str::to_owned).to_vec();
    let row = |line: &&BoardLine| {
        let direction = match line.direction {
            LineDirectionWord::Input => "input",
            LineDirectionWord::Output => "output",
        };
        vec![
            line.header_pin.map(|pin| pin.to_string()).unwrap_or_default(),
            format!("GPIO {}", line.line),
            line.name.clone(),
            direction.to_owned(),
            line.owner.clone().or_else(|| used_for(line)).unwrap_or_else(|| "-".to_owned()),
            line.device.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(shown.iter().map(row)).collect();
    format!("Lines\n{}", aligned(&rows))
}

fn things(things: &[FoundThing]) -> String {
    let row = |thing: &FoundThing| {
        let what = match (thing.held_by, &thing.holder) {
            (HolderWord::Device, Some(id)) => format!("device `{id}`"),
            (HolderWord::Kernel, Some(driver)) => format!("the kernel's driver {driver}"),
            _ => candidates(&thing.candidates),
        };
        vec![thing.place.clone(), what, thing.note.clone().unwrap_or_default()]
    };
    aligned(&things.iter().map(row).collect::<Vec<_>>())
}

fn candidates(candidates: &[FoundCandidate]) -> String {
    let one = |candidate: &FoundCandidate| {
        let or_else = match candidate.or_else.as_slice() {
            [] => String::new(),
            others => format!(", or {}", others.join(", or ")),
        };
        format!("{} ({} %{or_else})", candidate.name, candidate.certainty)
    };
    match candidates {
        [] => "something that is not known".to_owned(),
        candidates => candidates.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// Devices for the configuration that would use what nobody uses.
fn suggestions(scan: &BoardScan) -> String {
    let all = scan.buses.iter().flat_map(|bus| &bus.things).chain(&scan.kernel);
    let unused = all.filter(|thing| thing.held_by == HolderWord::Nobody);
    let blocks: Vec<&str> = unused.filter_map(|thing| thing.configuration.as_deref()).collect();
    if blocks.is_empty() {
        return String::new();
    }
    format!("\nTo use what nobody uses yet, add to the configuration:\n\n{}", blocks.join("\n"))
}

/// All chips, one a line.
pub(super) fn catalogue(entries: &[CatalogueEntry]) -> String {
    let row = |entry: &CatalogueEntry| vec![entry.driver.clone(), entry.name.clone(), entry.what.clone()];
    aligned(&entries.iter().map(row).collect::<Vec<_>>())
}

/// One chip with its wiring and settings.
pub(super) fn entry(entry: &CatalogueEntry) -> String {
    let mut text = format!("{}: {}\n\n", entry.name, entry.what);
    if !entry.addresses.is_empty() {
        let addresses: Vec<String> = entry.addresses.iter().map(|at| format!("0x{at:02x}")).collect();
        text.push_str(&format!("I²C address: {}\n", addresses.join(", ")));
    }
    text.push_str(&format!("Supply: {} to {} V\n", entry.supply_lowest, entry.supply_highest));
    let mut part = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.push_str(&format!("\n{title}\n{}", aligned(&rows)));
        }
    };
    let wires = entry.wiring.iter().map(|wire| vec![wire.pin.clone(), wire.to.clone(), wire.note.clone()]);
    part("Wiring", wires.collect());
    let properties = entry.properties.iter().map(|property| {
        let range = match (property.lowest, property.highest) {
            (Some(lowest), Some(highest)) => format!("{lowest} to {highest} {}", property.unit),
            _ => "no number: a text, or an event".to_owned(),
        };
        vec![property.id.clone(), property.name.clone(), range]
    });
    part("Measures", properties.collect());
    let settings = entry.settings.iter().map(|setting| {
        vec![format!("{} = {}", setting.key, setting.default), setting.values.clone(), setting.what.clone()]
    });
    part("Settings", settings.collect());
    if !entry.notes.is_empty() {
        text.push('\n');
        for note in &entry.notes {
            text.push_str(&format!("{note}\n"));
        }
    }
    text.push_str(&format!("\nSource: {}\n", entry.source));
    text
}

#[cfg(test)]
mod tests {
    use gatehouse_dashboard::wire::{LineHolderWord, LineUse, LineUseWord, ScannedBus};
    use gatehouse_model::Timestamp;

    use super::*;

    /// The text of a display was said to range from 0 to 0.
    #[test]
    fn what_is_no_number_has_no_range() {
        let catalogue = crate::wiring::catalogue_entries();
        let told = |word: &str| entry(catalogue.entries.iter().find(|entry| entry.driver == word).unwrap());
        assert!(told("ssd1306").contains("a text"), "{}", told("ssd1306"));
        assert!(!told("ssd1306").contains("0 to 0"));
        assert!(told("bme280").contains("-40 to 85"));
    }

    fn board() -> Board {
        let data = LineUse {
            kind: LineUseWord::I2c,
            name: "i2c-1".to_owned(),
            function: Some("I2C1_SDA".to_owned()),
        };
        Board {
            name: "Raspberry Pi 4 Model B Rev 1.4".to_owned(),
            model: Some("Raspberry Pi 4 Model B".to_owned()),
            header_pins: Some(40),
            simulated: false,
            lines: vec![
                BoardLine { used_for: Some(data), ..line(2, Some(3), None, None) },
                line(4, Some(7), None, None),
                line(22, Some(15), Some("gatehouse"), Some("heater")),
                line(46, None, None, None),
            ],
            lines_problem: None,
            buses: Vec::new(),
            found: Vec::new(),
        }
    }

    fn line(number: u32, pin: Option<u8>, owner: Option<&str>, device: Option<&str>) -> BoardLine {
        BoardLine {
            line: number,
            header_pin: pin,
            name: format!("GPIO{number}"),
            owner: owner.map(str::to_owned),
            direction: if owner.is_some() { LineDirectionWord::Output } else { LineDirectionWord::Input },
            device: device.map(str::to_owned),
            holder: LineHolderWord::Nobody,
            used_for: None,
            functions: Vec::new(),
            pull: None,
            power_on_pull: None,
            pulled_up_by_board: false,
            fires_when_active: Vec::new(),
            level: None,
            active: None,
            warnings: Vec::new(),
        }
    }

    fn thing(place: &str, held_by: HolderWord, holder: Option<&str>) -> FoundThing {
        let candidate = FoundCandidate {
            driver: Some("bme280".to_owned()),
            name: "Bosch BME280".to_owned(),
            certainty: 95,
            or_else: vec!["a copy".to_owned()],
        };
        FoundThing {
            bus: "i2c-1".to_owned(),
            place: place.to_owned(),
            held_by,
            holder: holder.map(str::to_owned),
            candidates: if holder.is_none() { vec![candidate] } else { Vec::new() },
            note: None,
            configuration: holder.is_none().then(|| "[[device]]\nid = \"bme280-76\"\n".to_owned()),
        }
    }

    #[test]
    fn a_board_with_chips_is_told_in_words_and_columns() {
        let bus = ScannedBus {
            name: "i2c-1".to_owned(),
            description: "I²C on header pins 3 and 5".to_owned(),
            problem: None,
            things: vec![
                thing("0x48", HolderWord::Device, Some("cellar")),
                thing("0x68", HolderWord::Kernel, Some("rtc-ds1307")),
                thing("0x76", HolderWord::Nobody, None),
            ],
        };
        let scan = BoardScan { at: Timestamp::from_millis(0), buses: vec![bus], kernel: Vec::new() };
        let expected = "Board: Raspberry Pi 4 Model B Rev 1.4 (Raspberry Pi 4 Model B)\n\n\
            Lines\n\
            \u{20} pin  line     name    is      held by           device\n\
            \u{20} 3    GPIO 2   GPIO2   input   i2c-1 (I2C1_SDA)\n\
            \u{20} 7    GPIO 4   GPIO4   input   -\n\
            \u{20} 15   GPIO 22  GPIO22  output  gatehouse         heater\n\n\
            i2c-1: I²C on header pins 3 and 5\n\
            \u{20} 0x48  device `cellar`\n\
            \u{20} 0x68  the kernel's driver rtc-ds1307\n\
            \u{20} 0x76  Bosch BME280 (95 %, or a copy)\n";
        let said = text(&board(), &scan);
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("There is no 1-Wire bus") && !said.contains("There is no I²C bus"), "{said}");
        assert!(said.ends_with("add to the configuration:\n\n[[device]]\nid = \"bme280-76\"\n"), "{said}");
    }

    #[test]
    fn a_machine_without_anything_is_told_what_to_do() {
        let board = Board {
            name: "laptop".to_owned(),
            model: None,
            header_pins: None,
            lines: Vec::new(),
            lines_problem: Some("this machine has no pins".to_owned()),
            ..board()
        };
        let scan = BoardScan { at: Timestamp::from_millis(0), buses: Vec::new(), kernel: Vec::new() };
        let said = text(&board, &scan);
        for words in
            ["Board: laptop\n", "Lines: this machine has no pins", "modprobe i2c-dev", "dtoverlay=w1-gpio"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn every_chip_of_the_catalogue_has_a_page() {
        for one in crate::wiring::catalogue_entries().entries {
            let page = entry(&one);
            assert!(page.starts_with(&one.name) && page.contains("Wiring") && page.contains(&one.source));
        }
    }
}
