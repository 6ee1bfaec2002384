//! Frames of a known length in a stream of bytes that may begin anywhere and lose some.

use std::time::Duration;

use crate::buses::SerialPort;
use crate::traits::ReadError;

/// Bytes that are searched for a frame before it is given up: several frames of anything that is served.
const MAX_SEARCHED: usize = 256;

/// A frame: the bytes that it begins with, and whether its sum is right.
pub(super) struct Frame<const N: usize> {
    pub(super) start: &'static [u8],
    pub(super) is_whole: fn(&[u8; N]) -> bool,
}

impl<const N: usize> Frame<N> {
    /// The next whole frame, waiting at most `gap` for each next byte. What is none is skipped byte by byte, so that a
    /// start that was none does not swallow the real one behind it.
    pub(super) fn receive(&self, port: &mut SerialPort, gap: Duration) -> Result<[u8; N], ReadError> {
        let mut received = Vec::with_capacity(MAX_SEARCHED);
        let mut had_wrong_sum = false;
        loop {
            let mut skip = 0;
            while let Some(candidate) = received.get(skip..skip + N) {
                let frame = <[u8; N]>::try_from(candidate).ok().filter(|_| candidate.starts_with(self.start));
                match frame {
                    Some(frame) if (self.is_whole)(&frame) => return Ok(frame),
                    Some(_) => had_wrong_sum = true,
                    None => {}
                }
                skip += 1;
            }
            let mut buffer = [0; 64];
            let count = port.read(&mut buffer, gap)?;
            if count == 0 || received.len() >= MAX_SEARCHED {
                return Err(self.nothing(&received, had_wrong_sum));
            }
            received.extend(buffer.iter().take(count));
        }
    }

    fn nothing(&self, received: &[u8], had_wrong_sum: bool) -> ReadError {
        match received {
            [] => ReadError::Silent(
                "nothing is received: check power and wiring, and that RXD and TXD are crossed".to_owned(),
            ),
            _ if had_wrong_sum => ReadError::Damaged("the sum of its frame is wrong".to_owned()),
            _ => ReadError::Damaged(format!(
                "{} bytes were received that are no frame of it: it may be another device, or another speed",
                received.len()
            )),
        }
    }
}

/// The word at this place of a frame, the high byte first; zero beyond its end.
pub(super) fn word(frame: &[u8], at: usize) -> u16 {
    match frame.get(at..at + 2) {
        Some([high, low]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}
