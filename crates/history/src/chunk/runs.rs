//! Qualities as runs: nearly always one run for the whole chunk.

use crate::row::WORST;

/// Writes the number of rows and the runs.
pub(super) fn write(mut qualities: impl Iterator<Item = u8>, count: usize, into: &mut Vec<u8>) {
    write_number(count, into);
    let Some(mut quality) = qualities.next() else { return };
    let mut length = 1;
    for next in qualities {
        if next == quality {
            length += 1;
        } else {
            write_number(length, into);
            into.push(quality);
            (quality, length) = (next, 1);
        }
    }
    write_number(length, into);
    into.push(quality);
}

/// Reads the qualities of exactly `count` rows, and gives what follows.
pub(super) fn read(from: &[u8], count: usize) -> Option<(Vec<u8>, &[u8])> {
    let (stored, mut rest) = read_number(from)?;
    if stored != count {
        return None;
    }
    let mut qualities = Vec::with_capacity(count);
    while qualities.len() < count {
        let (length, after) = read_number(rest)?;
        let (quality, after) = after.split_first()?;
        if length == 0 || length > count - qualities.len() || *quality > WORST {
            return None;
        }
        qualities.resize(qualities.len() + length, *quality);
        rest = after;
    }
    Some((qualities, rest))
}

fn write_number(mut number: usize, into: &mut Vec<u8>) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            into.push(low);
            return;
        }
        into.push(low | 0x80);
    }
}

/// Of at most 28 bits, which is more than any number here has.
fn read_number(from: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (place, byte) in from.iter().enumerate().take(4) {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, &from[place + 1..]));
        }
    }
    None
}
