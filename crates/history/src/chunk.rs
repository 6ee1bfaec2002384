//! Sealed samples of one series: how many rows become a few bytes, and rows again.
//!
//! `data` of the table `chunk` is, in this order:
//!
//! 1. one byte: the version of this layout, 1;
//! 2. the number of rows, then the qualities as runs, each a number of rows and one byte with the quality, until all
//!    rows have one. Numbers are LEB128: seven bits a byte, the lowest first, the eighth bit set when more follow;
//! 3. the times, 64-bit integers, and then the values, 64-bit floats, each as one standalone file of one chunk in the
//!    format of `pco` (<https://github.com/pcodec/pcodec/blob/main/docs/format.md>), which any of its tools reads.
//!
//! `checksum` is the CRC-32 (IEEE) of series, start, stop and count, each as eight bytes with the lowest first, and of
//! data. So a damaged chunk is told from a whole one wherever the damage is, and rows are never put under another series
//! or time; every change of a single bit is found for certain. What passes the checksum is still not trusted: nothing
//! in it makes reading reserve more memory than a chunk of [`MAX_ROWS`] rows needs.

mod numbers;
mod runs;
#[cfg(test)]
mod tests;

use crate::row::{Row, WORST};

/// Most rows of a chunk: what one query has in memory of a series at a time, about 100 KB. More than an hour at one a
/// second, which fills a chunk of its own.
pub(crate) const MAX_ROWS: usize = 4_096;

/// Most bytes of `data`: more than the worst rows need, which are about 18 bytes each.
pub(crate) const MAX_DATA_BYTES: usize = 128 * 1_024;

/// The version of the layout.
const VERSION: u8 = 1;

/// A row of the table `chunk`, without its id.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Chunk {
    pub(crate) series: i64,
    pub(crate) start: i64,
    pub(crate) stop: i64,
    pub(crate) count: i64,
    pub(crate) checksum: i64,
    pub(crate) data: Vec<u8>,
}

/// Why rows cannot become a chunk: a mistake of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    /// None, or more than [`MAX_ROWS`].
    #[error("{0} rows do not fit into a chunk, which has 1 to {MAX_ROWS}")]
    Count(usize),
    /// Two rows of one time, or not in the order of time.
    #[error("rows of a chunk must be in the order of time, each time once")]
    Order,
    /// Infinity, or not a number.
    #[error("a value is not finite")]
    Value,
    /// A quality that nobody defined.
    #[error("a quality is not between 0 and {WORST}")]
    Quality,
    /// The compressor refuses.
    #[error("numbers could not be compressed: {0}")]
    Numbers(String),
}

/// Why a chunk cannot be read: it is damaged, or of a newer release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// The checksum does not fit to what is there.
    #[error("its checksum does not fit")]
    Checksum,
    /// A layout of a newer release.
    #[error("its layout {0} is not known to this release")]
    Version(u8),
    /// The checksum fits, and the content makes no sense.
    #[error("{0}")]
    Content(String),
}

impl Damage {
    fn content(what: &str) -> Self {
        Self::Content(what.to_owned())
    }
}

/// Makes a chunk of rows of one series.
///
/// # Errors
/// When the rows are none or too many, not in the order of time, or have values or qualities that no row may have.
pub(crate) fn encode(series: i64, rows: &[Row]) -> Result<Chunk, EncodeError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(EncodeError::Count(0)) };
    if rows.len() > MAX_ROWS {
        return Err(EncodeError::Count(rows.len()));
    }
    if rows.windows(2).any(|pair| pair[0].at >= pair[1].at) {
        return Err(EncodeError::Order);
    }
    if rows.iter().any(|row| !row.value.is_finite()) {
        return Err(EncodeError::Value);
    }
    if rows.iter().any(|row| row.quality > WORST) {
        return Err(EncodeError::Quality);
    }
    let mut data = vec![VERSION];
    runs::write(rows.iter().map(|row| row.quality), rows.len(), &mut data);
    let times: Vec<i64> = rows.iter().map(|row| row.at).collect();
    numbers::write_times(&times, &mut data).map_err(EncodeError::Numbers)?;
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    numbers::write(&values, &mut data).map_err(EncodeError::Numbers)?;
    let count = i64::try_from(rows.len()).map_err(|_| EncodeError::Count(rows.len()))?;
    let mut chunk = Chunk { series, start: first.at, stop: last.at, count, checksum: 0, data };
    chunk.checksum = chunk.computed_checksum();
    Ok(chunk)
}

impl Chunk {
    /// Whether the checksum fits, which is much quicker than [`Chunk::decode`].
    pub(crate) fn is_whole(&self) -> bool {
        self.checksum == self.computed_checksum()
    }

    fn computed_checksum(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [self.series, self.start, self.stop, self.count] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.data);
        i64::from(hasher.finalize())
    }

    /// The rows, in the order of time.
    ///
    /// # Errors
    /// When anything of it is not as it was written.
    pub(crate) fn decode(&self) -> Result<Vec<Row>, Damage> {
        if !self.is_whole() {
            return Err(Damage::Checksum);
        }
        let count = usize::try_from(self.count).unwrap_or(0);
        if count == 0 || count > MAX_ROWS || self.data.len() > MAX_DATA_BYTES {
            return Err(Damage::content("its size is out of range"));
        }
        let (version, rest) = self.data.split_first().ok_or_else(|| Damage::content("it is empty"))?;
        if *version != VERSION {
            return Err(Damage::Version(*version));
        }
        let (qualities, rest) =
            runs::read(rest, count).ok_or_else(|| Damage::content("its qualities make no sense"))?;
        let (times, rest) = numbers::read::<i64>(rest, count).map_err(Damage::Content)?;
        let (values, rest) = numbers::read::<f64>(rest, count).map_err(Damage::Content)?;
        if !rest.is_empty() {
            return Err(Damage::content("something follows its values"));
        }
        let in_order = times.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = times.first() == Some(&self.start) && times.last() == Some(&self.stop);
        if !in_order || !ends || values.iter().any(|value| !value.is_finite()) {
            return Err(Damage::content("its rows make no sense"));
        }
        let rows = times.into_iter().zip(values).zip(qualities);
        Ok(rows.map(|((at, value), quality)| Row { at, value, quality }).collect())
    }
}
