//! Where something is wired to.

use gatehouse_board::config::{ActiveLevel, LineNumber, Pin, Pull};
use gatehouse_model::DeviceId;

use super::numbering::Numbering;
use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};

pub(super) const ACTIVE_LEVELS: [(&str, ActiveLevel); 2] =
    [("high", ActiveLevel::High), ("low", ActiveLevel::Low)];
pub(super) const PULLS: [(&str, Pull); 3] = [("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)];

/// Highest line of the 40-pin header (BCM number).
const LAST_HEADER_LINE: i64 = 27;

/// Highest line that a chip of the kernel can have: its lines are counted with 16 bits (`struct gpio_chip`, `ngpio`).
const LAST_LINE: i64 = 65_535;

/// Lines that the board reads at its start to find out what is plugged on (Raspberry Pi HAT specification).
const HAT_LINES: [u32; 2] = [0, 1];

/// A pin of the header, by its BCM number or as "P11" for header pin 11; or "porch:3", line 3 of the expander `porch`.
/// Nothing else may have it.
pub(super) fn pin(
    section: &mut Section<'_>,
    key: &'static str,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<Pin> {
    let Some(found) = section.item(key) else {
        findings.push(section.missing(key, how_to_write(key)));
        return None;
    };
    if let Some(pin) = found.value.as_str().and_then(line_of_expander) {
        places.pins.push(Spanned { value: pin.clone(), span: found.span });
        return Some(pin);
    }
    let line = match (found.value.as_integer(), found.value.as_str()) {
        (Some(number), _) => line_of_number(key, number, &places.numbering),
        (None, Some(text)) => line_of_text(key, text, &places.numbering),
        (None, None) => Err((format!("`{key}` is neither a number nor a text"), how_to_write(key))),
    };
    match line {
        Ok(line) => {
            places.pins.push(Spanned { value: line.into(), span: found.span.clone() });
            if matches!(places.numbering, Numbering::Header) && HAT_LINES.contains(&line.number()) {
                let what =
                    format!("{line} is read at every start of the board, to find out what is plugged on");
                findings.push(section.warning(found.span, what, "choose another pin if you can"));
            }
            Some(line.into())
        }
        Err((what, hint)) => {
            findings.push(section.error(found.span, what, hint));
            None
        }
    }
}

fn line_of_expander(text: &str) -> Option<Pin> {
    let (device, line) = text.split_once(':')?;
    Some(Pin::Expander { device: DeviceId::new(device).ok()?, line: line.parse().ok()? })
}

fn how_to_write(key: &str) -> String {
    format!("write the BCM number, {key} = 17, or the header pin, {key} = \"P11\"")
}

/// What is wrong, and what to do.
type Complaint = (String, String);

fn line_of_number(key: &str, number: i64, numbering: &Numbering) -> Result<LineNumber, Complaint> {
    if let Numbering::Chip(chip) = numbering {
        let line = u32::try_from(number).ok().filter(|_| number <= LAST_LINE).map(LineNumber::new);
        let hint = || {
            format!(
                "write the number of the line, from 0, as `gpioinfo` lists those of the chip `{chip}`: {key} = 17"
            )
        };
        return line.ok_or_else(|| (format!("no chip has a line {number}"), hint()));
    }
    match u32::try_from(number) {
        Ok(line) if number <= LAST_HEADER_LINE => Ok(LineNumber::new(line)),
        _ => {
            let hint = match u8::try_from(number).ok().and_then(LineNumber::at_header_pin) {
                Some(_) => format!(
                    "write a BCM number from 0 to {LAST_HEADER_LINE}; if you mean pin {number} of the header, write {key} = \"P{number}\""
                ),
                None => format!(
                    "write a BCM number from 0 to {LAST_HEADER_LINE}, or a header pin such as \"P11\""
                ),
            };
            Err((format!("the header has no GPIO {number}"), hint))
        }
    }
}

fn line_of_text(key: &str, text: &str, numbering: &Numbering) -> Result<LineNumber, Complaint> {
    if let Numbering::Chip(chip) = numbering {
        // A header pin would be a wrong line of another chip, in silence.
        let hint = format!(
            "write the number of the line, as `gpioinfo` lists them: {key} = 17; on a Raspberry Pi remove [board] chip, which finds the header's by itself"
        );
        return Err((format!("`{text}` is no line of the chip `{chip}`, which [board] names"), hint));
    }
    let hint = || how_to_write(key);
    let plain = text.trim().to_uppercase();
    if let Some(number) = plain.strip_prefix('P').and_then(|digits| digits.parse::<u8>().ok()) {
        return LineNumber::at_header_pin(number).ok_or_else(|| {
            let what = if (1..=40).contains(&number) {
                format!("header pin {number} is power or ground, which cannot be used")
            } else {
                format!("the header has no pin {number}: they go from 1 to 40")
            };
            (what, hint())
        });
    }
    let digits =
        plain.trim_start_matches(|character: char| character.is_ascii_alphabetic() || character == ' ');
    let meant = digits.parse::<u32>().ok().filter(|number| i64::from(*number) <= LAST_HEADER_LINE);
    let hint =
        meant.map_or_else(hint, |number| format!("write it as a number without quotes: {key} = {number}"));
    Err((format!("`{text}` is no pin"), hint))
}
