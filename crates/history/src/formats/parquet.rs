//! Apache Parquet, without Arrow.
//!
//! Columns: `time` (64-bit timestamp in milliseconds, UTC), `series`, `kind`, `unit` (optional), `value` (double, optional;
//! on and off are 1 and 0), `text` (optional) and `quality`. Read is any file with `time`, `series` and `value` or `text` of
//! these types; times may be in micro- or nanoseconds too.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gatehouse_model::{Timestamp, Value};
use parquet::basic::{Compression, Encoding, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, FileReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescriptor, ColumnPath};

use super::heads::{Heads, Named, Parts};
use super::mistake::Mistake;
use super::words::{Digits, quality_word};
use super::{Entry, Row};
use crate::Kind;

/// Rows of a row group, which is kept in memory until it is written: some 4 MB.
const ROWS_IN_GROUP: usize = 65_536;

/// Rows that are read at a time.
const ROWS_IN_BATCH: usize = 4_096;

const SCHEMA: &str = "message history {
    required int64 time (TIMESTAMP(MILLIS, true));
    required binary series (UTF8);
    required binary kind (UTF8);
    optional binary unit (UTF8);
    optional double value;
    optional binary text (UTF8);
    required binary quality (UTF8);
}";

fn to_io(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

/// Writes row groups.
pub(super) struct ParquetWriter<W: Write + Send> {
    inner: SerializedFileWriter<W>,
    group: Group,
}

impl<W: Write + Send> fmt::Debug for ParquetWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetWriter").field("rows", &self.group.time.len()).finish_non_exhaustive()
    }
}

/// The columns of the row group to come.
#[derive(Default)]
struct Group {
    time: Vec<i64>,
    series: Vec<ByteArray>,
    kind: Vec<ByteArray>,
    unit: Optional<ByteArray>,
    value: Optional<f64>,
    text: Optional<ByteArray>,
    quality: Vec<ByteArray>,
    /// The bytes of the last series and its name: shared by its rows.
    last: Option<(Arc<super::Head>, ByteArray, ByteArray)>,
}

/// A column where values may be missing: those that are there, and for each row whether it is.
#[derive(Default)]
struct Optional<T> {
    values: Vec<T>,
    there: Vec<i16>,
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.there.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(sink: W) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(to_io)?);
        let time = ColumnPath::from("time");
        let properties = WriterProperties::builder()
            .set_created_by(concat!("gatehouse ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_dictionary_enabled(time.clone(), false)
            .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
            .build();
        let inner = SerializedFileWriter::new(sink, schema, Arc::new(properties)).map_err(to_io)?;
        Ok(Self { inner, group: Group::default() })
    }

    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        self.group.push(row);
        if self.group.time.len() >= ROWS_IN_GROUP {
            self.flush().map_err(to_io)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush().map_err(to_io)?;
        self.inner.into_inner().map_err(to_io)
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.group.time.is_empty() {
            return Ok(());
        }
        let group = std::mem::take(&mut self.group);
        let mut writer = self.inner.next_row_group()?;
        put::<Int64Type, W>(&mut writer, &group.time, None)?;
        put::<ByteArrayType, W>(&mut writer, &group.series, None)?;
        put::<ByteArrayType, W>(&mut writer, &group.kind, None)?;
        put::<ByteArrayType, W>(&mut writer, &group.unit.values, Some(&group.unit.there))?;
        put::<DoubleType, W>(&mut writer, &group.value.values, Some(&group.value.there))?;
        put::<ByteArrayType, W>(&mut writer, &group.text.values, Some(&group.text.there))?;
        put::<ByteArrayType, W>(&mut writer, &group.quality, None)?;
        writer.close()?;
        Ok(())
    }
}

/// Writes the next column of a row group.
fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, there, None)?;
        column.close()?;
    }
    Ok(())
}

impl Group {
    fn push(&mut self, row: &Row) {
        let (name, unit) = match &self.last {
            Some((head, name, unit)) if Arc::ptr_eq(head, &row.head) => (name.clone(), unit.clone()),
            _ => {
                let name = ByteArray::from(row.head.name.to_string().into_bytes());
                let unit = ByteArray::from(row.head.unit.as_deref().unwrap_or_default());
                self.last = Some((Arc::clone(&row.head), name.clone(), unit.clone()));
                (name, unit)
            }
        };
        self.time.push(row.at.as_millis());
        self.series.push(name);
        self.kind.push(word(row.head.kind.as_str()));
        self.unit.push(row.head.unit.is_some().then_some(unit));
        let value = match &row.entry {
            Entry::Reading { value, .. } => Some(value),
            Entry::Silence => None,
        };
        self.value.push(value.and_then(Value::as_number));
        self.text.push(match value {
            Some(Value::Text(text)) => Some(ByteArray::from(text.as_bytes().to_vec())),
            _ => None,
        });
        self.quality.push(word(quality_word(&row.entry)));
    }
}

/// A word that is never copied.
fn word(word: &'static str) -> ByteArray {
    bytes::Bytes::from_static(word.as_bytes()).into()
}

/// Reads row groups, a batch of rows at a time.
pub(super) struct ParquetReader {
    file: Box<dyn FileReader>,
    next_group: usize,
    group: Option<OpenGroup>,
    batch: Batch,
}

impl fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetReader").field("next_group", &self.next_group).finish_non_exhaustive()
    }
}

/// The columns of one row group that are of use.
struct OpenGroup {
    rows_left: usize,
    /// How many of the file's units of time are a millisecond.
    per_milli: i64,
    time: Column<Int64Type>,
    series: Column<ByteArrayType>,
    kind: Option<Column<ByteArrayType>>,
    unit: Option<Column<ByteArrayType>>,
    value: Option<Column<DoubleType>>,
    text: Option<Column<ByteArrayType>>,
    quality: Option<Column<ByteArrayType>>,
}

struct Column<T: DataType> {
    inner: ColumnReaderImpl<T>,
    is_optional: bool,
}

/// Rows that were read and not given yet, the first last.
type Batch = std::vec::IntoIter<RawRow>;

struct RawRow {
    time: i64,
    series: Option<ByteArray>,
    kind: Option<ByteArray>,
    unit: Option<ByteArray>,
    value: Option<f64>,
    text: Option<ByteArray>,
    quality: Option<ByteArray>,
}

/// Runs the library on bytes that may be anything: a panic of it is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("this is no sound Parquet file: reading it failed".to_owned()))
}

fn explain(error: &ParquetError) -> String {
    format!("this is no Parquet file that can be read: {error}")
}

impl ParquetReader {
    pub(super) fn open(source: impl ChunkReader + 'static) -> Result<Self, String> {
        guarded(|| {
            let file = SerializedFileReader::new(source).map_err(|error| explain(&error))?;
            Ok(Self { file: Box::new(file), next_group: 0, group: None, batch: Batch::default() })
        })
    }

    pub(super) fn next(&mut self, heads: &mut Heads) -> Result<Option<Row>, Mistake> {
        loop {
            if let Some(raw) = self.batch.next() {
                return Ok(Some(raw.into_row(heads)?));
            }
            if !guarded(|| self.fill()).map_err(Mistake::File)? {
                return Ok(None);
            }
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool, String> {
        let group = match &mut self.group {
            Some(group) if group.rows_left > 0 => group,
            _ => {
                if self.next_group >= self.file.num_row_groups() {
                    return Ok(false);
                }
                let opened = OpenGroup::open(self.file.as_ref(), self.next_group)?;
                self.next_group += 1;
                self.group.insert(opened)
            }
        };
        self.batch = group.read()?.into_iter();
        Ok(true)
    }
}

impl OpenGroup {
    fn open(file: &dyn FileReader, index: usize) -> Result<Self, String> {
        let group = file.get_row_group(index).map_err(|error| explain(&error))?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let find = |name: &str| {
            let place = schema.columns().iter().position(|column| column.path().string() == name);
            place.map(|place| group.get_column_reader(place).map(|reader| (reader, schema.column(place))))
        };
        let text = |name: &str| -> Result<Option<Column<ByteArrayType>>, String> {
            match find(name).transpose().map_err(|error| explain(&error))? {
                None => Ok(None),
                Some((ColumnReader::ByteArrayColumnReader(inner), column)) => {
                    Column::new(inner, &column).map(Some)
                }
                Some(_) => Err(format!("the column `{name}` has no texts")),
            }
        };
        let (time, per_milli) = match find("time").transpose().map_err(|error| explain(&error))? {
            Some((ColumnReader::Int64ColumnReader(inner), column)) => {
                let per_milli = match column.logical_type_ref() {
                    Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::MICROS => 1_000,
                    Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS => 1_000_000,
                    _ => 1,
                };
                (Column::new(inner, &column)?, per_milli)
            }
            _ => return Err("there is no column `time` with 64-bit timestamps".to_owned()),
        };
        let value = match find("value").transpose().map_err(|error| explain(&error))? {
            None => None,
            Some((ColumnReader::DoubleColumnReader(inner), column)) => Some(Column::new(inner, &column)?),
            Some(_) => return Err("the column `value` does not have the type double".to_owned()),
        };
        Ok(Self {
            rows_left: usize::try_from(group.metadata().num_rows())
                .map_err(|_| "it has fewer than no rows")?,
            per_milli,
            time,
            series: text("series")?.ok_or("there is no column `series`")?,
            kind: text("kind")?,
            unit: text("unit")?,
            value,
            text: text("text")?,
            quality: text("quality")?,
        })
    }

    fn read(&mut self) -> Result<Vec<RawRow>, String> {
        let count = self.rows_left.min(ROWS_IN_BATCH);
        let mut time = self.time.read(count)?.into_iter();
        let mut series = self.series.read(count)?.into_iter();
        let mut kind = read_any(&mut self.kind, count)?;
        let mut unit = read_any(&mut self.unit, count)?;
        let mut value = read_any(&mut self.value, count)?;
        let mut text = read_any(&mut self.text, count)?;
        let mut quality = read_any(&mut self.quality, count)?;
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let time = time.next().flatten().ok_or("a row has no time")?;
            rows.push(RawRow {
                time: time.div_euclid(self.per_milli),
                series: series.next().flatten(),
                kind: kind.next().flatten(),
                unit: unit.next().flatten(),
                value: value.next().flatten(),
                text: text.next().flatten(),
                quality: quality.next().flatten(),
            });
        }
        self.rows_left -= count;
        Ok(rows)
    }
}

fn read_any<T: DataType>(
    column: &mut Option<Column<T>>,
    count: usize,
) -> Result<std::vec::IntoIter<Option<T::T>>, String> {
    column.as_mut().map_or_else(|| Ok(Vec::new()), |column| column.read(count)).map(Vec::into_iter)
}

impl<T: DataType> Column<T> {
    fn new(inner: ColumnReaderImpl<T>, column: &ColumnDescriptor) -> Result<Self, String> {
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(format!("the column `{}` is nested", column.name()));
        }
        Ok(Self { inner, is_optional: column.max_def_level() == 1 })
    }

    fn read(&mut self, count: usize) -> Result<Vec<Option<T::T>>, String> {
        let (mut values, mut there) = (Vec::new(), Vec::new());
        let mut rows = 0;
        while rows < count {
            let levels = self.is_optional.then_some(&mut there);
            let (read, _, _) = self
                .inner
                .read_records(count - rows, levels, None, &mut values)
                .map_err(|error| explain(&error))?;
            if read == 0 {
                return Err("a column ends before its row group does".to_owned());
            }
            rows += read;
        }
        if !self.is_optional {
            return Ok(values.into_iter().map(Some).collect());
        }
        let mut values = values.into_iter();
        Ok(there.into_iter().map(|level| if level == 1 { values.next() } else { None }).collect())
    }
}

impl RawRow {
    fn into_row(self, heads: &mut Heads) -> Result<Row, String> {
        let text = |bytes: &Option<ByteArray>| match bytes {
            None => Ok(None),
            Some(bytes) => match std::str::from_utf8(bytes.data()) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err("a text is no UTF-8".to_owned()),
            },
        };
        let kind = text(&self.kind)?;
        let value = match (text(&self.text)?, self.value) {
            (Some(text), _) => Some(text),
            (None, Some(number)) => Some(Digits(number).to_string()),
            (None, None) => None,
        };
        // Without a word on the kind, what stands under `text` is a text, whatever it looks like.
        let kind = kind.or_else(|| {
            (self.text.is_some() && self.value.is_none()).then(|| Kind::Text.as_str().to_owned())
        });
        heads.row(&Parts {
            time: Timestamp::from_millis(self.time),
            series: Named::Series(&text(&self.series)?.ok_or("a row has no series")?),
            kind: kind.as_deref(),
            unit: text(&self.unit)?.as_deref(),
            value: value.as_deref(),
            quality: text(&self.quality)?.as_deref(),
        })
    }
}
