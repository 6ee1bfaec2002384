//! Devices that speak in lines at a serial port.

use gatehouse_board::config::{BAUD_LIMITS, ChipPlace, EndOfLine, MAX_LINE, StreamConfig};

use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};

/// A port that many have.
const EXAMPLE: &str = "/dev/ttyUSB0";

const PARITIES: [(&str, char); 3] = [("none", 'N'), ("even", 'E'), ("odd", 'O')];

/// `driver = "serial"`.
pub(super) fn read(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<StreamConfig> {
    let path = port(section, findings);
    if let Some(path) = &path {
        places.chip = Some(Spanned { value: ChipPlace::Serial(path.value.clone()), span: path.span.clone() });
    }
    let baud = whole("baud", (BAUD_LIMITS.0, BAUD_LIMITS.1), 9_600, section, findings);
    let data_bits = whole("data_bits", (5, 8), 8, section, findings);
    let parity = section.choice("parity", &PARITIES, findings);
    let stop_bits = whole("stop_bits", (1, 2), 1, section, findings);
    let ends = EndOfLine::ALL.map(|end| (end.word(), end));
    let end_of_line = section.choice("end_of_line", &ends, findings);
    let longest = u32::try_from(MAX_LINE).unwrap_or(u32::MAX);
    let max_line = whole("max_line", (1, longest), longest, section, findings);
    let mut config = StreamConfig::at(&path?.value);
    config.port.baud = baud.unwrap_or(config.port.baud);
    config.port.data_bits = small(data_bits).unwrap_or(config.port.data_bits);
    config.port.parity = parity.unwrap_or(config.port.parity);
    config.port.stop_bits = small(stop_bits).unwrap_or(config.port.stop_bits);
    config.end_of_line = end_of_line.unwrap_or(config.end_of_line);
    config.max_line = max_line.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(config.max_line);
    Some(config)
}

/// The device file. There is no usual one: the port of the header belongs to the console on many boards.
fn port(section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<String>> {
    let hint = format!(
        "write its device file: port = \"{EXAMPLE}\", or one of /dev/serial/by-id, which stays the same when adapters are plugged in elsewhere"
    );
    let Some(text) = section.text("port", EXAMPLE, findings) else {
        if section.item("port").is_none() {
            findings.push(section.missing("port", hint));
        }
        return None;
    };
    if !text.value.starts_with("/dev/") {
        let what = format!("`{}` is no serial port", text.value);
        findings.push(section.error(text.span, what, hint));
        return None;
    }
    Some(Spanned { value: text.value.to_owned(), span: text.span })
}

/// A whole number within limits.
fn whole(
    key: &'static str,
    (lowest, highest): (u32, u32),
    example: u32,
    section: &mut Section<'_>,
    findings: &mut Findings,
) -> Option<u32> {
    let found = section.item(key)?;
    let Some(number) = found.value.as_integer() else {
        let hint = format!("write a whole number without quotes: {key} = {example}");
        findings.push(section.wrong_kind(key, &found, hint));
        return None;
    };
    let within = u32::try_from(number).ok().filter(|number| (lowest..=highest).contains(number));
    if within.is_none() {
        let what = format!("`{key}` cannot be {number}");
        let hint = format!("write a whole number from {lowest} to {highest}: {key} = {example}");
        findings.push(section.error(found.span, what, hint));
    }
    within
}

fn small(number: Option<u32>) -> Option<u8> {
    number.and_then(|number| u8::try_from(number).ok())
}
