//! Rows to a sink, in any of the formats.

use std::io::{self, Write};

use super::csv::CsvWriter;
use super::influx::InfluxWriter;
use super::jsonl::JsonLinesWriter;
use super::parquet::ParquetWriter;
use super::{Format, Row};

/// Writes rows to a sink. It buffers little, but for Parquet, which writes a row group at a time (see
/// [`RowWriter::finish`]).
#[derive(Debug)]
pub struct RowWriter<W: Write + Send>(Inner<W>);

#[derive(Debug)]
enum Inner<W: Write + Send> {
    Csv(Box<CsvWriter<W>>),
    JsonLines(JsonLinesWriter<W>),
    Parquet(Box<ParquetWriter<W>>),
    Influx(InfluxWriter<W>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Begins a file in `sink`, which should be buffered.
    ///
    /// # Errors
    /// When the sink refuses the beginning.
    pub fn new(format: Format, sink: W) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Csv => Inner::Csv(Box::new(CsvWriter::new(sink)?)),
            Format::JsonLines => Inner::JsonLines(JsonLinesWriter::new(sink)),
            Format::Parquet => Inner::Parquet(Box::new(ParquetWriter::new(sink)?)),
            Format::Influx => Inner::Influx(InfluxWriter::new(sink)),
        }))
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When the sink refuses. What was written is then no whole file.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        match &mut self.0 {
            Inner::Csv(writer) => writer.write(row),
            Inner::JsonLines(writer) => writer.write(row),
            Inner::Parquet(writer) => writer.write(row),
            Inner::Influx(writer) => writer.write(row),
        }
    }

    /// Ends the file and gives the sink back. Without this the file is not whole: a Parquet file cannot be read at all.
    ///
    /// # Errors
    /// When the sink refuses.
    pub fn finish(self) -> io::Result<W> {
        let mut sink = match self.0 {
            Inner::Csv(writer) => writer.finish()?,
            Inner::JsonLines(writer) => writer.finish(),
            Inner::Parquet(writer) => writer.finish()?,
            Inner::Influx(writer) => writer.finish(),
        };
        sink.flush()?;
        Ok(sink)
    }
}
