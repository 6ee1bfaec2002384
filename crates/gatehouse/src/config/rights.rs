//! `[rights.NAME]`: sets of topics that users, clients and anonymous clients may be given.

use gatehouse_broker::{MAX_PATTERNS, RightsSet, TopicPattern};
use toml_edit::Item;

use super::nearest::suggestion;
use super::problems::Findings;
use super::section::{Section, Spanned};
use crate::rights::{BUILT_IN, RightsSets};

/// Most sets of a configuration: a house has a handful of kinds of clients.
const MAX_SETS: usize = 64;

/// Longest name of a set, in characters, as that of a user.
const MAX_NAME_LENGTH: usize = 32;

/// The tables below `[rights]`, and the built-in sets.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> RightsSets {
    let mut sets = RightsSets::default();
    let Some(mut section) = section else { return sets };
    let entries: Vec<_> = section.entries().collect();
    for (number, (name, item)) in entries.into_iter().enumerate() {
        if number == MAX_SETS {
            let hint = "remove those that nothing uses";
            findings.push(section.error(
                name.span,
                format!("there are more than {MAX_SETS} rights sets"),
                hint,
            ));
            break;
        }
        if let Some(set) = named(&mut section, &name, item, findings) {
            sets.add(name.value, set);
        }
    }
    sets
}

fn named(
    section: &mut Section<'_>,
    name: &Spanned<&str>,
    item: &Item,
    findings: &mut Findings,
) -> Option<RightsSet> {
    let example = "write a table for each set: [rights.sensors], and below it publish = [\"sensors/%c/#\"]";
    let complaint = if BUILT_IN.contains(&name.value) {
        Some(("is a built-in rights set", "choose another name: the built-in sets stay what they are"))
    } else if !is_good_name(name.value) {
        Some((
            "cannot be the name of a rights set",
            "use at most 32 small letters a-z, digits, - and _, and a letter first",
        ))
    } else if item.as_table_like().is_none() {
        Some(("is no rights set", example))
    } else {
        None
    };
    if let Some((what, hint)) = complaint {
        findings.push(section.error(name.span.clone(), format!("`{}` {what}", name.value), hint));
        return None;
    }
    let table = item.as_table_like()?;
    let prefix = format!("rights `{}`: ", name.value);
    let mut set = Section::new(table, item.span().unwrap_or_else(|| name.span.clone()), prefix);
    let publish = patterns(&mut set, "publish", findings);
    let subscribe = patterns(&mut set, "subscribe", findings);
    if set.item("publish").is_none() && set.item("subscribe").is_none() {
        let hint = "say what it allows: publish = [\"sensors/%c/#\"], subscribe = [\"home/#\"]";
        findings.push(set.warning(name.span.clone(), "nothing is allowed", hint));
    }
    set.finish("a rights set", findings);
    Some(RightsSet { publish, subscribe })
}

fn is_good_name(name: &str) -> bool {
    name.len() <= MAX_NAME_LENGTH
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

/// A list of topic patterns; what is wrong with one of them points at that one.
fn patterns(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Vec<TopicPattern> {
    let example = format!("write a list of topics: {key} = [\"sensors/%c/#\", \"home/+/temperature\"]");
    let Some(texts) = section.texts(key, &example, findings) else { return Vec::new() };
    if let Some(one_more) = texts.get(MAX_PATTERNS) {
        let what = format!("`{key}` has more than {MAX_PATTERNS} topics");
        findings.push(section.error(one_more.span.clone(), what, "use + and # to say more with fewer"));
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for text in texts {
        match TopicPattern::new(text.value) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => {
                let what = format!("`{}` cannot be in `{key}`: {problem}", text.value);
                findings.push(section.error(text.span, what, "write a topic such as \"sensors/%c/#\""));
            }
        }
    }
    patterns
}

/// A setting that names a rights set.
pub(super) fn chosen(
    section: &mut Section<'_>,
    key: &'static str,
    sets: &RightsSets,
    findings: &mut Findings,
) -> Option<Spanned<String>> {
    let name = section.text(key, "viewer", findings)?;
    if sets.get(name.value).is_some() {
        return Some(name.map(str::to_owned));
    }
    let hint =
        format!("{}, or make the set under [rights.{}]", suggestion(name.value, &sets.names()), name.value);
    findings.push(section.error(name.span, format!("there is no rights set `{}`", name.value), hint));
    None
}
