//! Times and values, by `pco`. Its reader is given only what this module's writer could have made, so that a few bytes
//! cannot make it reserve memory for millions of numbers.

use pco::data_types::Number;
use pco::standalone::{DecompressorItem, FileDecompressor, simple_compress_into};
use pco::{ChunkConfig, ModeSpec};

/// Fewer distances between times than these say nothing of a period, and a chunk of so few is small anyway.
const FEWEST_DISTANCES: usize = 32;

/// Milliseconds of which a period is a multiple, the roundest first.
const ROUND: [u64; 6] = [60_000, 5_000, 1_000, 100, 10, 1];

/// A round period is taken when it is at most this part of the median away from it.
const NEAR: u64 = 50;

/// The major version of the format that is read and written; another one may lay its head out in another way.
const FORMAT: u8 = 4;

/// Bytes before the head of the only chunk: its type, and how many numbers it has.
const PREAMBLE: usize = 4;

/// The largest window, as a power of two, of the encoding that looks back: it reserves as much memory.
const MAX_WINDOW: u128 = 15;

/// Appends the numbers.
pub(super) fn write<T: Number>(numbers: &[T], into: &mut Vec<u8>) -> Result<(), String> {
    write_with(numbers, &ChunkConfig::default(), into)
}

fn write_with<T: Number>(numbers: &[T], config: &ChunkConfig, into: &mut Vec<u8>) -> Result<(), String> {
    simple_compress_into(numbers, config, into).map(|_| ()).map_err(|error| error.to_string())
}

/// Appends times, in the shorter one of two ways.
///
/// Most sources are read at a fixed period by a timer that wakes a little late and does not drift. The compressor by itself
/// takes differences, in which the lateness of two readings adds up. Told the period, it writes how many periods passed and,
/// beside it, how late each reading was: a seventh less for times with the lateness of a loaded machine. Times without a
/// period are shorter in the first way.
pub(super) fn write_times(times: &[i64], into: &mut Vec<u8>) -> Result<(), String> {
    let start = into.len();
    write(times, into)?;
    let Some(period) = period(times) else { return Ok(()) };
    let mut other = Vec::with_capacity(into.len() - start);
    let config = ChunkConfig::default().with_mode_spec(ModeSpec::TryIntMult(period));
    if write_with(times, &config, &mut other).is_ok() && other.len() < into.len() - start {
        into.truncate(start);
        into.extend_from_slice(&other);
    }
    Ok(())
}

/// The period at which times seem to follow each other: the median of the distances, and since the lateness of two readings
/// is in each of them, the roundest number that is near to it.
fn period(times: &[i64]) -> Option<u64> {
    let mut distances: Vec<u64> = times.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
    if distances.len() < FEWEST_DISTANCES {
        return None;
    }
    let middle = distances.len() / 2;
    let (_, median, _) = distances.select_nth_unstable(middle);
    let median = *median;
    let near = |unit: &u64| {
        let round = median.saturating_add(unit / 2) / unit * unit;
        (round > 1 && round.abs_diff(median) <= median / NEAR).then_some(round)
    };
    ROUND.iter().find_map(near)
}

/// Reads exactly `count` numbers, and gives what follows them.
pub(super) fn read<T: Number + Default>(from: &[u8], count: usize) -> Result<(Vec<T>, &[u8]), String> {
    let explain = |error: pco::errors::PcoError| error.to_string();
    let (file, rest) = FileDecompressor::new(from).map_err(explain)?;
    if file.format_version().major != FORMAT {
        return Err("its numbers are of another version of their format".to_owned());
    }
    check_head(rest, count)?;
    let DecompressorItem::Chunk(mut chunk) = file.chunk_decompressor::<T, _>(rest).map_err(explain)? else {
        return Err("numbers are missing".to_owned());
    };
    let mut numbers = vec![T::default(); count];
    let progress = chunk.read(&mut numbers).map_err(explain)?;
    if progress.n_processed != count || !progress.finished {
        return Err("numbers are missing".to_owned());
    }
    match file.chunk_decompressor::<T, _>(chunk.into_src()).map_err(explain)? {
        DecompressorItem::EndOfData(rest) => Ok((numbers, rest)),
        DecompressorItem::Chunk(_) => Err("there are more numbers than rows".to_owned()),
    }
}

/// Looks at what `pco` reserves memory by, before it does: how many numbers follow, and how they are encoded. In the
/// head of a chunk, bits are counted from the lowest of the first byte: four for the mode, then what belongs to the
/// mode, then four for the encoding of differences, and for the one that looks back, five for its window.
fn check_head(rest: &[u8], count: usize) -> Result<(), String> {
    let refused = || Err("the head of its numbers makes no sense".to_owned());
    let (Some(preamble), Some(head)) = (rest.get(..PREAMBLE), rest.get(PREAMBLE..)) else { return refused() };
    let numbers = u32::from_le_bytes([preamble[1], preamble[2], preamble[3], 0]);
    if usize::try_from(numbers).is_ok_and(|numbers| numbers + 1 != count) {
        return refused();
    }
    let mut bytes = [0; 16];
    let length = head.len().min(bytes.len());
    bytes[..length].copy_from_slice(&head[..length]);
    let bits = u128::from_le_bytes(bytes);
    let of_mode = match bits & 0xf {
        0 => 0,
        // A common divisor of integers, or of floats.
        1 | 2 => 64,
        // Floats with bits that are not used.
        3 => 8,
        // A dictionary, which the writer never chooses, or something new.
        _ => return refused(),
    };
    match (bits >> (4 + of_mode)) & 0xf {
        0 | 1 => Ok(()),
        2 if (bits >> (8 + of_mode)) & 0x1f < MAX_WINDOW => Ok(()),
        _ => refused(),
    }
}
