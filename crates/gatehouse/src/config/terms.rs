//! Settings that devices of several drivers have.

use std::time::Duration;

use gatehouse_board::config::{DEFAULT_PERIOD, MIN_PERIOD};

use super::nearest::{listed, nearest};
use super::problems::Findings;
use super::section::Section;

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

pub(super) fn period(section: &mut Section<'_>, findings: &mut Findings) -> Duration {
    section.duration_within("every", (MIN_PERIOD, LONGEST_PERIOD), "10s", findings).unwrap_or(DEFAULT_PERIOD)
}

pub(super) fn class(
    section: &mut Section<'_>,
    example: &str,
    known: &[&str],
    findings: &mut Findings,
) -> Option<String> {
    let class = section.text("class", example, findings)?;
    if !known.contains(&class.value) {
        let hint = match nearest(class.value, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("the page has symbols for {}", listed(known)),
        };
        findings.push(section.warning(class.span, format!("the class `{}` is not known", class.value), hint));
    }
    Some(class.value.to_owned())
}
