//! `[history]`: what is recorded beside the house's own properties, how soon, and for how long.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_history::{Keep, MAX_TOPIC_FIELDS, MAX_TOPIC_RULES, Options, Retention, TopicRule};
use gatehouse_model::{TopicFilter, TopicName};
use toml_edit::{TableLike, Value};

use super::problems::Findings;
use super::section::{Section, Spanned};

/// Shortest and longest loss window: faster commits wear a memory card out within months, and more than ten minutes of
/// history is more than anybody wants to lose.
const COMMIT_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// Shortest and longest time that causes and events wait when many come: from as fast as a card can to what nobody would
/// call at once any more.
const STATES_LIMITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Shortest and longest time that readings are held while nobody says whether the clock is right: memory holds an hour.
const CLOCK_LIMITS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3_600));

/// Shortest and longest time limit of a query.
const QUERY_LIMITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Shortest and longest age of events and of samples: from a day to a hundred years. Samples go by whole UTC days.
const AGES: (Duration, Duration) = (Duration::from_secs(86_400), Duration::from_secs(36_525 * 86_400));

/// Fewest and most events: at most some gigabyte.
const EVENT_NUMBERS: (u64, u64) = (1_000, 5_000_000);

/// Smallest and largest size of all sealed samples of a kind: from a megabyte, below which hardly a day of a house fits, to
/// more than any card holds.
const KEEP_SIZES: (u64, u64) = (1 << 20, 1 << 40);

/// Smallest and largest size of the file: from what the tables and a week of a small house take, to more than any card
/// holds.
const FILE_SIZES: (u64, u64) = (64 << 20, 1 << 40);

/// Smallest and largest disk floor: it may be switched off.
const FLOORS: (u64, u64) = (0, 1 << 40);

/// Longest unit, in characters.
const MAX_UNIT_CHARACTERS: usize = 16;

const TOPICS_HINT: &str = "write topics = [\"weather/+/temperature\"], or for fields of JSON objects topics = [{ topic = \"tele/+/SENSOR\", fields = [\"ENERGY.Power\"], unit = \"W\" }]";

/// `[history]`.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> Options {
    let default = Options::default();
    let Some(mut section) = section else { return default };
    let mut within = |key, limits, example: &str, section: &mut Section<'_>| {
        section.duration_within(key, limits, example, findings)
    };
    let commit_every = within("commit_every", COMMIT_LIMITS, "10s", &mut section);
    let commit_states_within = within("commit_events_within", STATES_LIMITS, "1s", &mut section);
    let wait_for_clock = within("wait_for_clock", CLOCK_LIMITS, "5m", &mut section);
    let query_time_limit = within("query_time_limit", QUERY_LIMITS, "5s", &mut section);
    let keep_events = within("keep_events", AGES, "3650d", &mut section);
    let max_events = section.whole_within("max_events", EVENT_NUMBERS, findings);
    let max_file_bytes = section.bytes_within("max_file_bytes", FILE_SIZES, findings);
    let retention = retention(&mut section, default.retention, findings);
    let topics = topics(&mut section, findings);
    section.finish("[history]", findings);
    Options {
        commit_every: commit_every.unwrap_or(default.commit_every),
        commit_states_within: commit_states_within.unwrap_or(default.commit_states_within),
        wait_for_clock: wait_for_clock.unwrap_or(default.wait_for_clock),
        query_time_limit: query_time_limit.unwrap_or(default.query_time_limit),
        keep_events: keep_events.unwrap_or(default.keep_events),
        max_events: max_events.unwrap_or(default.max_events),
        max_file_bytes: max_file_bytes.unwrap_or(default.max_file_bytes),
        retention,
        topics,
        ..default
    }
}

/// How long samples are kept, by what their values are.
fn retention(section: &mut Section<'_>, default: Retention, findings: &mut Findings) -> Retention {
    Retention {
        numbers: keep(section, "numbers", findings),
        switches: keep(section, "switches", findings),
        texts: keep(section, "texts", findings),
        disk_floor: section.bytes_within("disk_floor", FLOORS, findings).unwrap_or(default.disk_floor),
    }
}

fn keep(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Keep {
    let Some(found) = section.item(key) else { return Keep::default() };
    let Some(table) = found.value.as_table_like() else {
        let hint =
            format!("write {key} = {{ keep_for = \"730d\", keep_bytes = \"1 GiB\" }}, or one of the two");
        findings.push(section.wrong_kind(key, &found, hint));
        return Keep::default();
    };
    let mut class = Section::new(table, found.span, format!("{key}: "));
    let age = class.duration_within("keep_for", AGES, "730d", findings);
    let bytes = class.bytes_within("keep_bytes", KEEP_SIZES, findings);
    class.finish(&format!("`{key}`"), findings);
    Keep { age, bytes }
}

/// Topics outside the gateway's own: texts, or tables with more to say.
fn topics(section: &mut Section<'_>, findings: &mut Findings) -> Vec<TopicRule> {
    let Some(found) = section.item("topics") else { return Vec::new() };
    let Some(list) = found.value.as_array() else {
        findings.push(section.wrong_kind("topics", &found, TOPICS_HINT));
        return Vec::new();
    };
    if list.len() > MAX_TOPIC_RULES {
        let what =
            format!("there are {} topics, but at most {MAX_TOPIC_RULES} can be told apart", list.len());
        findings.push(section.error(
            found.span.clone(),
            what,
            "name several with a wildcard: \"weather/+/temperature\"",
        ));
    }
    let mut rules = Vec::new();
    for value in list.iter().take(MAX_TOPIC_RULES) {
        let span = value.span().unwrap_or_else(|| found.span.clone());
        let rule = match value {
            Value::String(text) => filter(section, text.value(), span, findings).map(|filter| TopicRule {
                filter,
                fields: Vec::new(),
                unit: None,
            }),
            Value::InlineTable(table) => with_more(table, span, findings),
            _ => {
                findings.push(section.error(span, "`topics` has something that is no topic", TOPICS_HINT));
                None
            }
        };
        rules.extend(rule);
    }
    rules
}

fn with_more(table: &dyn TableLike, span: Range<usize>, findings: &mut Findings) -> Option<TopicRule> {
    let mut section = Section::new(table, span, "topics: ".to_owned());
    let topic = section.text("topic", "tele/+/SENSOR", findings);
    if topic.is_none() && section.item("topic").is_none() {
        findings.push(section.missing("topic", TOPICS_HINT));
    }
    let fields = fields(&mut section, findings);
    let unit = section.text("unit", "W", findings).and_then(|unit| {
        let is_short = unit.value.chars().count() <= MAX_UNIT_CHARACTERS;
        if is_short && !unit.value.is_empty() && !unit.value.chars().any(char::is_control) {
            return Some(unit.value.into());
        }
        let hint = format!("write a unit of 1 to {MAX_UNIT_CHARACTERS} characters: unit = \"W\"");
        findings.push(section.error(unit.span, "`unit` cannot be shown", hint));
        None
    });
    let filter = topic.and_then(|topic| filter(&section, topic.value, topic.span, findings));
    section.finish("an entry of `topics`", findings);
    Some(TopicRule { filter: filter?, fields, unit })
}

/// The fields of a JSON object.
fn fields(section: &mut Section<'_>, findings: &mut Findings) -> Vec<Arc<str>> {
    let hint = "name the fields of the JSON object, with points between levels: fields = [\"temperature\", \"ENERGY.Power\"]";
    let Some(given) = section.texts("fields", hint, findings) else { return Vec::new() };
    if given.is_empty() || given.len() > MAX_TOPIC_FIELDS {
        let what = format!("`fields` has {} fields, and can have 1 to {MAX_TOPIC_FIELDS}", given.len());
        let place = section.item("fields").map_or_else(|| section.span.clone(), |found| found.span);
        findings.push(section.error(place, what, hint));
    }
    let mut fields = Vec::new();
    for Spanned { value, span } in given.into_iter().take(MAX_TOPIC_FIELDS) {
        // Its value is kept as if it were published below the topic, under this name.
        let is_level =
            !value.is_empty() && TopicName::new(value).is_ok() && !value.chars().any(char::is_control);
        if is_level {
            fields.push(value.into());
        } else {
            findings.push(section.error(span, format!("`{value}` cannot be the name of a field"), hint));
        }
    }
    fields
}

fn filter(
    section: &Section<'_>,
    text: &str,
    span: Range<usize>,
    findings: &mut Findings,
) -> Option<TopicFilter> {
    match TopicFilter::new(text) {
        Ok(filter) => Some(filter),
        Err(problem) => {
            findings.push(section.error(span, format!("`{text}` names no topics: {problem}"), TOPICS_HINT));
            None
        }
    }
}
