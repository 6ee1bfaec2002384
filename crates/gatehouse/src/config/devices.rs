//! `[[device]]`: what all devices have in common.

use std::ops::Range;

use gatehouse_board::catalogue::Kind;
use gatehouse_board::config::{DeviceConfig, DriverConfig, MAX_DEVICES};
use gatehouse_model::{DeviceId, IdError};
use toml_edit::{Item, TableLike};

use super::conflicts::Conflicts;
use super::drivers;
use super::numbering::Numbering;
use super::numbers;
use super::places::Places;
use super::problems::{Finding, Findings};
use super::section::{Section, Spanned};
use super::signals;

/// All devices that can be read. Those with an error are left out, but still count where devices get in each other's
/// way.
pub(super) fn read(
    text: &str,
    root: &mut Section<'_>,
    numbering: &Numbering,
    findings: &mut Findings,
) -> Vec<DeviceConfig> {
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
        .filter_map(|(table, span)| {
            one(Section::new(table, span, String::new()), numbering, &mut conflicts, findings)
        })
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
    numbering: &Numbering,
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
    let mut places = Places { numbering: numbering.clone(), ..Places::default() };
    let driver = drivers::read(&mut section, &mut places, findings);
    let signals = signals::read(&mut section, driver.as_ref(), findings);
    places.numbers = driver.as_ref().map(numbers::sources);
    places.reads_lines = driver.as_ref().is_some_and(DriverConfig::reads_lines);
    if driver.as_ref().is_some_and(|driver| !matches!(driver, DriverConfig::Chip(_))) {
        places.offers = Some(Kind::Sensor);
    }
    // What belongs to a driver that is not known cannot be told from a mistake.
    if let Some(driver) = &driver {
        section.finish(&format!("the driver `{}`", driver.word()), findings);
    }
    conflicts.add(id.as_ref(), &called, places, findings);
    let (id, driver) = (id?.value, driver?);
    let name = name.unwrap_or_else(|| name_of(&id));
    Some(signals.apply_to(DeviceConfig { room, ..DeviceConfig::new(id, &name, driver) }))
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
