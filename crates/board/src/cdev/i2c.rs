//! I²C by the bus's device file.

use std::path::Path;

use embedded_hal::i2c::Operation;
use i2cdev::core::{I2CMessage as _, I2CTransfer as _};
use i2cdev::linux::{LinuxI2CBus, LinuxI2CError, LinuxI2CMessage};
use rustix::io::Errno;

use super::buses::not_opened;
use crate::traits::{BusError, BusFault, I2cBackend};

/// Most messages of one transfer (`I2C_RDWR_IOCTL_MAX_MSGS` of `linux/i2c-dev.h`).
const MAX_MESSAGES: usize = 42;

/// Most bytes of one message (`linux/drivers/i2c/i2c-dev.c` takes no longer ones).
const MAX_MESSAGE_BYTES: usize = 8_192;

/// How to switch the bus on.
const SWITCH_ON: &str = "switch I²C on with the line dtparam=i2c_arm=on in /boot/firmware/config.txt, load the module with `sudo modprobe i2c-dev`, and restart the machine";

pub(super) fn open(dev: &Path, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
    let path = dev.join(format!("i2c-{bus}"));
    match LinuxI2CBus::new(&path) {
        Ok(bus) => Ok(Box::new(CdevI2c { bus })),
        Err(error) => {
            let error = std::io::Error::from(error);
            let problem = not_opened(&path, &error, "i2c", SWITCH_ON);
            Err(BusError { what: format!("I²C bus {bus}"), problem })
        }
    }
}

/// A bus by the kernel's driver, which owns its lines.
///
/// It does not free a bus that is held ([`I2cBackend::recover`] does nothing here). To pulse the clock its line would have to
/// be requested as an output, which takes the pin out of its I²C function, and when it is given back the kernel leaves it a
/// GPIO: the function only returns when the bus' driver is bound anew, which takes root, and the bus would be dead until then.
/// `i2c-bcm2835`, the driver of a Pi 1 to 4, has no recovery of its own either (it sets no `bus_recovery_info`): a held bus
/// is a transfer that times out, again and again. What people can do stands in docs/boards.md, "A bus that hangs".
struct CdevI2c {
    bus: LinuxI2CBus,
}

/// What the kernel's I²C drivers say (`Documentation/i2c/fault-codes.rst` of the kernel).
fn fault(error: &LinuxI2CError) -> BusFault {
    let number = match error {
        LinuxI2CError::Errno(number) => *number,
        LinuxI2CError::Io(error) => error.raw_os_error().unwrap_or(0),
    };
    if number <= 0 {
        return BusFault::Failed(error.to_string());
    }
    match Errno::from_raw_os_error(number) {
        Errno::NXIO | Errno::REMOTEIO => BusFault::NoAcknowledge,
        Errno::TIMEDOUT => BusFault::TimedOut,
        Errno::AGAIN | Errno::BUSY => BusFault::Stuck,
        Errno::NODEV | Errno::NOENT | Errno::SHUTDOWN => BusFault::Gone,
        _ => BusFault::Failed(std::io::Error::from_raw_os_error(number).to_string()),
    }
}

/// Operations of the same kind that follow each other are one message: embedded-hal wants no start condition between
/// them, and the kernel makes one before each message.
enum Message {
    Write(Vec<u8>),
    Read(usize),
}

fn messages(operations: &[Operation<'_>]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::with_capacity(operations.len());
    for operation in operations {
        match (messages.last_mut(), operation) {
            (Some(Message::Write(bytes)), Operation::Write(more)) => bytes.extend_from_slice(more),
            (Some(Message::Read(count)), Operation::Read(more)) => *count += more.len(),
            (_, Operation::Write(bytes)) => messages.push(Message::Write(bytes.to_vec())),
            (_, Operation::Read(bytes)) => messages.push(Message::Read(bytes.len())),
        }
    }
    messages
}

/// Gives the bytes of the read messages to the operations that asked for them, in order.
fn hand_out(operations: &mut [Operation<'_>], read: &[Vec<u8>]) {
    let mut bytes = read.iter().flatten();
    for operation in operations {
        if let Operation::Read(buffer) = operation {
            for (place, byte) in buffer.iter_mut().zip(&mut bytes) {
                *place = *byte;
            }
        }
    }
}

impl I2cBackend for CdevI2c {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        let messages = messages(operations);
        let too_long = |message: &Message| match message {
            Message::Write(bytes) => bytes.len() > MAX_MESSAGE_BYTES,
            Message::Read(count) => *count > MAX_MESSAGE_BYTES,
        };
        if messages.len() > MAX_MESSAGES || messages.iter().any(too_long) {
            return Err(BusFault::Failed(format!(
                "a transfer has at most {MAX_MESSAGES} messages of {MAX_MESSAGE_BYTES} bytes"
            )));
        }
        let counts = messages.iter().map(|message| match message {
            Message::Read(count) => *count,
            Message::Write(_) => 0,
        });
        let mut read: Vec<Vec<u8>> = counts.map(|count| vec![0; count]).collect();
        let mut prepared: Vec<LinuxI2CMessage<'_>> = messages
            .iter()
            .zip(&mut read)
            .map(|(message, buffer)| match message {
                Message::Write(bytes) => LinuxI2CMessage::write(bytes),
                Message::Read(_) => LinuxI2CMessage::read(buffer),
            })
            .map(|message| message.with_address(u16::from(address)))
            .collect();
        if prepared.is_empty() {
            return Ok(());
        }
        self.bus.transfer(&mut prepared).map_err(|error| fault(&error))?;
        drop(prepared);
        hand_out(operations, &read);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_kind_are_one_message() {
        let (mut first, mut second) = ([0; 2], [0; 3]);
        let operations = [
            Operation::Write(&[1, 2]),
            Operation::Write(&[3]),
            Operation::Read(&mut first),
            Operation::Read(&mut second),
            Operation::Write(&[4]),
        ];
        let made = messages(&operations);
        assert!(matches!(&made[..], [Message::Write(a), Message::Read(5), Message::Write(b)]
            if a == &[1, 2, 3] && b == &[4]));
    }

    #[test]
    fn what_was_read_goes_where_it_was_asked_for() {
        let (mut first, mut second) = ([0; 2], [0; 3]);
        let mut operations =
            [Operation::Read(&mut first), Operation::Write(&[9]), Operation::Read(&mut second)];
        hand_out(&mut operations, &[vec![1, 2], vec![], vec![3, 4, 5]]);
        assert_eq!((first, second), ([1, 2], [3, 4, 5]));
    }

    #[test]
    fn the_kernels_words_are_told_apart() {
        let said = |errno: Errno| fault(&LinuxI2CError::Errno(errno.raw_os_error()));
        assert_eq!(said(Errno::NXIO), BusFault::NoAcknowledge);
        assert_eq!(said(Errno::REMOTEIO), BusFault::NoAcknowledge, "as i2c-bcm2835 says it");
        assert_eq!(said(Errno::TIMEDOUT), BusFault::TimedOut);
        assert_eq!(said(Errno::AGAIN), BusFault::Stuck);
        assert!(matches!(said(Errno::INVAL), BusFault::Failed(_)));
    }

    #[test]
    fn a_bus_that_is_not_there_says_how_to_switch_it_on() {
        let dev = tempfile::tempdir().unwrap();
        let problem = open(dev.path(), 1).err().unwrap().to_string();
        assert!(problem.starts_with("I²C bus 1: "), "{problem}");
        assert!(problem.contains("dtparam=i2c_arm=on"), "{problem}");
    }
}
