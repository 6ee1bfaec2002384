//! `[[alias]]`: a value under a topic of another scheme as well, and commands from there.

use std::collections::BTreeMap;
use std::ops::Range;

use gatehouse_board::config::DeviceConfig;
use gatehouse_model::{PropertyPath, Scheme, TopicName};
use toml_edit::{Item, TableLike};

use super::nearest::nearest;
use super::problems::Findings;
use super::section::{Section, Spanned};
use crate::aliases::{Alias, Source};

/// Most aliases: one for each value of a large house.
const MAX_ALIASES: usize = 512;

/// Most payloads that one alias translates.
const MAX_PAYLOADS: usize = 32;

const FROM_HINT: &str =
    "write the device and its value, from = \"kitchen/temperature\", or from = \"status\"";

/// All aliases that can be read.
pub(super) fn read(
    root: &mut Section<'_>,
    scheme: Option<&Scheme>,
    devices: &[DeviceConfig],
    findings: &mut Findings,
) -> Vec<Alias> {
    let Some(found) = root.item("alias") else { return Vec::new() };
    let Item::ArrayOfTables(tables) = found.value else {
        let hint = "begin each alias with the line [[alias]]";
        findings.push(root.wrong_kind("alias", &found, hint));
        return Vec::new();
    };
    if tables.len() > MAX_ALIASES {
        let what = format!("there are {} aliases, but at most {MAX_ALIASES} can be served", tables.len());
        findings.push(root.error(found.span.clone(), what, "remove those that nobody listens to"));
    }
    let mut taken: BTreeMap<TopicName, Range<usize>> = BTreeMap::new();
    let mut aliases = Vec::new();
    for table in tables.iter().take(MAX_ALIASES) {
        let span = table.span().unwrap_or_else(|| found.span.clone());
        let Some((alias, place)) = one(table, span, scheme, devices, findings) else { continue };
        if taken.insert(alias.topic.clone(), place.clone()).is_some() {
            let what = format!("the topic `{}` has another alias already", alias.topic);
            findings.push(root.error(place, what, "give each alias a topic of its own"));
        } else {
            aliases.push(alias);
        }
    }
    aliases
}

fn one(
    table: &dyn TableLike,
    span: Range<usize>,
    scheme: Option<&Scheme>,
    devices: &[DeviceConfig],
    findings: &mut Findings,
) -> Option<(Alias, Range<usize>)> {
    let mut section = Section::new(table, span, "alias: ".to_owned());
    let from = from(&mut section, devices, findings);
    let topic = topic(&mut section, scheme, devices, findings);
    let payloads = payloads(&mut section, findings);
    let flag = |section: &mut Section<'_>, key, findings: &mut Findings| {
        let found = section.item(key)?;
        let flag = found.value.as_bool();
        if flag.is_none() {
            findings.push(section.wrong_kind(key, &found, format!("write {key} = true or false")));
        }
        flag
    };
    let retain = flag(&mut section, "retain", findings).unwrap_or(true);
    let commands = flag(&mut section, "commands", findings).unwrap_or(false);
    if commands && matches!(from, Some(Source::Status)) {
        let place = section.item("commands").map_or_else(|| section.span.clone(), |found| found.span);
        findings.push(section.error(place, "the gateway's status takes no commands", "remove `commands`"));
    }
    section.finish("an alias", findings);
    let topic = topic?;
    Some((Alias { from: from?, topic: topic.value, payloads, retain, commands }, topic.span))
}

fn from(section: &mut Section<'_>, devices: &[DeviceConfig], findings: &mut Findings) -> Option<Source> {
    let Some(text) = section.text("from", "kitchen/temperature", findings) else {
        if section.item("from").is_none() {
            findings.push(section.missing("from", FROM_HINT));
        }
        return None;
    };
    if text.value == "status" {
        return Some(Source::Status);
    }
    let Ok(path) = text.value.parse::<PropertyPath>() else {
        findings.push(section.error(text.span, format!("`{}` is no value", text.value), FROM_HINT));
        return None;
    };
    if devices.iter().all(|device| device.id != path.device) {
        let known = devices.iter().map(|device| device.id.as_str());
        let hint = match nearest(path.device.as_str(), known) {
            Some(meant) => format!("did you mean `{meant}/{}`?", path.property),
            None => FROM_HINT.to_owned(),
        };
        // A device with a mistake of its own is missing here too, so this is no error.
        findings.push(section.warning(text.span, format!("there is no device `{}`", path.device), hint));
    }
    Some(Source::Property(path))
}

fn topic(
    section: &mut Section<'_>,
    scheme: Option<&Scheme>,
    devices: &[DeviceConfig],
    findings: &mut Findings,
) -> Option<Spanned<TopicName>> {
    let example = "write the other scheme's topic: topic = \"mqtt_io/sensor/kitchen\"";
    let Some(text) = section.text("topic", "mqtt_io/sensor/kitchen", findings) else {
        if section.item("topic").is_none() {
            findings.push(section.missing("topic", example));
        }
        return None;
    };
    let topic = match TopicName::new(text.value) {
        Ok(topic) => topic,
        Err(problem) => {
            findings.push(section.error(text.span, format!("`topic`: {problem}"), example));
            return None;
        }
    };
    let is_ours = scheme.and_then(|scheme| scheme.place(&topic)).is_some_and(|place| match place.device() {
        Some(device) => devices.iter().any(|ours| ours.id == *device),
        None => true,
    });
    if is_ours || topic.as_str().starts_with('$') {
        let what = format!("`{topic}` is a topic that the gateway uses itself");
        findings.push(section.error(text.span, what, "an alias stands outside of the gateway's own topics"));
        return None;
    }
    Some(Spanned { value: topic, span: text.span })
}

fn payloads(section: &mut Section<'_>, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut payloads = BTreeMap::new();
    let Some(table) = section.table("payloads", findings) else { return payloads };
    for (key, item) in table.entries() {
        let hint = "write ours and theirs: payloads = { ON = \"1\", OFF = \"0\" }";
        let Some(theirs) = item.as_str() else {
            findings.push(table.error(key.span, format!("`payloads.{}` is no text", key.value), hint));
            continue;
        };
        if payloads.len() == MAX_PAYLOADS {
            findings.push(table.error(key.span, format!("more than {MAX_PAYLOADS} payloads"), hint));
            break;
        }
        if payloads.values().any(|other| other == theirs) {
            let what = format!("two payloads are translated to `{theirs}`, so a command could mean either");
            findings.push(table.error(key.span, what, hint));
            continue;
        }
        payloads.insert(key.value.to_owned(), theirs.to_owned());
    }
    payloads
}
