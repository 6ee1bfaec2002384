//! Comma-separated values (RFC 4180).
//!
//! Written are the columns `time,series,kind,unit,value,quality`. Read is any file whose header has `time` and `value`, and
//! `series` or `topic`, in any order and among others, with commas, semicolons or tabs between them; and without a header what
//! `mosquitto_sub -F '%I,%t,%p'` writes: time, topic and value.

use std::io::{self, Read, Write};

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, WriterBuilder};
use gatehouse_model::Value;

use super::heads::{Heads, Named, Parts};
use super::limited::{Ration, Rationed};
use super::mistake::Mistake;
use super::sniff::Columnar;
use super::words::{Digits, quality_word, read_time, short};
use super::{Entry, Row};

/// The header that is written.
const HEADER: [&str; 6] = ["time", "series", "kind", "unit", "value", "quality"];

/// Bytes that are kept before they are written.
const BUFFER_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct CsvWriter<W: Write> {
    inner: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(sink: W) -> io::Result<Self> {
        let mut inner = WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(sink);
        inner.write_record(HEADER)?;
        Ok(Self { inner })
    }

    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        let head = &row.head;
        let value = match &row.entry {
            Entry::Reading { value: Value::Number(number), .. } => Digits(*number).to_string(),
            Entry::Reading { value, .. } => value.to_string(),
            Entry::Silence => String::new(),
        };
        let (time, name) = (row.at.to_string(), head.name.to_string());
        let unit = head.unit.as_deref().unwrap_or_default();
        let fields = [time.as_str(), &name, head.kind.as_str(), unit, &value, quality_word(&row.entry)];
        Ok(self.inner.write_record(fields)?)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.inner.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

#[derive(Debug)]
pub(super) struct CsvReader<R> {
    inner: csv::Reader<Rationed<R>>,
    ration: Ration,
    record: StringRecord,
    columns: Option<Columns>,
    line: u64,
    /// Lines end in carriage return and line feed: the parser counts a line when the second of them is taken, with the next
    /// record.
    is_crlf: bool,
}

/// Where the columns are.
#[derive(Clone, Copy, Debug)]
struct Columns {
    /// Fields of a record.
    count: usize,
    time: usize,
    name: usize,
    /// The name is a whole topic.
    by_topic: bool,
    value: usize,
    kind: Option<usize>,
    unit: Option<usize>,
    quality: Option<usize>,
}

impl Columns {
    /// Of a file without a header.
    const PLAIN: Self =
        Self { count: 3, time: 0, name: 1, by_topic: true, value: 2, kind: None, unit: None, quality: None };

    fn of(header: &StringRecord) -> Result<Self, String> {
        let find = |name: &str| header.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let missing = |name: &str| {
            let header: Vec<&str> = header.iter().collect();
            let header = short(&header.join(","));
            format!(
                "the header `{header}` has no column `{name}`: `time`, `value`, and `series` or `topic` are needed"
            )
        };
        let (series, topic) = (find("series"), find("topic"));
        Ok(Self {
            count: header.len(),
            time: find("time").or(find("timestamp")).or(find("ts")).ok_or_else(|| missing("time"))?,
            name: series.or(topic).ok_or_else(|| missing("series"))?,
            by_topic: series.is_none(),
            value: find("value").or(find("payload")).ok_or_else(|| missing("value"))?,
            kind: find("kind"),
            unit: find("unit"),
            quality: find("quality"),
        })
    }
}

impl<R: Read> CsvReader<R> {
    pub(super) fn new(source: R, Columnar { delimiter, is_crlf }: Columnar) -> Self {
        let ration = Ration::default();
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter);
        let inner = builder.from_reader(Rationed::new(source, ration.clone()));
        Self { inner, ration, record: StringRecord::new(), columns: None, line: 1, is_crlf }
    }

    /// The line where the last record began.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn next(&mut self, heads: &mut Heads) -> Result<Option<Row>, Mistake> {
        // Without a header nothing is known of what follows.
        let is_header = self.columns.is_none();
        let found = self.advance().map_err(|mistake| match mistake {
            Mistake::Row(reason) if is_header => Mistake::File(reason),
            other => other,
        })?;
        if !found {
            return Ok(None);
        }
        let columns = match self.columns {
            Some(columns) => columns,
            None if self.record.len() == 3
                && self.record.get(0).is_some_and(|field| read_time(field).is_ok()) =>
            {
                Columns::PLAIN
            }
            None => {
                let columns = Columns::of(&self.record).map_err(Mistake::File)?;
                self.columns = Some(columns);
                if !self.advance()? {
                    return Ok(None);
                }
                columns
            }
        };
        self.columns = Some(columns);
        Ok(Some(row(&self.record, columns, heads)?))
    }

    fn advance(&mut self) -> Result<bool, Mistake> {
        self.ration.renew();
        self.line = self.inner.position().line();
        match self.inner.read_record(&mut self.record) {
            Ok(found) => {
                // Empty lines in front of it are passed over, so where it ends says more than where the search began.
                let inside = self.record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count();
                let inside = u64::try_from(inside).unwrap_or(u64::MAX);
                let end = self.inner.position().line() + u64::from(self.is_crlf);
                let begun = end.saturating_sub(1).saturating_sub(inside);
                self.line = begun.max(self.record.position().map_or(self.line, Position::line));
                Ok(found)
            }
            Err(error) => Err(match error.kind() {
                // It was taken whole, and the next record is behind it.
                ErrorKind::Utf8 { .. } => Mistake::Row("the line is no UTF-8 text".to_owned()),
                ErrorKind::Io(error) => Mistake::File(format!("the file cannot be read: {error}")),
                _ => Mistake::File(error.to_string()),
            }),
        }
    }
}

fn row(record: &StringRecord, columns: Columns, heads: &mut Heads) -> Result<Row, String> {
    if record.len() != columns.count {
        return Err(format!(
            "there are {} fields where {} are expected; a value with a comma stands in double quotes",
            record.len(),
            columns.count
        ));
    }
    let field = |place: usize| record.get(place).unwrap_or_default();
    let name = field(columns.name);
    heads.row(&Parts {
        time: read_time(field(columns.time))?,
        series: if columns.by_topic { Named::Topic(name) } else { Named::Series(name) },
        kind: columns.kind.map(field),
        unit: columns.unit.map(field),
        value: Some(field(columns.value)),
        quality: columns.quality.map(field),
    })
}
