//! Serial ports by their device file.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serial2::{CharSize, FlowControl, Parity, SerialPort, Settings, StopBits};

use super::buses::not_opened;
use crate::traits::{BusError, BusFault, SerialBackend, SerialRequest};

/// Longest time that the port may take to accept bytes. At the slowest rate in use it is still a hundred bytes.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

/// How to get the port of an adapter.
const PLUG_IN: &str = "plug its adapter in, or look with `ls -l /dev/serial/by-id` what the adapters that are plugged in are called";

/// How to get the header's port.
const SWITCH_ON: &str = "switch the serial port on with the line enable_uart=1 in /boot/firmware/config.txt, take the console off it with `sudo raspi-config`, and restart the machine";

pub(super) fn open(request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
    let failed = |problem: String| BusError { what: request.path.clone(), problem };
    let (size, parity, stop) = frame(request).map_err(failed)?;
    let configure = |mut settings: Settings| {
        settings.set_raw();
        settings.set_baud_rate(request.baud)?;
        settings.set_char_size(size);
        settings.set_parity(parity);
        settings.set_stop_bits(stop);
        settings.set_flow_control(FlowControl::None);
        Ok(settings)
    };
    let opened = SerialPort::open(&request.path, configure).and_then(|mut port| {
        port.set_write_timeout(WRITE_LIMIT)?;
        Ok(port)
    });
    match opened {
        Ok(port) => Ok(Box::new(CdevSerial { port })),
        Err(error) => {
            Err(failed(not_opened(Path::new(&request.path), &error, "dialout", remedy(&request.path))))
        }
    }
}

/// What to do about a port that is not there.
fn remedy(path: &str) -> &'static str {
    let is_adapter =
        ["/dev/ttyUSB", "/dev/ttyACM", "/dev/serial/"].iter().any(|start| path.starts_with(start));
    if is_adapter { PLUG_IN } else { SWITCH_ON }
}

fn frame(request: &SerialRequest) -> Result<(CharSize, Parity, StopBits), String> {
    let size = match request.data_bits {
        5 => CharSize::Bits5,
        6 => CharSize::Bits6,
        7 => CharSize::Bits7,
        8 => CharSize::Bits8,
        other => return Err(format!("{other} data bits: write 5 to 8")),
    };
    let parity = match request.parity {
        'N' => Parity::None,
        'E' => Parity::Even,
        'O' => Parity::Odd,
        other => return Err(format!("parity `{other}`: write N, E or O")),
    };
    let stop = match request.stop_bits {
        1 => StopBits::One,
        2 => StopBits::Two,
        other => return Err(format!("{other} stop bits: write 1 or 2")),
    };
    Ok((size, parity, stop))
}

struct CdevSerial {
    port: SerialPort,
}

fn fault(error: &std::io::Error) -> BusFault {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => BusFault::TimedOut,
        ErrorKind::NotFound | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => BusFault::Gone,
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            // An adapter that was pulled out of its USB socket.
            Some(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO | rustix::io::Errno::IO) => {
                BusFault::Gone
            }
            _ => BusFault::Failed(error.to_string()),
        },
    }
}

impl SerialBackend for CdevSerial {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        self.port.write_all(bytes).map_err(|error| fault(&error))
    }

    fn read(&mut self, buffer: &mut [u8], limit: Duration) -> Result<usize, BusFault> {
        // The library takes zero for "for ever".
        self.port.set_read_timeout(limit.max(Duration::from_millis(1))).map_err(|error| fault(&error))?;
        match self.port.read(buffer) {
            Ok(0) if !buffer.is_empty() => Err(BusFault::Gone),
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(fault(&error)),
        }
    }

    fn discard(&mut self) -> Result<(), BusFault> {
        self.port.discard_input_buffer().map_err(|error| fault(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ends of a pseudo terminal: what one writes the other reads, and silence is no error.
    #[test]
    fn bytes_go_through_and_silence_is_no_error() {
        let (mut far, near) = SerialPort::pair().unwrap();
        far.set_write_timeout(WRITE_LIMIT).unwrap();
        let mut near = CdevSerial { port: near };
        let mut buffer = [0; 8];
        assert_eq!(near.read(&mut buffer, Duration::from_millis(5)), Ok(0));
        far.write_all(&[0xff, 0x01, 0x0a]).unwrap();
        let mut got = Vec::new();
        while got.len() < 3 {
            let count = near.read(&mut buffer, Duration::from_secs(5)).unwrap();
            assert!(count > 0, "the bytes were written");
            got.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(got, [0xff, 0x01, 0x0a]);
        near.write(&[7]).unwrap();
        far.set_read_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!((far.read(&mut buffer).unwrap(), buffer[0]), (1, 7));
        drop(far);
        assert_eq!(near.read(&mut buffer, Duration::from_secs(5)), Err(BusFault::Gone));
    }

    #[test]
    fn wrong_frames_and_missing_ports_say_what_to_do() {
        let odd = SerialRequest { data_bits: 9, ..SerialRequest::plain("/dev/serial0", 9_600) };
        assert_eq!(open(&odd).err().unwrap().problem, "9 data bits: write 5 to 8");
        let missing = open(&SerialRequest::plain("/nowhere/serial0", 9_600)).err().unwrap();
        assert!(missing.problem.contains("enable_uart=1"), "{missing}");
        let unplugged = open(&SerialRequest::plain("/dev/ttyUSB250", 9_600)).err().unwrap();
        assert!(unplugged.problem.contains("plug its adapter in"), "{unplugged}");
    }
}
