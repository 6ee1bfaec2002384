//! Lines of a time, a topic and a value with one space between them, as `mosquitto_sub -F '%I %t %p'` or `%U` in the place of
//! `%I` writes them. The value goes to the end of the line, whatever is in it; a topic with a space in it cannot be told from
//! a value, so such logs need commas.

use std::io::BufRead;

use super::Row;
use super::heads::{Heads, Named, Parts};
use super::limited::{Line, Lines};
use super::mistake::Mistake;
use super::words::read_time;

#[derive(Debug)]
pub(super) struct TopicLinesReader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> TopicLinesReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { lines: Lines::new(source) }
    }

    /// The line of the last record.
    pub(super) fn line(&self) -> u64 {
        self.lines.number()
    }

    pub(super) fn next(&mut self, heads: &mut Heads) -> Result<Option<Row>, Mistake> {
        loop {
            match self.lines.next()? {
                Line::End => return Ok(None),
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => return Ok(Some(row(text.trim_end_matches('\r'), heads)?)),
            }
        }
    }
}

fn row(text: &str, heads: &mut Heads) -> Result<Row, String> {
    let missing = || "a line is a time, a topic and a value, with a space between them".to_owned();
    let (time, rest) = text.split_once(' ').ok_or_else(missing)?;
    let (topic, value) = rest.split_once(' ').ok_or_else(missing)?;
    heads.row(&Parts {
        time: read_time(time)?,
        series: Named::Topic(topic),
        kind: None,
        unit: None,
        value: Some(value),
        quality: None,
    })
}
