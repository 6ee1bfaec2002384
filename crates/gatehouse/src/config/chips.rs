//! Chips of the catalogue: what can be told of each is read from its entry.

use std::time::Duration;

use gatehouse_board::catalogue::{Bus, Entry, Kind, Setting, SettingKind, SettingValue, Settings};
use gatehouse_board::config::{ChipConfig, ChipPlace, I2cBusName, Pin, SpiPlace};
use gatehouse_model::DeviceId;
use gatehouse_model::span::format_duration;

use super::nearest::{listed, nearest};
use super::pins;
use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// The I²C bus of the header, on all boards with 40 pins.
const HEADER_BUS: u8 = 1;

/// The serial port of the header, under the name that Raspberry Pi OS gives it on every board.
const HEADER_SERIAL: &str = "/dev/serial0";

/// Reads a chip's settings.
pub(super) fn read(
    entry: &'static Entry,
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<ChipConfig> {
    places.offers = Some(entry.kind);
    places.bus = section.item("bus").map(|found| found.span);
    let place = match entry.bus {
        Bus::I2c { addresses } => i2c(addresses, section, findings),
        Bus::Spi { .. } => spi(section, findings),
        Bus::Serial { .. } => serial(section, findings),
    };
    let every = match entry.kind {
        Kind::Sensor => period(entry, section, findings),
        Kind::LineExpander { .. } | Kind::PwmExpander { .. } | Kind::Multiplexer { .. } => {
            entry.periods.default
        }
    };
    let mut settings = Settings::defaults(entry.settings);
    for setting in entry.settings {
        if let Some(value) = one(setting, section, findings) {
            settings.set(setting.key, value);
        }
    }
    let interrupt = interrupt(entry, section, places, findings);
    let place = place?;
    places.chip = Some(place.clone());
    Some(ChipConfig { entry, place: place.value, settings, every, interrupt })
}

/// `interrupt = 17`: where the interrupt output of an expander of lines goes, at the header.
fn interrupt(
    entry: &Entry,
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<Pin> {
    let found = matches!(entry.kind, Kind::LineExpander { .. }).then(|| section.item("interrupt"))??;
    let pin = pins::pin(section, "interrupt", places, findings)?;
    if pin.header_line().is_none() {
        let what = format!("`interrupt` is {pin}, and an interrupt line goes to the header");
        let hint = "write the BCM number of the line that it is wired to: interrupt = 17";
        findings.push(section.error(found.span, what, hint));
        return None;
    }
    Some(pin)
}

fn period(entry: &Entry, section: &mut Section<'_>, findings: &mut Findings) -> Duration {
    let limits = (entry.periods.shortest, LONGEST_PERIOD);
    let example = format_duration(entry.periods.default);
    section.duration_within("every", limits, &example, findings).unwrap_or(entry.periods.default)
}

/// `bus = "i2c-1"`, or `bus = "mux:3"` for a channel of a multiplexer; `address = 0x76`.
fn i2c(addresses: &[u8], section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<ChipPlace>> {
    let bus = match section.text("bus", "i2c-1", findings) {
        None if section.item("bus").is_some() => None,
        None => Some(I2cBusName::Kernel(HEADER_BUS)),
        Some(text) => {
            let bus = bus_name(text.value);
            if bus.is_none() {
                let what = format!("`{}` is no I²C bus", text.value);
                let hint = "write bus = \"i2c-1\" for the header's, or bus = \"mux:3\" for channel 3 of the device `mux`";
                findings.push(section.error(text.span, what, hint));
            }
            bus
        }
    };
    let address = address(addresses, section, findings);
    let span = section.item("address").map_or_else(|| section.span.clone(), |found| found.span);
    Some(Spanned { value: ChipPlace::I2c { bus: bus?, address: address? }, span })
}

fn bus_name(text: &str) -> Option<I2cBusName> {
    if let Some(number) = text.strip_prefix("i2c-") {
        return number.parse().ok().map(I2cBusName::Kernel);
    }
    let (device, channel) = text.split_once(':')?;
    Some(I2cBusName::Channel { device: DeviceId::new(device).ok()?, channel: channel.parse().ok()? })
}

fn address(addresses: &[u8], section: &mut Section<'_>, findings: &mut Findings) -> Option<u8> {
    let words: Vec<String> = addresses.iter().map(|address| format!("0x{address:02x}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(found) = section.item("address") else {
        let [only] = addresses else {
            let hint = format!("write address = {}; it can be {}", words.first()?, listed(&words));
            findings.push(section.missing("address", hint));
            return None;
        };
        return Some(*only);
    };
    let Some(number) = found.value.as_integer() else {
        let hint = format!("write a number without quotes: address = {}", words.first()?);
        findings.push(section.wrong_kind("address", &found, hint));
        return None;
    };
    let known = addresses.iter().copied().find(|address| i64::from(*address) == number);
    if known.is_none() {
        let what = format!("0x{number:02x} is no address of this chip");
        findings.push(section.error(found.span, what, format!("it can be {}", listed(&words))));
    }
    known
}

/// `bus = "spi-0.1"`: the bus and the chip select.
fn spi(section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<ChipPlace>> {
    let hint = "write bus = \"spi-0.0\": the bus and its chip select, as in /dev/spidev0.0";
    let Some(text) = section.text("bus", "spi-0.0", findings) else {
        if section.item("bus").is_none() {
            findings.push(section.missing("bus", hint));
        }
        return None;
    };
    let place =
        text.value.strip_prefix("spi-").and_then(|rest| rest.split_once('.')).and_then(|(bus, select)| {
            Some(SpiPlace { bus: bus.parse().ok()?, select: select.parse().ok()? })
        });
    let Some(place) = place else {
        findings.push(section.error(text.span, format!("`{}` is no SPI bus", text.value), hint));
        return None;
    };
    Some(Spanned { value: ChipPlace::Spi(place), span: text.span })
}

/// `port = "/dev/serial0"`.
fn serial(section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<ChipPlace>> {
    let Some(text) = section.text("port", HEADER_SERIAL, findings) else {
        let is_absent = section.item("port").is_none();
        let place = ChipPlace::Serial(HEADER_SERIAL.to_owned());
        return is_absent.then(|| Spanned { value: place, span: section.span.clone() });
    };
    if !text.value.starts_with("/dev/") {
        let what = format!("`{}` is no serial port", text.value);
        let hint = format!("write its device file: port = \"{HEADER_SERIAL}\"");
        findings.push(section.error(text.span, what, hint));
        return None;
    }
    Some(Spanned { value: ChipPlace::Serial(text.value.to_owned()), span: text.span })
}

fn one(setting: &Setting, section: &mut Section<'_>, findings: &mut Findings) -> Option<SettingValue> {
    match setting.kind {
        SettingKind::Number { lowest, highest, default, unit } => {
            let number = section.number(setting.key, &default.to_string(), findings)?;
            if (lowest..=highest).contains(&number.value) {
                return Some(SettingValue::Number(number.value));
            }
            let what = format!("`{}` cannot be {}", setting.key, number.value);
            let hint = format!("write a number from {lowest} to {highest}{}", with_unit(unit));
            findings.push(section.error(number.span, what, hint));
            None
        }
        SettingKind::Choice { words, .. } => {
            let text = section.text(setting.key, words.first()?, findings)?;
            let word = words.iter().copied().find(|word| *word == text.value);
            if word.is_none() {
                let what = format!("`{}` cannot be `{}`", setting.key, text.value);
                let hint = match nearest(text.value, words.iter().copied()) {
                    Some(meant) => format!("did you mean \"{meant}\"? It can be {}", listed(words)),
                    None => format!("it can be {}", listed(words)),
                };
                findings.push(section.error(text.span, what, hint));
            }
            word.map(SettingValue::Word)
        }
        SettingKind::Flag { default } => {
            let found = section.item(setting.key)?;
            let flag = found.value.as_bool();
            if flag.is_none() {
                let hint = format!("write {} = {} or {}, without quotes", setting.key, !default, default);
                findings.push(section.wrong_kind(setting.key, &found, hint));
            }
            flag.map(SettingValue::Flag)
        }
    }
}

fn with_unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(", in {unit}") }
}
