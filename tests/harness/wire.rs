//! A bare socket on the MQTT port, for what no well-behaved client would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::gateway::Login;
use crate::wait::LIMIT;

/// A connection on which any bytes can be sent.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

impl Wire {
    /// Opens a connection and sends nothing.
    ///
    /// # Panics
    /// When the port does not answer.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, LIMIT).expect("the port accepts connections");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit can be set");
        stream.set_write_timeout(Some(LIMIT)).expect("a time limit can be set");
        Self { stream }
    }

    /// Opens a connection and logs in with MQTT 3.1.1.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn log_in(address: SocketAddr, client_id: &str, login: &Login) -> Self {
        let mut wire = Self::open(address);
        assert!(wire.send(&connect(client_id, login)));
        assert_eq!(wire.read_exactly(4), [0x20, 2, 0, 0], "CONNACK with success");
        wire
    }

    /// Sends bytes. Gives `false` when the other side has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads so many bytes.
    ///
    /// # Panics
    /// When they do not come.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("the broker answers");
        bytes
    }

    /// Reads so many bytes; nothing when the broker has closed the connection.
    pub fn try_read_exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    /// Reads one HTTP answer and gives its head in lower case; its body is passed over. Nothing when the connection was
    /// closed instead.
    pub fn try_read_http(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.try_read_exactly(1)?[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        self.try_read_exactly(length.unwrap_or(0))?;
        Some(head)
    }

    /// Says that nothing more will be sent, with the connection left half open.
    pub fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits until the broker has closed the connection, and gives what it said before. `after` names what was sent.
    ///
    /// # Panics
    /// When it goes on listening.
    pub fn wait_closed(&mut self, after: &str) -> Vec<u8> {
        let (mut said, mut buffer) = (Vec::new(), [0; 1_024]);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return said,
                Ok(count) => said.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!(
                        "the broker keeps the connection open after {after}: {} s, {said:?}",
                        LIMIT.as_secs()
                    )
                }
                // Reset: closed with bytes of ours still unread.
                Err(_) => return said,
            }
        }
    }
}

/// A string as MQTT writes it: two bytes of length, then UTF-8.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("test strings are short");
    [&length.to_be_bytes(), bytes].concat()
}

/// A packet: its first byte, the length of the rest in 7 bits a byte, the rest.
///
/// # Panics
/// When the rest is longer than MQTT allows.
pub fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = u32::try_from(rest.len()).expect("test packets are short");
    loop {
        let low = u8::try_from(length % 128).expect("a rest of 128 fits");
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// CONNECT of MQTT 3.1.1 with a clean session and no keep-alive.
pub fn connect(client_id: &str, login: &Login) -> Vec<u8> {
    let head = [string(b"MQTT"), vec![4, 0b1100_0010, 0, 0]].concat();
    let credentials = [string(login.user.as_bytes()), string(login.password.as_bytes())].concat();
    packet(0x10, &[head, string(client_id.as_bytes()), credentials].concat())
}

/// PUBLISH with QoS 0.
pub fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[string(topic.as_bytes()), payload.to_vec()].concat())
}

/// PUBLISH with QoS 1.
pub fn publish_acknowledged(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    packet(0x32, &[string(topic.as_bytes()), packet_id.to_be_bytes().to_vec(), payload.to_vec()].concat())
}
