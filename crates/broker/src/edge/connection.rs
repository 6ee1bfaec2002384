//! One connection: its handshake, then bytes in and bytes out until either side ends it.

use std::future::poll_fn;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::poll_read_buf;

use super::guest::Guest;
use super::outbox::Outbox;
use super::{Door, Inbound};
use crate::Settings;
use crate::codec::{
    Connect, ConnectError, Decoder, Encoder, Packet, Reason, Version, WireError, decode_connect,
};
use crate::core::ConnectionId;
use crate::meter::Metered;
use crate::statistics::Counters;

/// Room for reading on a connection that says little.
const LEAST_READ: u32 = 512;

/// Room for reading on a busy connection. Larger reads save little more time and cost memory.
const MOST_READ: u32 = 64 * 1_024;

/// Room for reading before the login. Most CONNECT packets fit into the first read.
const MOST_HANDSHAKE_READ: u32 = 4 * 1_024;

/// Packets that are handed to the hub at once. A read buffer may hold thousands of tiny ones, and each takes some
/// hundred bytes of memory on its way.
const MOST_PACKETS: usize = 512;

/// How long the last bytes may take before the socket is closed without them.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long is listened to a client that takes nothing any more: what it has sent is there, or nearly.
const HEARING: Duration = Duration::from_secs(2);

/// Why the connection ends.
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// The client sent what is no packet.
    Broken(WireError),
    /// The broker has put its last bytes into the outbox.
    Closed,
}

/// Serves one client from its first byte to its last. It is a newcomer until it has logged in.
pub(crate) async fn serve<R, W>(
    door: Arc<Door>,
    connection: ConnectionId,
    guest: Box<Guest>,
    reader: R,
    mut writer: W,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let mut input = Input {
        reader,
        bytes: BytesMut::new(),
        room: LEAST_READ,
        most: MOST_HANDSHAKE_READ,
        held: Metered::new(door.incoming.clone()),
    };
    // In a box of its own, as is the farewell: a task has room for the largest of its futures as long as it lives, and
    // an idle client is kept for days by the loop between the two.
    let greeting = Box::pin(async {
        let peer = guest.peer;
        tokio::select! {
            greeted = greet(&door, connection, peer, &mut input, &mut writer) => greeted,
            () = door.stopping.cancelled() => None,
        }
    });
    let Some(Greeted { version, outbox }) = greeting.await else { return };
    let Guest { newcomer, permit: _counts_until_the_end, .. } = *guest;
    drop(newcomer);
    let mut decoder =
        Decoder::new(version, door.settings.max_packet_bytes, door.settings.topic_alias_maximum);
    input.most = MOST_READ;
    let mut output = Cursor::default();
    let mut side = Side { door: &door, connection, decoder: &mut decoder, outbox: &outbox };
    let end = side.exchange(&mut input, &mut writer, &mut output).await;
    let error = match end {
        End::Closed => None,
        End::Gone => {
            door.tell(Inbound::Lost { connection, error: None }).await;
            return;
        }
        End::Broken(error) => {
            tracing::debug!(peer = %outbox.peer, %error, "closing a connection");
            Some(error)
        }
    };
    if error.is_some() && !door.tell(Inbound::Lost { connection, error }).await {
        return;
    }
    let _ = Box::pin(timeout(FAREWELL, say_farewell(&outbox, &mut writer, output))).await;
}

/// What is known of a client that was let in.
struct Greeted {
    version: Version,
    outbox: Arc<Outbox>,
}

/// Reads the CONNECT, checks the login, and hands the client to the hub. A client that is not let in is told why, as
/// far as its version can be told anything.
async fn greet<R, W>(
    door: &Door,
    connection: ConnectionId,
    peer: SocketAddr,
    input: &mut Input<R>,
    writer: &mut W,
) -> Option<Greeted>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let connect = match timeout(door.settings.handshake_time, read_connect(door, input)).await {
        Ok(Ok(Some(connect))) => connect,
        Ok(Ok(None)) | Err(_) => return None,
        Ok(Err(ConnectError { answer_in, error })) => {
            Counters::add(&door.counters.handshake_errors, 1);
            tracing::debug!(%peer, %error, "refusing a connection");
            if let Some(version) = answer_in {
                refuse(writer, Encoder::plain(version), error.reason, error.what).await;
            }
            return None;
        }
    };
    let (version, encoder) = (connect.version, Encoder::of(&connect));
    let revocations = door.revocations.now();
    match door.identify(&connect, peer, until_closed(door, input)).await {
        None => {
            Counters::add(&door.counters.logins_abandoned, 1);
            tracing::debug!(%peer, client_id = %connect.client_id, "a client left before its login was checked");
            None
        }
        Some(Ok(identity)) => {
            let outbox = Arc::new(Outbox::new(
                // Below the share that every client has, so that one that waits for it is never told before it may go on.
                (door.settings.outbound_bytes / 2).min(Settings::LEAST_SHARE / 2),
                door.meter.clone(),
                door.spares.clone(),
                peer,
            ));
            let arrival = Inbound::Arrived {
                connection,
                connect: Box::new(Connect { password: None, ..connect }),
                identity: Box::new(identity),
                revocations,
                outbox: Arc::clone(&outbox),
            };
            door.tell(arrival).await.then_some(Greeted { version, outbox })
        }
        Some(Err((reason, text))) => {
            Counters::add(&door.counters.logins_refused, 1);
            tracing::debug!(%peer, client_id = %connect.client_id, text, "refusing a login");
            refuse(writer, encoder, reason, text).await;
            None
        }
    }
}

/// The CONNECT, or nothing when the client closes before it is complete.
async fn read_connect<R>(door: &Door, input: &mut Input<R>) -> Result<Option<Connect>, ConnectError>
where
    R: AsyncRead + Unpin + Send,
{
    let limit = door.settings.max_connect_bytes.min(door.settings.max_packet_bytes);
    loop {
        if let Some(connect) = decode_connect(&mut input.bytes, limit)? {
            return Ok(Some(connect));
        }
        match input.read().await {
            Some(count) => Counters::add(&door.counters.bytes_received, count as u64),
            None => return Ok(None),
        }
    }
}

/// Waits until the client leaves. Packets that it sends before it is let in are kept (MQTT 5.0 section 3.1.4), as many as
/// fit beside the largest CONNECT; then nothing more is read. A client that has sent some and closes has not left: it
/// has said what it wanted to say, as sensors do that wake up for a moment, and only has to be let in.
async fn until_closed<R>(door: &Door, input: &mut Input<R>)
where
    R: AsyncRead + Unpin + Send,
{
    while input.bytes.len() < door.settings.max_connect_bytes as usize {
        match input.read().await {
            Some(count) => Counters::add(&door.counters.bytes_received, count as u64),
            None if input.bytes.is_empty() => return,
            None => break,
        }
    }
    std::future::pending::<()>().await;
}

async fn refuse<W: AsyncWrite + Unpin + Send>(writer: &mut W, encoder: Encoder, reason: Reason, text: &str) {
    let mut bytes = BytesMut::new();
    encoder.connection_refused(reason, text, &mut bytes);
    let _ = timeout(FAREWELL, async {
        writer.write_all(&bytes).await?;
        writer.shutdown().await
    })
    .await;
}

/// The broker's side of a conversation with a client that was let in.
struct Side<'a> {
    door: &'a Door,
    connection: ConnectionId,
    decoder: &'a mut Decoder,
    outbox: &'a Outbox,
}

impl Side<'_> {
    /// Reads and writes until the connection ends. The hub never waits for this task; this task waits for the hub, one
    /// batch of packets after the other, and reads no more meanwhile: that is how a flood is slowed down, to what the
    /// core can do and to what those can take whom it is meant for.
    async fn exchange<R, W>(
        &mut self,
        input: &mut Input<R>,
        writer: &mut W,
        output: &mut Cursor<BytesMut>,
    ) -> End
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        // Packets may have come together with the CONNECT.
        let mut batch = self.decode(&mut input.bytes);
        // A writer may keep bytes back until it is asked for them, as TLS and WebSocket do.
        let mut is_flushed = true;
        loop {
            if let Some(error) = batch.error
                && batch.packets.is_empty()
            {
                return End::Broken(error);
            }
            if self.outbox.is_closed() {
                return End::Closed;
            }
            if batch.packets.is_empty() && self.holds_too_much(input) {
                return End::Broken(WireError::new(
                    Reason::QuotaExceeded,
                    "clients have sent as much of unfinished packets as the broker holds",
                ));
            }
            if !output.has_remaining() {
                self.outbox.take(output);
            }
            if self.outbox.has_drained()
                && !self.door.tell(Inbound::Drained { connection: self.connection }).await
            {
                return End::Gone;
            }
            tokio::select! {
                read = input.read(), if batch.packets.is_empty() => {
                    let Some(count) = read else { return End::Gone };
                    Counters::add(&self.door.counters.bytes_received, count as u64);
                    batch = self.decode(&mut input.bytes);
                }
                () = self.outbox.granted(), if !batch.packets.is_empty() => {
                    let packets = std::mem::take(&mut batch.packets);
                    if !self.door.tell(Inbound::Packets { connection: self.connection, packets }).await {
                        return End::Gone;
                    }
                    if batch.error.is_none() {
                        batch = self.decode(&mut input.bytes);
                    }
                }
                wrote = write_on(writer, output.chunk()), if output.has_remaining() || !is_flushed => {
                    // In a box of its own, so that it takes no room in the task of a client that is there.
                    let Ok(wrote) = wrote else { return Box::pin(self.hear_out(input, batch)).await };
                    if wrote.count > 0 {
                        output.advance(wrote.count);
                        self.outbox.wrote(wrote.count);
                        Counters::add(&self.door.counters.bytes_sent, wrote.count as u64);
                    }
                    is_flushed = wrote.is_flushed;
                }
                () = self.outbox.changed() => {}
            }
        }
    }

    /// The client takes nothing any more. What it had said before it went counts all the same: a sensor may send CONNECT
    /// and PUBLISH and be gone before the answer.
    async fn hear_out<R>(&mut self, input: &mut Input<R>, mut batch: Batch) -> End
    where
        R: AsyncRead + Unpin + Send,
    {
        let heard = timeout(HEARING, async {
            loop {
                if !batch.packets.is_empty() {
                    self.outbox.granted().await;
                    let packets = std::mem::take(&mut batch.packets);
                    if !self.door.tell(Inbound::Packets { connection: self.connection, packets }).await {
                        return End::Gone;
                    }
                }
                if let Some(error) = batch.error {
                    return End::Broken(error);
                }
                batch = self.decode(&mut input.bytes);
                if batch.packets.is_empty() && batch.error.is_none() {
                    let Some(count) = input.read().await else { return End::Gone };
                    Counters::add(&self.door.counters.bytes_received, count as u64);
                }
            }
        });
        heard.await.unwrap_or(End::Gone)
    }

    /// Whether the client holds more of a packet that has not arrived completely than may be held now.
    fn holds_too_much<R>(&self, input: &mut Input<R>) -> bool {
        input.count();
        input.held.bytes() > Settings::LEAST_SHARE
            && self.door.incoming.bytes() > self.door.settings.incoming_bytes
    }

    /// Takes whole packets from the front of `bytes`, many at once.
    fn decode(&mut self, bytes: &mut BytesMut) -> Batch {
        let mut batch = Batch::default();
        while batch.packets.len() < MOST_PACKETS && batch.error.is_none() {
            match self.decoder.decode(bytes) {
                Ok(Some(packet)) => batch.packets.push(packet),
                Ok(None) => break,
                Err(error) => batch.error = Some(error),
            }
        }
        batch
    }
}

/// What came of one step of writing.
struct Wrote {
    count: usize,
    /// Nothing that was written is kept back.
    is_flushed: bool,
}

/// Writes what can be written of `output`, and flushes when that was all of it or nothing is left: a writer may keep
/// bytes back until it is asked for them, as those of TLS and WebSocket do. Safe to drop before it is done.
async fn write_on<W: AsyncWrite + Unpin>(writer: &mut W, output: &[u8]) -> io::Result<Wrote> {
    poll_fn(|context| {
        let mut writer = Pin::new(&mut *writer);
        if output.is_empty() {
            ready!(writer.poll_flush(context))?;
            return Poll::Ready(Ok(Wrote { count: 0, is_flushed: true }));
        }
        let count = ready!(writer.as_mut().poll_write(context, output))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        // In the same breath, so that a socket, which keeps nothing back, costs no second step. An error shows again.
        let is_flushed = count == output.len() && writer.poll_flush(context).is_ready();
        Poll::Ready(Ok(Wrote { count, is_flushed }))
    })
    .await
}

/// What was read at once.
#[derive(Default)]
struct Batch {
    packets: Vec<Packet>,
    /// What follows the packets is no packet.
    error: Option<WireError>,
}

/// Writes what the broker still has to say, up to the end of the outbox.
async fn say_farewell<W: AsyncWrite + Unpin + Send>(
    outbox: &Outbox,
    writer: &mut W,
    mut output: Cursor<BytesMut>,
) -> io::Result<()> {
    loop {
        writer.write_all(output.chunk()).await?;
        let is_last = outbox.is_closed();
        outbox.take(&mut output);
        if is_last && !output.has_remaining() {
            return writer.shutdown().await;
        }
        if !output.has_remaining() {
            writer.flush().await?;
            outbox.changed().await;
        }
    }
}

/// The reading side with its buffer, which grows with what the client sends and is given back when it falls silent.
struct Input<R> {
    reader: R,
    bytes: BytesMut,
    room: u32,
    /// What `room` grows to.
    most: u32,
    /// Counts what is read and not taken out, beyond what an idle connection takes anyway.
    held: Metered,
}

impl<R> Input<R> {
    /// Counts what is in the buffer now.
    fn count(&mut self) {
        let (before, now) = (self.held.bytes(), self.bytes.len());
        let now = if now > LEAST_READ as usize { now } else { 0 };
        if now > before {
            self.held.add(now - before);
        } else if now < before {
            self.held.take(before - now);
        }
    }
}

impl<R: AsyncRead + Unpin + Send> Input<R> {
    /// Reads what is there and gives its length, or nothing when the connection has ended. Safe to drop before it is
    /// done: nothing that was read is lost.
    async fn read(&mut self) -> Option<usize> {
        let count = poll_fn(|context| {
            self.bytes.reserve(self.room as usize);
            let polled = poll_read_buf(Pin::new(&mut self.reader), context, &mut self.bytes);
            if polled.is_pending() && self.bytes.is_empty() {
                // Whoever says nothing keeps no buffer. A new one costs less than a look at the socket.
                self.bytes = BytesMut::new();
            }
            polled
        });
        let count = count.await.ok().filter(|count| *count > 0)?;
        if count >= self.room as usize {
            self.room = (self.room * 4).min(self.most);
        } else if count < self.room as usize / 4 {
            self.room = (self.room / 2).max(LEAST_READ);
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::tcp::{ReadHalf, WriteHalf};

    fn future_bytes<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// Each idle client has such a task for days, and the login is over after some milliseconds.
    #[test]
    fn the_task_of_a_connection_has_no_room_for_what_is_done_once() {
        let bytes = future_bytes(serve::<ReadHalf<'_>, WriteHalf<'_>>);
        assert!(bytes <= 800, "{bytes} bytes");
    }
}
