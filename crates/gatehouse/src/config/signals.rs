//! What is done with the numbers of a device: `calibrate`, `plausible`, `filter` and `report`, each by property.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_board::config::{
    CalibrateConfig, DeviceConfig, DriverConfig, FilterRule, PlausibilityRules, ReportConfig,
};
use gatehouse_control::lookup::{Conversion, Curve, Divider, Ntc, Position, Table, ThermistorCurve};
use gatehouse_control::plausible::{MAX_FROZEN_AFTER, OutOfRange};
use gatehouse_control::rounding::MAX_DECIMALS;
use gatehouse_model::PropertyId;

use super::by_property::by_property;
use super::filters;
use super::number_lists::{numbers, points};
use super::problems::Findings;
use super::section::{Section, Spanned};

/// Shortest and longest time between two messages of a property.
const MESSAGE_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// Longest unit, in characters.
const MAX_UNIT_CHARACTERS: usize = 16;

/// All settings of a device's numbers.
#[derive(Debug, Default)]
pub(super) struct Signals {
    calibrate: BTreeMap<PropertyId, CalibrateConfig>,
    plausible: BTreeMap<PropertyId, PlausibilityRules>,
    filter: BTreeMap<PropertyId, Vec<FilterRule>>,
    report: BTreeMap<PropertyId, ReportConfig>,
}

impl Signals {
    /// The device with these settings.
    pub(super) fn apply_to(self, device: DeviceConfig) -> DeviceConfig {
        let Self { calibrate, plausible, filter, report } = self;
        DeviceConfig { calibrate, plausible, filter, report, ..device }
    }
}

/// Reads them.
pub(super) fn read(
    section: &mut Section<'_>,
    driver: Option<&DriverConfig>,
    findings: &mut Findings,
) -> Signals {
    Signals {
        calibrate: by_property(section, "calibrate", driver, findings, |entry, findings| {
            Some(calibrate(entry.table("{ offset = -0.4 }", findings)?, findings))
        }),
        plausible: by_property(section, "plausible", driver, findings, |entry, findings| {
            Some(plausible(entry.table("{ min = -30, max = 60 }", findings)?, findings))
        }),
        filter: by_property(section, "filter", driver, findings, |entry, findings| {
            filters::read(&entry, findings)
        }),
        report: by_property(section, "report", driver, findings, |entry, findings| {
            Some(report(entry.table("{ delta = 0.1 }", findings)?, findings))
        }),
    }
}

fn calibrate(mut section: Section<'_>, findings: &mut Findings) -> CalibrateConfig {
    let divider = section.table("divider", findings).and_then(|table| divider(table, findings));
    let table = points(&mut section, "table", findings).and_then(|points| {
        let table = Table::new(points.value);
        let hint = "write what is measured and what it means: table = [[0.5, 0], [2.8, 100]]";
        table.map_err(|problem| findings.push(section.error(points.span, problem.to_string(), hint))).ok()
    });
    let ntc = section.table("ntc", findings).and_then(|table| {
        let place = table.span.clone();
        let ntc = ntc(table, findings);
        ntc.map(|ntc| Spanned { value: ntc, span: place })
    });
    let curve = match (table, ntc) {
        (Some(_), Some(ntc)) => {
            let hint = "leave one of them out: a voltage means one thing";
            findings.push(section.error(ntc.span, "there is a `table` and an `ntc`", hint));
            None
        }
        (Some(table), None) => Some(Curve::Table(table)),
        (None, ntc) => ntc.map(|ntc| Curve::Ntc(ntc.value)),
    };
    let offset = section.number("offset", "-0.4", findings).map_or(0.0, |offset| offset.value);
    let scale = section.number("scale", "1.02", findings);
    if let Some(scale) = &scale
        && scale.value == 0.0
    {
        let hint = "leave it out, or write the factor: published = measured * scale + offset";
        findings.push(section.error(
            scale.span.clone(),
            "with `scale` zero every reading would be the same",
            hint,
        ));
    }
    let conversion = Conversion { divider, curve, scale: scale.map_or(1.0, |scale| scale.value), offset };
    let thermistor = matches!(conversion.curve, Some(Curve::Ntc(_)));
    let unit = unit(&mut section, findings).or_else(|| thermistor.then(|| "°C".to_owned()));
    let class = section.name("class", "temperature", findings);
    let decimals = section
        .whole_within("decimals", (0, u64::from(MAX_DECIMALS)), findings)
        .and_then(|digits| u8::try_from(digits).ok());
    let calibrate = CalibrateConfig {
        conversion,
        unit,
        name: section.name("name", "Soil moisture", findings),
        class: class.or_else(|| thermistor.then(|| "temperature".to_owned())),
        // A thermistor and what reads it are good for a tenth of a degree.
        decimals: decimals.or_else(|| thermistor.then_some(1)),
    };
    section.finish("a calibration", findings);
    calibrate
}

fn unit(section: &mut Section<'_>, findings: &mut Findings) -> Option<String> {
    let unit = section.text("unit", "°C", findings)?;
    let is_fine = unit.value.chars().count() <= MAX_UNIT_CHARACTERS
        && !unit.value.chars().any(char::is_control)
        && unit.value.trim() == unit.value;
    if !is_fine {
        let what = format!(
            "`unit` is longer than {MAX_UNIT_CHARACTERS} characters, or has some that cannot be shown"
        );
        findings.push(section.error(unit.span, what, "write it as people do: unit = \"°C\""));
        return None;
    }
    Some(unit.value.to_owned())
}

/// A number greater than zero that must be there.
fn resistor(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    findings: &mut Findings,
) -> Option<f64> {
    let number = section.number(key, example, findings);
    if number.is_none() && section.item(key).is_none() {
        findings.push(section.missing(key, format!("write {key} = {example}")));
    }
    let number = number?;
    if number.value > 0.0 {
        return Some(number.value);
    }
    let hint = format!("write a number such as {key} = {example}");
    findings.push(section.error(number.span, format!("`{key}` must be greater than zero"), hint));
    None
}

fn divider(mut section: Section<'_>, findings: &mut Findings) -> Option<Divider> {
    let upper = resistor(&mut section, "upper", "100000", findings);
    let lower = resistor(&mut section, "lower", "22000", findings);
    section.finish("a divider", findings);
    Some(Divider { upper: upper?, lower: lower? })
}

fn ntc(mut section: Section<'_>, findings: &mut Findings) -> Option<Ntc> {
    let is_steinhart = ["a", "b", "c"].into_iter().filter(|key| section.item(key).is_some()).count() > 0;
    let curve = if is_steinhart {
        let mut coefficient = |key, example| {
            let number = section.number(key, example, findings);
            if section.item(key).is_none() {
                findings
                    .push(section.missing(key, format!("write all three of a, b and c: {key} = {example}")));
            }
            number.map(|number| number.value)
        };
        let (a, b, c) =
            (coefficient("a", "1.129e-3"), coefficient("b", "2.341e-4"), coefficient("c", "8.767e-8"));
        a.zip(b).zip(c).map(|((a, b), c)| ThermistorCurve::SteinhartHart { a, b, c })
    } else {
        let nominal = resistor(&mut section, "nominal", "10000", findings);
        let beta = resistor(&mut section, "beta", "3950", findings);
        nominal.zip(beta).map(|(nominal, beta)| ThermistorCurve::Beta { nominal, beta })
    };
    let series = resistor(&mut section, "series", "10000", findings);
    let supply = resistor(&mut section, "supply", "3.3", findings);
    let positions = [("ground", Position::ToGround), ("supply", Position::ToSupply)];
    let position = section.choice("to", &positions, findings).unwrap_or(Position::ToGround);
    section.finish("a thermistor", findings);
    Some(Ntc { curve: curve?, series: series?, supply: supply?, position })
}

fn plausible(mut section: Section<'_>, findings: &mut Findings) -> PlausibilityRules {
    let low = section.number("min", "-30", findings);
    let high = section.number("max", "60", findings);
    if let (Some(low), Some(high)) = (&low, &high)
        && low.value >= high.value
    {
        let hint = "write the lowest and the highest number that can be true";
        findings.push(section.error(high.span.clone(), "`max` is not greater than `min`", hint));
    }
    let range = (low.is_some() || high.is_some()).then(|| {
        let number = |limit: Option<Spanned<f64>>, otherwise| limit.map_or(otherwise, |limit| limit.value);
        (number(low, f64::MIN), number(high, f64::MAX))
    });
    let choices = [("refuse", OutOfRange::Refused), ("clamp", OutOfRange::Clamped)];
    // What the owner calls impossible is not published with another number in its place unless he says so.
    let out_of_range = section.choice("outside", &choices, findings).unwrap_or(OutOfRange::Refused);
    let change = section.number("max_change_per_minute", "5", findings);
    if let Some(change) = &change
        && change.value <= 0.0
    {
        let hint =
            "write the fastest change that can be true, in the property's unit: max_change_per_minute = 5";
        findings.push(section.error(
            change.span.clone(),
            "`max_change_per_minute` must be greater than zero",
            hint,
        ));
    }
    let frozen = section.whole_within("frozen_after", (2, u64::from(MAX_FROZEN_AFTER)), findings);
    let rules = PlausibilityRules {
        never: numbers(&mut section, "never", findings),
        power_on: None,
        range,
        out_of_range,
        max_change_per_second: change.map(|change| change.value / 60.0),
        frozen_after: frozen.and_then(|count| u32::try_from(count).ok()),
    };
    section.finish("`plausible`", findings);
    rules
}

fn report(mut section: Section<'_>, findings: &mut Findings) -> ReportConfig {
    let delta = section.number("delta", "0.1", findings);
    if let Some(delta) = &delta
        && delta.value < 0.0
    {
        let hint = "write the smallest change worth a message, in the property's unit: delta = 0.1";
        findings.push(section.error(delta.span.clone(), "`delta` is less than zero", hint));
    }
    let at_least_every = section.duration_within("at_least_every", MESSAGE_LIMITS, "5m", findings);
    let at_most_every = section.duration_within("at_most_every", MESSAGE_LIMITS, "10s", findings);
    if let (Some(longest), Some(shortest)) = (at_least_every, at_most_every)
        && shortest > longest
    {
        let span = section.item("at_most_every").map_or_else(|| section.span.clone(), |found| found.span);
        let hint = "write the shorter time here and the longer one as `at_least_every`";
        findings.push(section.error(span, "`at_most_every` is longer than `at_least_every`", hint));
    }
    section.finish("a report", findings);
    ReportConfig { delta: delta.map_or(0.0, |delta| delta.value), at_least_every, at_most_every }
}
