//! The last lines of the log in memory: bounded by their number and by their bytes, the oldest go first.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use gatehouse_dashboard::LogQuery;
use gatehouse_dashboard::wire::{LogLevelWord, LogLine, LogPage};
use gatehouse_model::{Clock, Timestamp};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Most lines: at `info` the gateway is silent in steady state, so this is mostly since the start.
const MAX_LINES: usize = 2_000;

/// Most bytes of all lines together, with what each costs beside its text: a hundredth of the memory that the gateway aims at.
const MAX_BYTES: usize = 300_000;

/// What a line costs beside its texts, about.
const LINE_BYTES: usize = 80;

/// Longest line; the rest is cut, and the line says so.
const MAX_LINE_BYTES: usize = 4_096;

/// The last lines.
#[derive(Debug, Default)]
pub(crate) struct LogRing {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// The number of the newest line; counted from 1.
    last: u64,
}

fn cost(line: &LogLine) -> usize {
    LINE_BYTES + line.text.len() + line.target.len()
}

impl LogRing {
    /// Keeps a line.
    fn push(&self, at: Timestamp, level: LogLevelWord, target: &str, text: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let line = LogLine { id: kept.last, at, level, target: target.to_owned(), text };
        kept.bytes += cost(&line);
        kept.lines.push_back(line);
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= cost(&oldest);
        }
    }

    /// What is asked for, of this `run`. Of more lines than are asked for the first behind `after` come; without `after`, the
    /// newest.
    pub(crate) fn page(&self, run: String, query: LogQuery) -> LogPage {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A number that was not given out yet is one of an earlier run.
        let after = query.after.filter(|after| *after <= kept.last);
        let behind = after.unwrap_or(0);
        let oldest = kept.lines.front().map_or(kept.last + 1, |line| line.id);
        let lost = if query.after.is_some() { oldest.saturating_sub(behind + 1) } else { 0 };
        let matching = kept.lines.iter().filter(|line| line.id > behind && line.level >= query.level);
        let lines: Vec<LogLine> = match after {
            Some(_) => matching.take(query.limit).cloned().collect(),
            None => {
                let mut newest: Vec<LogLine> = matching.rev().take(query.limit).cloned().collect();
                newest.reverse();
                newest
            }
        };
        // With more to come the next question goes on behind the last line of this answer.
        let last = match lines.last() {
            Some(line) if after.is_some() && lines.len() == query.limit => line.id,
            _ => kept.last,
        };
        LogPage { run, lines, last, lost }
    }
}

/// What fills the ring with the lines that the filter lets through.
pub(super) fn layer(ring: &'static LogRing, clock: impl Clock + 'static) -> RingLayer {
    RingLayer { ring, clock: Box::new(clock) }
}

/// See [`layer`].
pub(super) struct RingLayer {
    ring: &'static LogRing,
    clock: Box<dyn Clock>,
}

impl<S: Subscriber> Layer<S> for RingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let mut text = LineText::default();
        event.record(&mut text);
        self.ring.push(self.clock.now(), level_of(*about.level()), about.target(), text.finish());
    }
}

fn level_of(level: Level) -> LogLevelWord {
    match level {
        Level::ERROR => LogLevelWord::Error,
        Level::WARN => LogLevelWord::Warn,
        Level::INFO => LogLevelWord::Info,
        Level::DEBUG => LogLevelWord::Debug,
        Level::TRACE => LogLevelWord::Trace,
    }
}

/// The sentence of a line, and behind it what belongs to it.
#[derive(Default)]
struct LineText {
    sentence: String,
    fields: String,
}

impl Visit for LineText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String cannot fail, unless the value does.
        let _ = match field.name() {
            "message" => write!(Short(&mut self.sentence), "{value:?}"),
            name => write!(Short(&mut self.fields), " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }
}

impl LineText {
    fn finish(self) -> String {
        let mut text = self.sentence;
        text.push_str(&self.fields);
        let text = text.trim_start();
        if text.len() <= MAX_LINE_BYTES {
            return text.to_owned();
        }
        format!("{} …", &text[..text.floor_char_boundary(MAX_LINE_BYTES)])
    }
}

/// A text that takes no more than one line may have, however much is written.
struct Short<'a>(&'a mut String);

impl fmt::Write for Short<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        // A character more than a line has, whatever its length, so that what was cut can be told from what fits.
        let room = (MAX_LINE_BYTES + char::MAX_LEN_UTF8).saturating_sub(self.0.len());
        self.0.push_str(&more[..more.floor_char_boundary(room)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::ManualClock;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn query(after: Option<u64>, limit: usize) -> LogQuery {
        LogQuery { after, level: LogLevelWord::Info, limit }
    }

    fn filled(texts: &[(LogLevelWord, &str)]) -> LogRing {
        let ring = LogRing::default();
        for (level, text) in texts {
            ring.push(Timestamp::from_millis(0), *level, "gatehouse", (*text).to_owned());
        }
        ring
    }

    fn ids(page: &LogPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.id).collect()
    }

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        use LogLevelWord::{Debug, Error, Info, Warn};
        let ring = filled(&[(Info, "a"), (Debug, "b"), (Warn, "c"), (Error, "d"), (Info, "e")]);
        let page = |query| ring.page("run".to_owned(), query);
        let newest = page(query(None, 2));
        assert_eq!((ids(&newest), newest.last, newest.lost), (vec![4, 5], 5, 0));
        // A page that is full ends with its last line; one that is not has seen everything.
        let first = page(query(Some(0), 2));
        assert_eq!((ids(&first), first.last), (vec![1, 3], 3));
        let next = page(query(Some(first.last), 2));
        assert_eq!((ids(&next), next.last), (vec![4, 5], 5));
        assert_eq!(ids(&page(query(Some(5), 2))), [0_u64; 0]);
        let bad = page(LogQuery { after: None, level: Error, limit: 10 });
        assert_eq!((ids(&bad), bad.last), (vec![4], 5));
        // The page of an earlier run begins anew.
        assert_eq!(ids(&page(query(Some(900), 10))), [1, 3, 4, 5]);
    }

    #[test]
    fn what_is_pushed_out_is_counted() {
        let ring = filled(&vec![(LogLevelWord::Info, "a line"); MAX_LINES + 30]);
        let page = ring.page(String::new(), query(Some(10), 1_000));
        assert_eq!((page.lost, page.lines[0].id, page.lines.len()), (20, 31, 1_000));
        let long = "x".repeat(MAX_LINE_BYTES);
        let ring = filled(&vec![(LogLevelWord::Info, long.as_str()); 200]);
        let kept = ring.kept.lock().unwrap();
        assert!(kept.bytes <= MAX_BYTES && kept.lines.len() < 80, "{}", kept.lines.len());
        assert_eq!(kept.bytes, kept.lines.iter().map(cost).sum::<usize>());
    }

    #[test]
    fn a_line_is_its_sentence_with_what_belongs_to_it_and_no_longer_than_a_line() {
        static RING: LogRing =
            LogRing { kept: Mutex::new(Kept { lines: VecDeque::new(), bytes: 0, last: 0 }) };
        let clock = ManualClock::new(Timestamp::from_millis(1_000));
        let subscriber = tracing_subscriber::registry().with(layer(&RING, clock));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(part = "broker", limit = 7, "did not stop within {} ms", 50);
            tracing::info!("{}", "€".repeat(5_000));
        });
        let page = RING.page(String::new(), query(None, 10));
        assert_eq!(page.lines[0].text, "did not stop within 50 ms part=\"broker\" limit=7");
        assert_eq!((page.lines[0].level, page.lines[0].at.as_millis()), (LogLevelWord::Warn, 1_000));
        let cut = &page.lines[1].text;
        assert!(cut.len() < MAX_LINE_BYTES + 10 && cut.ends_with(" …"), "{}", cut.len());
    }
}
