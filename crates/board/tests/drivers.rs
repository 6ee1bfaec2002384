//! docs/drivers.md is drawn from the catalogue; this test makes it again and compares.

#[cfg(test)]
mod drivers {
    use std::fmt::Write as _;
    use std::path::PathBuf;

    use gatehouse_board::catalogue::{Bus, Content, Entry, Kind, SettingKind, entries};
    use gatehouse_model::span::format_duration;

    const HEAD: &str = "# Drivers

Every chip that Gatehouse drives, drawn from its catalogue (`crates/board/src/catalogue`). What is not here may still
appear by itself: chips that the kernel drives are read through 1-Wire, IIO and hwmon.

A device of the configuration names its driver, its bus and, where the chip can have several, its address.
All drivers run against simulated chips that were written from the datasheets on their own; which of them were tried on
real chips is in the README.
";

    fn is_of(kind: Kind) -> String {
        match kind {
            Kind::Sensor => "sensor".to_owned(),
            Kind::LineExpander { lines } => format!("{lines} lines"),
            Kind::PwmExpander { lines } => format!("{lines} PWM outputs"),
            Kind::Multiplexer { channels } => format!("{channels} buses"),
        }
    }

    fn connected(bus: Bus) -> String {
        match bus {
            Bus::I2c { addresses } => {
                let words: Vec<String> = addresses.iter().map(|address| format!("0x{address:02x}")).collect();
                match words.as_slice() {
                    [first, .., last] if words.len() > 4 => {
                        let is_row = addresses.windows(2).all(|pair| pair[1] == pair[0] + 1);
                        if is_row {
                            format!("I²C, {first} to {last}")
                        } else {
                            format!("I²C, {}", words.join(", "))
                        }
                    }
                    _ => format!("I²C, {}", words.join(", ")),
                }
            }
            Bus::Spi { mode, max_hertz } => {
                format!("SPI, mode {mode}, up to {} kHz", max_hertz / 1_000)
            }
            Bus::Serial { baud } => format!("serial, {baud} baud"),
        }
    }

    fn example(entry: &Entry) -> String {
        let mut text = format!("[[device]]\nid = \"my-{}\"\ndriver = \"{0}\"\n", entry.word);
        match entry.bus {
            Bus::I2c { addresses } => {
                text.push_str("bus = \"i2c-1\"\n");
                writeln!(text, "address = 0x{:02x}", addresses[0]).unwrap();
            }
            Bus::Spi { .. } => text.push_str("bus = \"spi-0.0\"\n"),
            Bus::Serial { .. } => text.push_str("port = \"/dev/serial0\"\n"),
        }
        if entry.kind == Kind::Sensor {
            writeln!(text, "every = \"{}\"", format_duration(entry.periods.default)).unwrap();
        }
        for setting in entry.settings {
            let value = match setting.kind {
                SettingKind::Number { default, .. } => default.to_string(),
                SettingKind::Choice { default, .. } => format!("\"{default}\""),
                SettingKind::Flag { default } => default.to_string(),
            };
            writeln!(text, "{} = {value}", setting.key).unwrap();
        }
        text
    }

    fn section(entry: &Entry) -> String {
        let mut text = format!("\n## {}\n\n{}: {}\n", entry.word, entry.name, entry.what);
        writeln!(text, "\n```toml\n{}```", example(entry)).unwrap();
        if !entry.properties.is_empty() {
            text.push_str("\n| Property | Unit | From | To |\n| --- | --- | --- | --- |\n");
            for property in entry.properties {
                let (id, unit, (from, to)) = (property.id, property.unit, property.range);
                match property.content {
                    Content::Number => writeln!(text, "| `{id}` | {unit} | {from} | {to} |"),
                    Content::Said => writeln!(text, "| `{id}` | text | | |"),
                    Content::Shown { max_bytes } => {
                        writeln!(text, "| `{id}` | text, which can be set | | {max_bytes} bytes |")
                    }
                    Content::Happens { words } => {
                        writeln!(text, "| event | {} | | |", words.join(", "))
                    }
                }
                .unwrap();
            }
        }
        if !entry.settings.is_empty() {
            text.push_str("\n| Setting | What it does | Values |\n| --- | --- | --- |\n");
            for setting in entry.settings {
                let values = match setting.kind {
                    SettingKind::Number { lowest, highest, unit, .. } => {
                        format!("{lowest} to {highest} {unit}")
                    }
                    SettingKind::Choice { words, .. } => words.join(", "),
                    SettingKind::Flag { .. } => "true, false".to_owned(),
                };
                writeln!(text, "| `{}` | {} | {} |", setting.key, setting.what, values.trim_end()).unwrap();
            }
        }
        text.push_str("\n| Its pin | Goes to |\n| --- | --- |\n");
        for wire in entry.wiring {
            let note = if wire.note.is_empty() { String::new() } else { format!(": {}", wire.note) };
            writeln!(text, "| {} | {}{note} |", wire.pin, wire.to).unwrap();
        }
        writeln!(text, "\nSupply: {} to {} V.", entry.supply.lowest, entry.supply.highest).unwrap();
        if entry.kind == Kind::Sensor {
            writeln!(text, "At most one reading every {}.", format_duration(entry.periods.shortest)).unwrap();
        }
        for note in entry.notes {
            writeln!(text, "{note}").unwrap();
        }
        writeln!(text, "\nSource: {}.", entry.source).unwrap();
        text
    }

    #[test]
    fn the_page_of_drivers_is_up_to_date() {
        let mut page = HEAD.to_owned();
        page.push_str("\n| Driver | Chip | Connected by | Is |\n| --- | --- | --- | --- |\n");
        for entry in entries() {
            let (word, bus, kind) = (entry.word, connected(entry.bus), is_of(entry.kind));
            writeln!(page, "| [`{word}`](#{word}) | {} | {bus} | {kind} |", entry.name).unwrap();
        }
        entries().iter().for_each(|entry| page.push_str(&section(entry)));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/drivers.md");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let refresh = "refresh with: UPDATE_GENERATED=1 cargo test -p gatehouse-board --test drivers";
        assert!(kept == page, "docs/drivers.md is out of date; {refresh}");
    }
}
