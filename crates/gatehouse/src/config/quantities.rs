//! Settings that are counts, sizes, or yes and no.

use super::problems::Findings;
use super::section::{Section, Spanned};

/// Sizes as people write them, the largest first.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Section<'_> {
    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, findings: &mut Findings) -> Option<bool> {
        let found = self.item(key)?;
        let flag = found.value.as_bool();
        if flag.is_none() {
            let hint = format!("write it without quotes: {key} = true, or {key} = false");
            findings.push(self.wrong_kind(key, &found, hint));
        }
        flag
    }

    /// A whole number within limits.
    pub(super) fn whole_within(
        &mut self,
        key: &'static str,
        (least, most): (u64, u64),
        findings: &mut Findings,
    ) -> Option<u64> {
        let found = self.item(key)?;
        let hint = format!("write a whole number from {least} to {most}: {key} = {least}");
        let Some(number) = found.value.as_integer() else {
            findings.push(self.wrong_kind(key, &found, hint));
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let complaint = if number < 0 || number.unsigned_abs() < least { "small" } else { "large" };
                findings.push(self.error(found.span, format!("`{key}` is too {complaint}"), hint));
                None
            }
        }
    }

    /// A size in bytes within limits: a whole number, or a text with its unit.
    pub(super) fn bytes_within(
        &mut self,
        key: &'static str,
        (least, most): (u64, u64),
        findings: &mut Findings,
    ) -> Option<u64> {
        let found = self.item(key)?;
        let hint = format!(
            "write a size from {} to {}: {key} = \"{}\"",
            format_bytes(least),
            format_bytes(most),
            format_bytes(most.min(1 << 20).max(least))
        );
        let size = match (found.value.as_str(), found.value.as_integer()) {
            (Some(text), _) => match parse_bytes(text) {
                Some(size) => size,
                None => {
                    let what = format!("`{key}`: `{text}` is no size");
                    findings.push(self.error(found.span, what, hint));
                    return None;
                }
            },
            (None, Some(number)) => u64::try_from(number).unwrap_or(0),
            (None, None) => {
                findings.push(self.wrong_kind(key, &found, hint));
                return None;
            }
        };
        let Spanned { span, .. } = found;
        let complaint = match size {
            size if size < least => "small",
            size if size > most => "large",
            size => return Some(size),
        };
        findings.push(self.error(span, format!("`{key}` is too {complaint}"), hint));
        None
    }
}

/// Reads `64KiB`, `1 MiB`, `2GiB` or a number of bytes.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let with_unit =
        UNITS.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)));
    let (number, factor) = with_unit.unwrap_or((text, 1));
    number.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

/// Writes a size so that [`parse_bytes`] reads it again.
fn format_bytes(bytes: u64) -> String {
    match UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [("1024", 1_024), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
            assert_eq!(parse_bytes(&format_bytes(bytes)), Some(bytes));
        }
        for wrong in ["", "KiB", "1.5MiB", "-1", "1MB", "99999999999999999999", "99999999999999GiB", "ñ"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }
}
