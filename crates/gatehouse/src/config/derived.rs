//! `driver = "derived"`: values that are worked out from those of other devices.

use std::time::Duration;

use gatehouse_board::config::{
    DEFAULT_SAVE_ENERGY_EVERY, DerivedConfig, Direction, MAX_INPUTS, Quantity, Role, STANDARD_PRESSURE,
};
use gatehouse_control::derived::{ALL_QUANTITIES, ALL_ROLES};
use gatehouse_model::PropertyPath;

use super::nearest::{listed, nearest};
use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};

/// Shortest and longest time between two readings of a power, and between two records of an energy.
const TIMES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// Reads what is derived from what.
pub(super) fn read(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<DerivedConfig> {
    let inputs = inputs(section, places, findings);
    let gives = gives(section, findings);
    if let (Some(inputs), Some(gives)) = (&inputs, &gives) {
        check_needs(section, inputs, gives, findings);
    }
    let mut number = |key, example, usual: f64| {
        section.number(key, example, findings).map_or(usual, |number| number.value)
    };
    let altitude = number("altitude", "650", 0.0);
    let sea_level = number("sea_level", "1013.25", STANDARD_PRESSURE);
    let meter_start = number("meter_start", "1234.5", 0.0);
    let pulses_per_unit = pulses_per_unit(section, findings);
    let directions = [("drawn", Direction::Drawn), ("fed", Direction::Fed)];
    let config = DerivedConfig {
        altitude,
        sea_level,
        meter_start,
        pulses_per_unit,
        direction: section.choice("direction", &directions, findings).unwrap_or_default(),
        max_gap: section.duration_within("max_gap", TIMES, "1m", findings),
        save_every: section
            .duration_within("save_every", TIMES, "1m", findings)
            .unwrap_or(DEFAULT_SAVE_ENERGY_EVERY),
        ..DerivedConfig::new(inputs?.into_iter().map(|(role, path)| (role, path.value)).collect(), Vec::new())
    };
    Some(DerivedConfig { gives: gives?.into_iter().map(|quantity| quantity.value).collect(), ..config })
}

fn pulses_per_unit(section: &mut Section<'_>, findings: &mut Findings) -> f64 {
    let Some(pulses) = section.number("pulses_per_unit", "100", findings) else { return 1.0 };
    if pulses.value > 0.0 {
        return pulses.value;
    }
    let hint = "write the pulses for one cubic metre, as the meter says: pulses_per_unit = 100";
    findings.push(section.error(pulses.span, "`pulses_per_unit` must be greater than zero", hint));
    1.0
}

/// `from = { temperature = "kitchen/temperature", values = ["a/power", "b/power"] }`.
fn inputs(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<Vec<(Role, Spanned<PropertyPath>)>> {
    let example = "from = { temperature = \"kitchen/temperature\", humidity = \"kitchen/humidity\" }";
    if section.item("from").is_none() {
        findings.push(section.missing("from", format!("write what it is made of: {example}")));
    }
    let mut table = section.table("from", findings)?;
    let before = findings.len();
    let mut inputs = Vec::new();
    for role in ALL_ROLES {
        let hint = format!("write the device and its value: {} = \"kitchen/temperature\"", role.word());
        let texts = if role == Role::Value {
            let hint = "write a list: values = [\"kitchen/temperature\", \"bedroom/temperature\"]";
            table.texts(role.word(), hint, findings).unwrap_or_default()
        } else {
            table.text(role.word(), "kitchen/temperature", findings).into_iter().collect()
        };
        for text in texts {
            match text.value.parse::<PropertyPath>() {
                Ok(path) => inputs.push((role, Spanned { value: path, span: text.span })),
                Err(problem) => {
                    findings.push(section.error(text.span, problem.to_string(), hint.clone()));
                }
            }
        }
    }
    let place = table.span.clone();
    table.finish("`from`", findings);
    if findings.len() > before {
        return None;
    }
    if inputs.is_empty() || inputs.len() > MAX_INPUTS {
        let what = format!("`from` names {} values, and needs 1 to {MAX_INPUTS}", inputs.len());
        findings.push(section.error(place, what, format!("write {example}")));
        return None;
    }
    places.sources.extend(inputs.iter().map(|(_, path)| path.clone()));
    Some(inputs)
}

/// `gives = ["dew-point"]`.
fn gives(section: &mut Section<'_>, findings: &mut Findings) -> Option<Vec<Spanned<Quantity>>> {
    let words: Vec<&str> = ALL_QUANTITIES.iter().map(|quantity| quantity.word()).collect();
    let hint = format!("write a list: gives = [\"dew-point\"]; it can hold {}", listed(&words));
    let Some(texts) = section.texts("gives", &hint, findings) else {
        if section.item("gives").is_none() {
            findings.push(section.missing("gives", hint));
        }
        return None;
    };
    if texts.is_empty() {
        findings.push(section.missing("gives", hint.clone()));
    }
    let mut gives: Vec<Spanned<Quantity>> = Vec::new();
    let before = findings.len();
    for text in texts {
        let Some(quantity) = Quantity::from_word(text.value) else {
            let hint = match nearest(text.value, words.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => hint.clone(),
            };
            findings.push(section.error(text.span, format!("`{}` cannot be derived", text.value), hint));
            continue;
        };
        if gives.iter().any(|known| known.value == quantity) {
            findings.push(section.error(
                text.span,
                format!("`{}` stands there twice", text.value),
                "remove one",
            ));
            continue;
        }
        gives.push(Spanned { value: quantity, span: text.span });
    }
    (findings.len() == before && !gives.is_empty()).then_some(gives)
}

/// Whether all inputs are there, and none that nothing is made of.
fn check_needs(
    section: &Section<'_>,
    inputs: &[(Role, Spanned<PropertyPath>)],
    gives: &[Spanned<Quantity>],
    findings: &mut Findings,
) {
    for quantity in gives {
        let is_there = |role: &&Role| inputs.iter().any(|(input, _)| input == *role);
        if let Some(missing) = quantity.value.needs().iter().find(|role| !is_there(role)) {
            let what = format!("`{}` needs `{}`", quantity.value.word(), missing.word());
            let hint = match missing {
                Role::Value => "add it: from = { values = [\"kitchen/temperature\", …] }".to_owned(),
                _ => format!("add it: from = {{ {} = \"kitchen/{0}\", … }}", missing.word()),
            };
            findings.push(section.error(quantity.span.clone(), what, hint));
        }
    }
    for (role, path) in inputs {
        let is_used = |quantity: &Spanned<Quantity>| {
            quantity.value.needs().contains(role) || quantity.value.can_use().contains(role)
        };
        if !gives.iter().any(is_used) {
            let what = format!("nothing is made of `{}`", role.word());
            findings.push(section.warning(
                path.span.clone(),
                what,
                "remove it, or name what it is for in `gives`",
            ));
        }
    }
}
