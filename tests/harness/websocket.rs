//! A bare WebSocket on the web port, for frames that no well-behaved client would send.

use std::net::SocketAddr;

use crate::gateway::Login;
use crate::wire::{self, Wire};

/// First bytes of frames: the end of a message, and the kind.
pub mod kind {
    /// A fragment that goes on with a message, which is not its last.
    pub const MORE: u8 = 0x00;
    /// The first fragment of a binary message.
    pub const BINARY_BEGIN: u8 = 0x02;
    /// A text.
    pub const TEXT: u8 = 0x81;
    /// A whole binary message.
    pub const BINARY: u8 = 0x82;
    /// The end of the conversation.
    pub const CLOSE: u8 = 0x88;
    /// A question whether somebody is there.
    pub const PING: u8 = 0x89;
    /// The answer to it.
    pub const PONG: u8 = 0x8A;
}

/// A connection after the handshake, on which any frame can be sent.
#[derive(Debug)]
pub struct WebSocket {
    wire: Wire,
}

impl WebSocket {
    /// Does the handshake with the subprotocol `mqtt`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|head| panic!("no WebSocket: {head}"))
    }

    /// Does the handshake with the subprotocol `mqtt`.
    ///
    /// # Errors
    /// The head of the answer when it is refused.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn try_open(address: SocketAddr) -> Result<Self, String> {
        let mut wire = Wire::open(address);
        let request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        assert!(wire.send(request.as_bytes()));
        let head = wire.try_read_http().expect("the gateway answers");
        if head.starts_with("http/1.1 101 ") { Ok(Self { wire }) } else { Err(head) }
    }

    /// Opens a connection and logs in with MQTT 3.1.1.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn log_in(address: SocketAddr, client_id: &str, login: &Login) -> Self {
        let mut socket = Self::open(address);
        assert!(socket.send(kind::BINARY, &wire::connect(client_id, login)));
        assert_eq!(socket.read(), (kind::BINARY, vec![0x20, 2, 0, 0]), "CONNACK with success");
        socket
    }

    /// Sends a frame. Gives `false` when the other side has closed the connection.
    pub fn send(&mut self, first: u8, payload: &[u8]) -> bool {
        self.wire.send(&frame(first, payload))
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.wire.send(bytes)
    }

    /// Reads a frame: its first byte and its payload.
    ///
    /// # Panics
    /// When none comes.
    pub fn read(&mut self) -> (u8, Vec<u8>) {
        self.try_read().expect("the gateway sends a frame")
    }

    /// Reads a frame; nothing when the connection is closed.
    ///
    /// # Panics
    /// When the frame has a mask, which those of a server have not.
    pub fn try_read(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.wire.try_read_exactly(2)?;
        let length = match head[1] {
            length @ ..126 => usize::from(length),
            126 => {
                let length = self.wire.try_read_exactly(2)?;
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            other => panic!("a frame with a mask, or a longer one than the gateway sends: {other}"),
        };
        Some((head[0], self.wire.try_read_exactly(length)?))
    }

    /// Reads until the gateway sends a Close frame, and gives its code; nothing when it closes without one. `after` names
    /// what was sent.
    pub fn wait_closed(&mut self, after: &str) -> Option<u16> {
        loop {
            match self.try_read() {
                Some((kind::CLOSE, code)) => {
                    let code = code.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.send(kind::CLOSE, &[]);
                    self.wire.wait_closed(after);
                    return code;
                }
                Some(_) => {}
                None => return None,
            }
        }
    }
}

/// A frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0xA5, 0x5A, 0x0F, 0xF0];
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => bytes.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
