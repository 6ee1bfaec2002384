//! InfluxDB's line protocol (<https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>).
//!
//! `temperature,device=kitchen,unit=°C value=21.5,quality="ok" 1795252440250000000`: the measurement is the property, or
//! `topic` with the topic as a tag. A field keeps its type for ever there, so numbers are `value`, switches `on` and texts
//! `text`; a series that falls silent has `silent=true`, and a reading after it `silent=false` is not needed: it is newer.

use std::io::{self, Write};

use gatehouse_model::Value;

use super::words::Digits;
use super::{Entry, Row};
use crate::SeriesName;

#[derive(Debug)]
pub(super) struct InfluxWriter<W> {
    sink: W,
    line: String,
}

impl<W: Write> InfluxWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink, line: String::new() }
    }

    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        // Nanoseconds in 64 bits end in 2262, and history long before.
        let Some(nanoseconds) = row.at.as_millis().checked_mul(1_000_000) else {
            return Err(io::Error::other(format!("InfluxDB has no time {}", row.at)));
        };
        self.line.clear();
        self.say(row);
        writeln!(self.sink, "{} {nanoseconds}", self.line)
    }

    pub(super) fn finish(self) -> W {
        self.sink
    }

    fn say(&mut self, row: &Row) {
        let line = &mut self.line;
        match &row.head.name {
            SeriesName::Property(device, property) => {
                escape(line, property.as_str(), &[',', ' ']);
                line.push_str(",device=");
                escape(line, device.as_str(), &TAG);
            }
            SeriesName::Topic(topic) => {
                line.push_str("topic,topic=");
                escape(line, topic.as_str(), &TAG);
            }
        }
        if let Some(unit) = row.head.unit.as_deref().filter(|unit| !unit.is_empty()) {
            line.push_str(",unit=");
            escape(line, unit, &TAG);
        }
        line.push(' ');
        match &row.entry {
            Entry::Reading { value, quality } => {
                match value {
                    Value::Number(number) => line.push_str(&format!("value={}", Digits(*number))),
                    Value::Switch(on) => line.push_str(&format!("on={on}")),
                    Value::Text(text) => {
                        line.push_str("text=\"");
                        // A line feed is allowed in the text of a field, and nowhere else.
                        text.chars().for_each(|c| {
                            if matches!(c, '"' | '\\') {
                                line.push('\\');
                            }
                            line.push(c);
                        });
                        line.push('"');
                    }
                }
                line.push_str(",quality=\"");
                line.push_str(quality.as_str());
                line.push('"');
            }
            Entry::Silence => line.push_str("silent=true"),
        }
    }
}

/// What is escaped in the value of a tag.
const TAG: [char; 3] = [',', '=', ' '];

/// Appends a name with its special characters escaped. A control character would end the line, and parsers do not agree on
/// a backslash before a character that is escaped; there is no way to write either, so they become other characters.
fn escape(line: &mut String, text: &str, special: &[char]) {
    for c in text.chars() {
        if special.contains(&c) {
            line.push('\\');
        }
        line.push(match c {
            '\\' => '/',
            c if c.is_control() => '\u{fffd}',
            c => c,
        });
    }
}
