//! What is said over the socket: one question and one answer, as JSON behind its length, with descriptors beside it.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use gatehouse_board::held::{HeldOutput, MAX_HELD};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest text of a letter: more than [`MAX_HELD`] outputs take.
const MAX_BYTES: usize = 64 * 1024;

/// What who took the lines says behind the answer, once it drives them.
pub(super) const DRIVEN: u8 = b'!';

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub(super) enum Question {
    /// Hold these; their lines are beside it, in this order.
    Hold { outputs: Vec<HeldOutput> },
    /// Give everything. It is held on until one byte says that who asked drives it: [`DRIVEN`].
    Take,
    /// Which lines are held away from their safe level?
    Which,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(super) enum Answer {
    /// They are held.
    Held,
    /// What was held; the lines are beside it, in this order.
    Taken { outputs: Vec<Taken> },
    /// The chips and numbers of these lines.
    Which { lines: Vec<(String, u32)> },
    /// It was not done.
    Refused { why: String },
}

/// An output that comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) output: HeldOutput,
    /// How long ago it was handed over, in milliseconds.
    pub(super) age_ms: u64,
}

/// Sends a letter with descriptors, at most [`MAX_HELD`].
pub(super) fn send(
    stream: &mut UnixStream,
    letter: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(letter)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HELD))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many lines for one letter"));
    }
    // They go with the first byte; on a local socket four bytes are never parted.
    let sent = sendmsg(&*stream, &[IoSlice::new(&length)], &mut beside, SendFlags::NOSIGNAL)?;
    stream.write_all(&length[sent..])?;
    stream.write_all(&text)
}

/// Takes a letter, with what is beside it.
pub(super) fn receive<L: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<(L, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HELD))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got =
        recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut length)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    stream.read_exact(&mut length[got.bytes..])?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if bytes > MAX_BYTES {
        return Err(io::Error::other("a letter that is too long"));
    }
    let mut text = vec![0; bytes];
    stream.read_exact(&mut text)?;
    Ok((serde_json::from_slice(&text)?, descriptors))
}
