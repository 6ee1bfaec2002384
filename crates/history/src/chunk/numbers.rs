//! Times and values, by `pco`. Its reader is given only what this module's writer could have made, so that a few bytes
//! cannot make it reserve memory for millions of numbers.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{DecompressorItem, FileDecompressor, simple_compress_into};

/// The major version of the format that is read and written; another one may lay its head out in another way.
const FORMAT: u8 = 4;

/// Bytes before the head of the only chunk: its type, and how many numbers it has.
const PREAMBLE: usize = 4;

/// The largest window, as a power of two, of the encoding that looks back: it reserves as much memory.
const MAX_WINDOW: u128 = 15;

/// Appends the numbers.
pub(super) fn write<T: Number>(numbers: &[T], into: &mut Vec<u8>) -> Result<(), String> {
    simple_compress_into(numbers, &ChunkConfig::default(), into)
        .map(|_| ())
        .map_err(|error| error.to_string())
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
