//! A WebSocket as a stream of bytes: what its client sends in binary frames, and what goes to it in binary frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::frames::{Deframer, Heard};

/// Bytes that wait for the socket, and so the longest frame that is sent; what more there is to send waits where it
/// comes from. An answer to a ping or a close comes on top of it.
pub(super) const MAX_WAITING_BYTES: usize = 16 * 1_024;

/// What an idle connection may keep of its memory for sending.
const IDLE_BYTES: usize = 1_024;

/// Longest time for the end of a conversation, in which the client answers a Close frame with its own.
const MAX_GOODBYE: Duration = Duration::from_secs(1);

/// Whether the conversation ends from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// It goes on.
    No,
    /// A Close frame is to be sent, with this code.
    Wanted(Option<CloseCode>),
    /// The Close frame is among the bytes that wait for the socket, or is sent. Nothing may follow it.
    Said,
}

/// The server's side of a WebSocket after the handshake. Frame boundaries mean nothing to those who read and write it
/// [MQTT-6.0.0-2]. It reads nothing ahead, keeps at most [`MAX_WAITING_BYTES`] to send, and answers pings.
pub(crate) struct WebSocket<S> {
    socket: S,
    /// What came together with the request.
    early: Bytes,
    frames: Deframer,
    waiting: BytesMut,
    /// The newest ping that is not answered; older ones need no answer (RFC 6455 section 5.5.3).
    pong: Option<Vec<u8>>,
    closing: Closing,
    /// The client has said its last word.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A WebSocket on a `socket` whose request has been answered; `early` is what was read after the request.
    pub(crate) fn new(socket: S, early: Bytes) -> Self {
        Self {
            socket,
            early,
            frames: Deframer::new(),
            waiting: BytesMut::new(),
            pong: None,
            closing: Closing::No,
            ended: false,
        }
    }

    /// Ends the conversation as the protocol wants it (RFC 6455 section 7.1): a Close frame from each side, then the end of the
    /// connection. Bytes that are still on their way from the client are passed over, since a connection that is
    /// closed with bytes unread is reset, and the client may never see why. It takes a second at most.
    pub(crate) async fn say_goodbye(mut self) {
        let goodbye = async {
            self.shutdown().await?;
            let mut passed_over = [0; 512];
            while self.read(&mut passed_over).await? > 0 {}
            self.socket.shutdown().await?;
            while self.socket.read(&mut passed_over).await? > 0 {}
            io::Result::Ok(())
        };
        if !matches!(timeout(MAX_GOODBYE, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("a WebSocket client did not say goodbye");
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Ping(payload) => self.pong = Some(payload),
            Heard::Close(code) => self.end(code),
            Heard::Violation(code, why) => {
                tracing::debug!(%code, why, "closing a WebSocket");
                self.end(Some(code));
            }
        }
    }

    fn end(&mut self, code: Option<CloseCode>) {
        self.ended = true;
        if self.closing == Closing::No {
            self.closing = Closing::Wanted(code);
        }
    }

    /// Puts what is to be said besides data behind the bytes that wait, when there is room.
    fn add_answers(&mut self) {
        if self.waiting.len() >= MAX_WAITING_BYTES {
            return;
        }
        if self.closing != Closing::Said
            && let Some(payload) = self.pong.take()
        {
            add_frame(&mut self.waiting, OpCode::Control(Control::Pong), &payload);
        }
        if let Closing::Wanted(code) = self.closing {
            let code = code.map(|code| u16::from(code).to_be_bytes());
            let payload = code.as_ref().map_or(&[][..], |code| code);
            add_frame(&mut self.waiting, OpCode::Control(Control::Close), payload);
            self.closing = Closing::Said;
        }
    }

    /// Gives the socket all that waits for it.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.add_answers();
            if self.waiting.is_empty() {
                if self.waiting.capacity() > IDLE_BYTES {
                    self.waiting = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            let count = ready!(Pin::new(&mut self.socket).poll_write(context, &self.waiting))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(count);
        }
    }

    /// Fills `raw` with bytes of frames and gives their count; 0 at the end of the connection.
    fn poll_raw(&mut self, context: &mut Context<'_>, raw: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.early.is_empty() {
            let mut raw = ReadBuf::new(raw);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut raw))?;
            return Poll::Ready(Ok(raw.filled().len()));
        }
        let count = raw.len().min(self.early.len());
        self.early.copy_to_slice(&mut raw[..count]);
        if self.early.is_empty() {
            self.early = Bytes::new();
        }
        Poll::Ready(Ok(count))
    }
}

/// Puts one whole frame behind the bytes that wait.
fn add_frame(waiting: &mut BytesMut, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let length = payload.len() as u64;
    waiting.reserve(header.len(length) + payload.len());
    let mut writer = bytes::BufMut::writer(waiting);
    // It is written into memory, where there is room for it.
    let _ = header.format(length, &mut writer);
    writer.into_inner().extend_from_slice(payload);
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            // Answers go out beside the reading. Where they cannot, that is for those who write to find out.
            let _ = this.poll_drain(context);
            if this.ended || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.initialize_unfilled();
            let count = ready!(this.poll_raw(context, room))?;
            if count == 0 {
                this.ended = true;
                this.closing = Closing::Said;
                continue;
            }
            let mut heard = Vec::new();
            let data = this.frames.take(&mut room[..count], &mut |one| heard.push(one));
            for one in heard {
                this.hear(one);
            }
            if data > 0 {
                buffer.advance(data);
                let _ = this.poll_drain(context);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.waiting.len() >= MAX_WAITING_BYTES {
            ready!(this.poll_drain(context))?;
        }
        if this.closing != Closing::No {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(MAX_WAITING_BYTES - this.waiting.len());
        if count > 0 {
            add_frame(&mut this.waiting, OpCode::Data(Data::Binary), &bytes[..count]);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Says that nothing more will be sent, and goes on reading: the client is to answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing == Closing::No {
            self.closing = Closing::Wanted(Some(CloseCode::Normal));
        }
        self.poll_flush(context)
    }
}
