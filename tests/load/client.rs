//! A client in an event loop: its socket never blocks, what cannot be written yet waits here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::wire::{Packet, put_connect, put_subscribe, split_packet};

/// Bytes that one read takes at most, and that one client keeps for reading.
const READ_BYTES: usize = 128 * 1_024;

/// How long a client waits for the answer to its CONNECT or SUBSCRIBE: a broker under load checks passwords too.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

const CONNACK: u8 = 0x20;
const SUBACK: u8 = 0x90;

/// How a client asks to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Clean session.
    None,
    /// The broker keeps the session.
    Session,
}

/// A client that was let in.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Where in `received` the bytes are that were not taken yet.
    from: usize,
    to: usize,
    outgoing: Vec<u8>,
    sent: usize,
}

impl Client {
    /// Connects and logs in.
    pub(crate) fn connect(address: SocketAddr, client_id: &str, memory: Memory) -> io::Result<Self> {
        let mut packet = Vec::new();
        put_connect(&mut packet, client_id, memory == Memory::None, None);
        Self::connect_with(address, &packet).map(|(client, _)| client)
    }

    /// Connects with this CONNECT packet; tells whether the broker had a session.
    pub(crate) fn connect_with(address: SocketAddr, connect: &[u8]) -> io::Result<(Self, bool)> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let mut client = Self { stream, received: Vec::new(), from: 0, to: 0, outgoing: Vec::new(), sent: 0 };
        client.stream.write_all(connect)?;
        let answer = client.answer(CONNACK, |body| body.get(1) == Some(&0))?;
        Ok((client, answer.first() == Some(&1)))
    }

    /// Subscribes and waits until the broker has taken it.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let mut packet = Vec::new();
        put_subscribe(&mut packet, 1, filter, qos);
        self.stream.write_all(&packet)?;
        self.answer(SUBACK, |body| body.get(2) == Some(&qos)).map(|_| ())
    }

    /// Waits for a packet of this kind, and passes over messages that come before it.
    fn answer(&mut self, kind: u8, is_good: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        loop {
            while let Some(packet) = self.next() {
                if packet.first == kind && is_good(packet.body) {
                    return Ok(packet.body.to_vec());
                }
                if !packet.is_publish() {
                    let text = format!("refused: {:#04x} {:?}", packet.first, packet.body);
                    return Err(io::Error::other(text));
                }
            }
            if !self.receive()? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer came"));
            }
        }
    }

    /// From here on nothing waits.
    pub(crate) fn stop_blocking(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)
    }

    /// Says goodbye and closes.
    pub(crate) fn disconnect(mut self) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.write_all(&[0xE0, 0])
    }

    /// Reads what is there; false when nothing was (or nothing came in time, while reads still wait).
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.from > 0 {
            self.received.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.received.is_empty() {
            self.received.resize(READ_BYTES, 0);
        }
        match self.stream.read(&mut self.received[self.to..]) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            Ok(count) => {
                self.to += count;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The next packet that was received whole.
    pub(crate) fn next(&mut self) -> Option<Packet<'_>> {
        let (packet, length) = split_packet(&self.received[self.from..self.to])?;
        self.from += length;
        Some(packet)
    }

    /// What is to be sent: packets are appended, then [`Client::flush`] is called.
    pub(crate) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Sends as much as the socket takes; true when everything has gone.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(true)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
