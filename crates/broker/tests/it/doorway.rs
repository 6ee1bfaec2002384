//! Connections that another part of the process hands over.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use gatehouse_broker::{Listener, NoPlace, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_util::sync::CancellationToken;

use super::harness::{House, connect_packet, idle_broker, packet, text, within};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Lets a stream in, serves it beside the test, and gives the client's end of it.
async fn come_in(house: &House, from: &str) -> DuplexStream {
    let place = within(house.handle.doorway().admit(peer(from))).await.unwrap();
    let (ours, theirs) = duplex(1_024);
    tokio::spawn(place.serve(theirs));
    ours
}

async fn read<const COUNT: usize>(stream: &mut DuplexStream) -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_stream_of_another_part_is_served_like_a_socket() {
    let house = House::start().await;
    let mut stream = come_in(&house, "192.0.2.1:1000").await;
    stream.write_all(&connect_packet("web")).await.unwrap();
    assert_eq!(read(&mut stream).await, ACCEPTED);
    stream.write_all(&packet(0x82, &[vec![0, 1], text("casa/#"), vec![0]].concat())).await.unwrap();
    assert_eq!(read(&mut stream).await, [0x90, 3, 0, 1, 0]);
    let mut other = house.client("socket").await;
    let message = packet(0x30, &[text("casa/a"), b"1".to_vec()].concat());
    other.send(&message).await;
    assert_eq!(read::<11>(&mut stream).await, message[..]);
    stream.write_all(&[0xE0, 0]).await.unwrap();
    assert_eq!(within(stream.read(&mut [0])).await.unwrap(), 0);
    house.stop().await;
}

#[tokio::test]
async fn a_doorway_that_was_handed_out_early_waits_for_the_broker() {
    let (broker, handle) = idle_broker();
    let doorway = handle.doorway();
    let early = tokio::spawn(async move { doorway.admit(peer("192.0.2.1:1000")).await.map(drop) });
    tokio::task::yield_now().await;
    assert!(!early.is_finished());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(broker.run(Vec::<Listener>::new(), shutdown.clone()));
    assert_eq!(within(early).await.unwrap(), Ok(()));
    shutdown.cancel();
    within(running).await.unwrap().unwrap();
    let late = within(handle.doorway().admit(peer("192.0.2.1:1000"))).await;
    assert_eq!(late.map(drop), Err(NoPlace::Stopped));
}

#[tokio::test]
async fn a_doorway_of_a_broker_that_never_ran_does_not_wait_for_ever() {
    let (broker, handle) = idle_broker();
    drop(broker);
    let never = within(handle.doorway().admit(peer("192.0.2.1:1000"))).await;
    assert_eq!(never.map(drop), Err(NoPlace::Stopped));
}

/// The limits are those of all doors together, not once more for each.
#[tokio::test]
async fn places_are_counted_together_with_those_of_the_listeners() {
    let settings = Settings { max_connections: 3, max_newcomers_of_one_address: 1, ..Settings::default() };
    let house = House::with(settings).await;
    let doorway = house.handle.doorway();
    // From the address of a socket that has not logged in.
    let mut silent = house.connect().await;
    within(async {
        while doorway.admit(peer("127.0.0.1:1000")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let first = doorway.admit(peer("192.0.2.1:1000")).await.unwrap();
    let crowded = doorway.admit(peer("192.0.2.1:1001")).await;
    assert_eq!(crowded.map(drop), Err(NoPlace::Full), "of one address");
    let _second = doorway.admit(peer("192.0.2.2:1000")).await.unwrap();
    let full = doorway.admit(peer("192.0.2.3:1000")).await;
    assert_eq!(full.map(drop), Err(NoPlace::Full), "in total");
    assert!(house.handle.statistics().connections_refused >= 3);
    drop(first);
    assert!(doorway.admit(peer("192.0.2.3:1000")).await.is_ok());
    silent.send(&connect_packet("socket")).await;
    assert_eq!(silent.packet().await, ACCEPTED);
    house.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_on_a_stream_is_shown_out() {
    let house = House::start().await;
    let mut silent = come_in(&house, "192.0.2.1:1000").await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    house.stop().await;
}

/// The broker waits until those who came in by a doorway have their last words, and does not wait for who does not read.
#[tokio::test]
async fn a_stop_of_the_broker_ends_streams() {
    let house = House::start().await;
    let mut stream = come_in(&house, "192.0.2.1:1000").await;
    stream.write_all(&connect_packet_of_version_5("web")).await.unwrap();
    let header = read::<2>(&mut stream).await;
    assert_eq!(header[0], 0x20);
    let mut rest = vec![0; usize::from(header[1])];
    within(stream.read_exact(&mut rest)).await.unwrap();
    let _silent = come_in(&house, "192.0.2.1:1001").await;
    house.stop().await;
    let mut last_words = Vec::new();
    within(stream.read_to_end(&mut last_words)).await.unwrap();
    assert_eq!((last_words[0], last_words[2]), (0xE0, 0x8B), "server shutting down: {last_words:x?}");
}

fn connect_packet_of_version_5(client_id: &str) -> Vec<u8> {
    let body =
        [text("MQTT"), vec![5, 0b1100_0010, 0, 0, 0], text(client_id), text("bar"), text("secret")].concat();
    packet(0x10, &body)
}

/// A stream that keeps what is written until it is flushed, as those of TLS and WebSocket may.
struct Hoarder {
    stream: DuplexStream,
    kept: Vec<u8>,
}

impl AsyncRead for Hoarder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Hoarder {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, kept } = &mut *self;
        while !kept.is_empty() {
            let count = std::task::ready!(Pin::new(&mut *stream).poll_write(context, kept))?;
            kept.drain(..count);
        }
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test]
async fn what_a_stream_keeps_back_is_flushed() {
    let house = House::start().await;
    let place = house.handle.doorway().admit(peer("192.0.2.1:1000")).await.unwrap();
    // A narrow pipe, so that a flush takes several steps.
    let (mut ours, stream) = duplex(3);
    tokio::spawn(place.serve(Hoarder { stream, kept: Vec::new() }));
    within(ours.write_all(&connect_packet("web"))).await.unwrap();
    assert_eq!(read(&mut ours).await, ACCEPTED);
    for _ in 0..3 {
        within(ours.write_all(&[0xC0, 0])).await.unwrap();
        assert_eq!(read(&mut ours).await, [0xD0, 0]);
    }
    house.stop().await;
}
