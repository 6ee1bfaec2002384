//! Chips behind the rigs' I2C adapter (`scripts/lib/virtual-pi/modules/rig-i2c.c`), each written from its datasheet and from
//! nothing else: neither the daemon's drivers nor the kernel's share a line with them.

mod bh1750;
mod lm75;
mod sht31;
mod tmp102;
mod world;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::time;
use world::World;

/// The largest transfer, as in the kernel module.
const TRANSFER_BYTES: usize = 16_384;
/// `ENXIO`: nobody acknowledged.
const NOBODY: i32 = -6;

/// Nobody acknowledged: the chip is busy, does not know the command, or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nack;

/// A chip on the bus.
trait Chip {
    /// Takes a write's bytes.
    fn write(&mut self, bytes: &[u8], world: &World, now: Duration) -> Result<(), Nack>;
    /// Gives a read's bytes; a chip that has nothing more to say leaves the bus high, which reads as 0xff.
    fn read(&mut self, bytes: &mut [u8], now: Duration) -> Result<(), Nack>;
}

/// The chips of a bus, with their addresses and the names they have in the world's file.
fn all() -> Vec<(u16, &'static str, Box<dyn Chip>)> {
    vec![
        (0x23, "bh1750", Box::new(bh1750::Bh1750::new())),
        (0x44, "sht31", Box::new(sht31::Sht31::new())),
        (0x48, "lm75", Box::new(lm75::Lm75::new("lm75.temperature"))),
        (0x49, "tmp102", Box::new(tmp102::Tmp102::new())),
        // One LM75 is for the kernel's driver, and one for the daemon's.
        (0x4a, "second-lm75", Box::new(lm75::Lm75::new("second-lm75.temperature"))),
    ]
}

/// Answers the transfers of `/dev/rig-i2c-BUS` until it is killed.
pub(crate) fn serve(bus: u32, world: &Path) -> Result<()> {
    let path = format!("/dev/rig-i2c-{bus}");
    let mut adapter = OpenOptions::new().read(true).write(true).open(&path).context(path)?;
    let mut chips = all();
    let mut buffer = vec![0; TRANSFER_BYTES];
    loop {
        let length = adapter.read(&mut buffer).context("the adapter")?;
        let world = World::read(world)?;
        let answer = transfer(&buffer[..length], &mut chips, &world, time::now())?;
        adapter.write_all(&answer).context("the adapter")?;
    }
}

/// One transfer: its messages in, the answer out.
fn transfer(
    request: &[u8],
    chips: &mut [(u16, &'static str, Box<dyn Chip>)],
    world: &World,
    now: Duration,
) -> Result<Vec<u8>> {
    let mut rest = request;
    let mut answer = 0_i32.to_ne_bytes().to_vec();
    for _ in 0..number(&mut rest)? {
        let (address, is_read, length) =
            (number(&mut rest)?, number(&mut rest)? == 1, usize::from(number(&mut rest)?));
        let chip = chips.iter_mut().find(|(at, name, _)| *at == address && world.has(name));
        let done = if is_read {
            let mut bytes = vec![0xff; length];
            let done = chip.map_or(Err(Nack), |(_, _, chip)| chip.read(&mut bytes, now));
            answer.extend(bytes);
            done
        } else {
            ensure!(rest.len() >= length, "the adapter cut a message short");
            let (bytes, after) = rest.split_at(length);
            rest = after;
            chip.map_or(Err(Nack), |(_, _, chip)| chip.write(bytes, world, now))
        };
        if done.is_err() {
            return Ok(NOBODY.to_ne_bytes().to_vec());
        }
    }
    Ok(answer)
}

/// Takes a number of the adapter's from the front.
fn number(bytes: &mut &[u8]) -> Result<u16> {
    let Some((first, rest)) = bytes.split_first_chunk::<2>() else {
        bail!("the adapter cut a message short")
    };
    *bytes = rest;
    Ok(u16::from_ne_bytes(*first))
}

/// A register file with a pointer, as LM75 and its kin have: a write's first byte is the pointer, what follows goes into
/// the register, and reads come from there.
struct Registers<const N: usize> {
    values: [[u8; 2]; N],
    widths: [usize; N],
    pointer: usize,
}

impl<const N: usize> Registers<N> {
    /// The registers' values at power-on, and how many bytes each has.
    fn new(values: [u16; N], widths: [usize; N]) -> Self {
        let values =
            std::array::from_fn(
                |i| if widths[i] == 1 { [values[i] as u8, 0] } else { values[i].to_be_bytes() },
            );
        Self { values, widths, pointer: 0 }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Nack> {
        let Some((&pointer, values)) = bytes.split_first() else { return Ok(()) };
        // The pointer has as many bits as it takes for the registers.
        self.pointer = usize::from(pointer) % N;
        // Register 0 is the temperature, which is read only.
        if self.pointer != 0 {
            let width = self.widths[self.pointer];
            for (place, &value) in self.values[self.pointer][..width].iter_mut().zip(values) {
                *place = value;
            }
        }
        Ok(())
    }

    fn read(&self, bytes: &mut [u8]) {
        let width = self.widths[self.pointer];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = self.values[self.pointer][i % width];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(messages: &[(u16, Result<&[u8], u16>)]) -> Vec<u8> {
        let mut bytes = (messages.len() as u16).to_ne_bytes().to_vec();
        for (address, what) in messages {
            let (is_read, length, data) = match what {
                Ok(data) => (0_u16, data.len() as u16, *data),
                Err(length) => (1, *length, &[][..]),
            };
            for number in [*address, is_read, length] {
                bytes.extend(number.to_ne_bytes());
            }
            bytes.extend(data);
        }
        bytes
    }

    #[test]
    fn a_register_is_read_in_one_transfer_with_its_pointer() {
        let world = World::parse("tmp102.temperature 50").unwrap();
        let request = request(&[(0x49, Ok(&[0])), (0x49, Err(2))]);
        let answer = transfer(&request, &mut all(), &world, Duration::ZERO).unwrap();
        assert_eq!(answer, [0, 0, 0, 0, 0x32, 0x00]);
    }

    #[test]
    fn nobody_answers_at_an_empty_address_nor_for_a_chip_that_is_gone() {
        let world = World::parse("tmp102.gone").unwrap();
        for address in [0x50, 0x49] {
            let request = request(&[(address, Err(1))]);
            let answer = transfer(&request, &mut all(), &world, Duration::ZERO).unwrap();
            assert_eq!(answer, NOBODY.to_ne_bytes());
        }
    }

    #[test]
    fn a_request_that_is_cut_short_is_an_error() {
        let whole = request(&[(0x49, Ok(&[0, 1, 2]))]);
        for length in 0..whole.len() {
            assert!(transfer(&whole[..length], &mut all(), &World::default(), Duration::ZERO).is_err());
        }
    }
}
