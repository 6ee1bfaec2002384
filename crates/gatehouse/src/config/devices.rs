//! `[[device]]`: what all devices have in common.

use std::collections::BTreeMap;
use std::ops::Range;

use gatehouse_board::config::{CalibrateConfig, DeviceConfig, DriverConfig, MAX_DEVICES, ReportConfig};
use gatehouse_model::{DeviceId, IdError, PropertyId};
use toml_edit::{Item, TableLike};

use super::conflicts::{Conflicts, Places};
use super::drivers;
use super::problems::{Finding, Findings};
use super::section::{Section, Spanned};

/// Shortest and longest time between two messages of a property that did not change.
const HEARTBEAT_LIMITS: (std::time::Duration, std::time::Duration) =
    (std::time::Duration::from_secs(1), std::time::Duration::from_secs(24 * 3600));

/// All devices that can be read. Those with an error are left out, but still count where devices get in each other's
/// way.
pub(super) fn read(text: &str, root: &mut Section<'_>, findings: &mut Findings) -> Vec<DeviceConfig> {
    let Some(item) = root.item("device") else { return Vec::new() };
    let tables = tables_of(&item, root, findings);
    if let Some((_, span)) = tables.get(MAX_DEVICES) {
        let what = format!("there are {} devices, but at most {MAX_DEVICES} can be served", tables.len());
        findings.push(root.error(span.clone(), what, "remove this device and those that follow"));
    }
    let mut conflicts = Conflicts::new(text);
    let devices = tables
        .into_iter()
        .take(MAX_DEVICES)
        .filter_map(|(table, span)| one(Section::new(table, span, String::new()), &mut conflicts, findings))
        .collect();
    conflicts.finish(findings);
    devices
}

/// The tables of the list, with the place of each one's header.
fn tables_of<'d>(
    item: &Spanned<&'d Item>,
    root: &Section<'_>,
    findings: &mut Findings,
) -> Vec<(&'d dyn TableLike, Range<usize>)> {
    let place = |span: Option<Range<usize>>| span.unwrap_or_else(|| item.span.clone());
    let hint = "begin each device with the line [[device]]";
    match item.value {
        Item::ArrayOfTables(tables) => {
            tables.iter().map(|table| (table as &dyn TableLike, place(table.span()))).collect()
        }
        Item::Value(toml_edit::Value::Array(array)) => {
            let mut tables = Vec::new();
            for value in array {
                match value.as_inline_table() {
                    Some(table) => tables.push((table as &dyn TableLike, place(value.span()))),
                    None => findings.push(root.error(place(value.span()), "a device must be a table", hint)),
                }
            }
            tables
        }
        Item::Table(table) => {
            let what = "there can be several devices, so each stands in double brackets";
            findings.push(root.error(place(table.span()), what, "write [[device]] instead of [device]"));
            vec![(table as &dyn TableLike, place(table.span()))]
        }
        _ => {
            findings.push(root.error(item.span.clone(), "`device` must be a list of tables", hint));
            Vec::new()
        }
    }
}

fn one(
    mut section: Section<'_>,
    conflicts: &mut Conflicts<'_>,
    findings: &mut Findings,
) -> Option<DeviceConfig> {
    let word = section.text("id", "kitchen", findings);
    let called = word.as_ref().map_or_else(|| "this device".to_owned(), |word| format!("`{}`", word.value));
    section.set_prefix(format!("{called}: "));
    if word.is_none() && section.item("id").is_none() {
        findings.push(section.missing("id", "give it one, for its topics: id = \"kitchen\""));
    }
    let id = word.and_then(|word| id(&word, findings).map(|id| Spanned { value: id, span: word.span }));
    let name = section.name("name", "Kitchen", findings);
    let room = section.name("room", "Kitchen", findings);
    let mut places = Places::default();
    let driver = drivers::read(&mut section, &mut places, findings);
    let calibrate = by_property(&mut section, "calibrate", driver.as_ref(), findings, calibrate);
    let report = by_property(&mut section, "report", driver.as_ref(), findings, report);
    // What belongs to a driver that is not known cannot be told from a mistake.
    if let Some(driver) = &driver {
        section.finish(&format!("the driver `{}`", driver.word()), findings);
    }
    conflicts.add(id.as_ref(), &called, places, findings);
    let (id, driver) = (id?.value, driver?);
    let name = name.unwrap_or_else(|| name_of(&id));
    Some(DeviceConfig { id, name, room, driver, calibrate, report })
}

fn id(word: &Spanned<&str>, findings: &mut Findings) -> Option<DeviceId> {
    match DeviceId::new(word.value) {
        Ok(id) => Some(id),
        Err(problem) => {
            let plain = plain_id(word.value);
            let hint = if plain.is_empty() || matches!(problem, IdError::TooLong(_)) {
                "write 1 to 32 of the characters a-z, 0-9 and -; `name` can be anything".to_owned()
            } else {
                format!(
                    "write 1 to 32 of the characters a-z, 0-9 and -: id = \"{plain}\"; `name` can be anything"
                )
            };
            findings.push(Finding::error(word.span.clone(), format!("the id {problem}"), hint));
            None
        }
    }
}

/// The nearest id to a text.
fn plain_id(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split(|character: char| !character.is_ascii_lowercase() && !character.is_ascii_digit());
    let mut plain = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    plain.truncate(gatehouse_model::id::MAX_ID_LENGTH);
    plain
}

/// A name made of an id: `front-door` is "Front door".
fn name_of(id: &DeviceId) -> String {
    let mut name = id.as_str().replace('-', " ");
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

/// The tables below `calibrate` and `report`: one for each property that is a number.
fn by_property<T>(
    section: &mut Section<'_>,
    key: &'static str,
    driver: Option<&DriverConfig>,
    findings: &mut Findings,
    read: impl Fn(Section<'_>, &mut Findings) -> T,
) -> BTreeMap<PropertyId, T> {
    let Some(table) = section.table(key, findings) else { return BTreeMap::new() };
    let numbers = driver.map(drivers::numbers);
    let mut settings = BTreeMap::new();
    for (word, item) in table.entries() {
        let property = match PropertyId::new(word.value) {
            Ok(property) => property,
            Err(problem) => {
                let hint = format!("write the name of a property, such as {key}.temperature");
                findings.push(section.error(word.span, format!("`{key}`: {problem}"), hint));
                continue;
            }
        };
        if let Some(finding) = numbers
            .and_then(|numbers| numbers.problem_with(&property, key))
            .map(|(what, hint)| section.error(word.span.clone(), what, hint))
        {
            findings.push(finding);
        }
        match item.as_table_like() {
            Some(inner) => {
                let inner = Section::new(inner, word.span, format!("`{key}.{property}`: "));
                settings.insert(property, read(inner, findings));
            }
            None => {
                let example = if key == "report" { "delta = 0.1" } else { "offset = -0.4" };
                let span = item.span().unwrap_or(word.span);
                let hint = format!("write {key}.{property} = {{ {example} }}");
                findings.push(section.error(span, format!("`{key}.{property}` must be a table"), hint));
            }
        }
    }
    settings
}

fn calibrate(mut section: Section<'_>, findings: &mut Findings) -> CalibrateConfig {
    let default = CalibrateConfig::default();
    let offset = section.number("offset", "-0.4", findings);
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
    section.finish("a calibration", findings);
    CalibrateConfig {
        scale: scale.map_or(default.scale, |scale| scale.value),
        offset: offset.map_or(default.offset, |offset| offset.value),
    }
}

fn report(mut section: Section<'_>, findings: &mut Findings) -> ReportConfig {
    let delta = section.number("delta", "0.1", findings);
    if let Some(delta) = &delta
        && delta.value < 0.0
    {
        let hint = "write the smallest change worth a message, in the property's unit: delta = 0.1";
        findings.push(section.error(delta.span.clone(), "`delta` is less than zero", hint));
    }
    let at_least_every = section.duration_within("at_least_every", HEARTBEAT_LIMITS, "5m", findings);
    section.finish("a report", findings);
    ReportConfig { delta: delta.map_or(0.0, |delta| delta.value), at_least_every }
}
