//! SPI by the device's device file.

use std::path::Path;

use embedded_hal::spi::Operation;
use spidev::{SpiModeFlags, Spidev, SpidevOptions, SpidevTransfer};

use super::buses::not_opened;
use crate::traits::{BusError, BusFault, SpiBackend, SpiRequest};

/// Most bytes of one transaction: the buffer of the kernel's driver, unless its module was told otherwise.
const MAX_BYTES: usize = 4_096;

/// How to switch the bus on.
const SWITCH_ON: &str =
    "switch SPI on with the line dtparam=spi=on in /boot/firmware/config.txt, and restart the machine";

pub(super) fn open(dev: &Path, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
    let place = request.place;
    let path = dev.join(format!("spidev{}.{}", place.bus, place.select));
    let opened = Spidev::open(&path).and_then(|mut device| {
        let mode = SpiModeFlags::from_bits_truncate(u32::from(request.mode & 0b11));
        let options =
            SpidevOptions::new().bits_per_word(8).max_speed_hz(request.max_hertz).mode(mode).build();
        device.configure(&options)?;
        Ok(device)
    });
    match opened {
        Ok(device) => Ok(Box::new(CdevSpi { device })),
        Err(error) => {
            Err(BusError { what: place.to_string(), problem: not_opened(&path, &error, "spi", SWITCH_ON) })
        }
    }
}

struct CdevSpi {
    device: Spidev,
}

/// The bytes that go out and the place of those that come in, of the same length, as the kernel wants them.
struct Exchange {
    out: Vec<u8>,
    back: Vec<u8>,
    wait_microseconds: u16,
}

fn exchange(operation: &Operation<'_, u8>) -> Exchange {
    let (out, length) = match operation {
        Operation::Read(buffer) => (Vec::new(), buffer.len()),
        Operation::Write(bytes) => (bytes.to_vec(), bytes.len()),
        Operation::Transfer(read, write) => (write.to_vec(), read.len().max(write.len())),
        Operation::TransferInPlace(buffer) => (buffer.to_vec(), buffer.len()),
        Operation::DelayNs(_) => (Vec::new(), 0),
    };
    let mut out = out;
    out.resize(length, 0);
    let wait_microseconds = match operation {
        Operation::DelayNs(wait) => u16::try_from(wait.div_ceil(1_000)).unwrap_or(u16::MAX),
        _ => 0,
    };
    Exchange { back: vec![0; length], out, wait_microseconds }
}

fn hand_out(operations: &mut [Operation<'_, u8>], exchanges: &[Exchange]) {
    for (operation, exchange) in operations.iter_mut().zip(exchanges) {
        match operation {
            Operation::Read(buffer) | Operation::TransferInPlace(buffer) | Operation::Transfer(buffer, _) => {
                let count = buffer.len().min(exchange.back.len());
                buffer[..count].copy_from_slice(&exchange.back[..count]);
            }
            Operation::Write(_) | Operation::DelayNs(_) => {}
        }
    }
}

impl SpiBackend for CdevSpi {
    fn transfer(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusFault> {
        let mut exchanges: Vec<Exchange> = operations.iter().map(exchange).collect();
        if exchanges.iter().map(|exchange| exchange.out.len()).sum::<usize>() > MAX_BYTES {
            return Err(BusFault::Failed(format!("a transaction has at most {MAX_BYTES} bytes")));
        }
        let mut transfers: Vec<SpidevTransfer<'_, '_>> = exchanges
            .iter_mut()
            .map(|exchange| match exchange.out.as_slice() {
                [] => SpidevTransfer::delay(exchange.wait_microseconds),
                out => SpidevTransfer::read_write(out, &mut exchange.back),
            })
            .collect();
        if transfers.is_empty() {
            return Ok(());
        }
        let done = self.device.transfer_multiple(&mut transfers);
        drop(transfers);
        done.map_err(|error| BusFault::Failed(error.to_string()))?;
        hand_out(operations, &exchanges);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traits::SpiPlace;

    #[test]
    fn both_directions_of_an_exchange_are_as_long_as_the_longer_one() {
        let (mut read, mut in_place) = ([0; 4], [7, 8]);
        let mut operations = [
            Operation::Transfer(&mut read, &[1, 2]),
            Operation::TransferInPlace(&mut in_place),
            Operation::DelayNs(1_500),
        ];
        let mut exchanges: Vec<Exchange> = operations.iter().map(exchange).collect();
        assert_eq!((&exchanges[0].out[..], exchanges[0].back.len()), (&[1, 2, 0, 0][..], 4));
        assert_eq!(exchanges[1].out, [7, 8]);
        assert_eq!((exchanges[2].out.len(), exchanges[2].wait_microseconds), (0, 2));
        exchanges[0].back = vec![5, 6, 7, 8];
        exchanges[1].back = vec![3, 4];
        hand_out(&mut operations, &exchanges);
        assert_eq!((read, in_place), ([5, 6, 7, 8], [3, 4]));
    }

    #[test]
    fn a_bus_that_is_not_there_says_how_to_switch_it_on() {
        let dev = tempfile::tempdir().unwrap();
        let request = SpiRequest { place: SpiPlace { bus: 0, select: 1 }, mode: 0, max_hertz: 1_000_000 };
        let problem = open(dev.path(), &request).err().unwrap().to_string();
        assert!(problem.starts_with("spi-0.1: "), "{problem}");
        assert!(problem.contains("dtparam=spi=on"), "{problem}");
    }
}
