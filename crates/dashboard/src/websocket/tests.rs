//! Frames against the rules of RFC 6455, without a network.

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tungstenite::protocol::frame::coding::CloseCode;

use super::frames::{Deframer, Heard};
use super::stream::{MAX_WAITING_BYTES, WebSocket};

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A frame as a client sends it. `first` is its first byte: the end of the message, and the kind.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Everything that is said in `bytes`, which come in pieces of these lengths, over and over.
fn take(bytes: &[u8], pieces: &[usize]) -> (Vec<u8>, Vec<Heard>) {
    let (mut frames, mut data, mut heard) = (Deframer::new(), Vec::new(), Vec::new());
    let (mut rest, mut lengths) = (bytes.to_vec(), pieces.iter().cycle());
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(*lengths.next().unwrap()));
        let mut piece = std::mem::replace(&mut rest, next);
        let count = frames.take(&mut piece, &mut |one| heard.push(one));
        data.extend_from_slice(&piece[..count]);
    }
    (data, heard)
}

fn violation(bytes: &[u8]) -> Option<CloseCode> {
    let (_, heard) = take(bytes, &[usize::MAX]);
    match heard.last() {
        Some(Heard::Violation(code, _)) => Some(*code),
        _ => None,
    }
}

/// The payload of a fragment, and that of a ping before it.
type Fragment = (Vec<u8>, Option<Vec<u8>>);

/// Messages in fragments.
fn messages() -> impl Strategy<Value = Vec<Vec<Fragment>>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(any::<u8>(), 120..135),
        (65_530..65_545_usize).prop_map(|length| (0..length).map(|index| index as u8).collect()),
    ];
    let ping = prop::option::weighted(0.3, prop::collection::vec(any::<u8>(), 0..126));
    prop::collection::vec(prop::collection::vec((payload, ping), 1..4), 0..6)
}

proptest! {
    /// [MQTT-6.0.0-2] Neither the boundaries of frames nor those of reads mean anything.
    #[test]
    fn payloads_come_out_as_they_went_in(messages in messages(), pieces in prop::collection::vec(1..5_000_usize, 1..8)) {
        let (mut sent, mut data, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        for fragments in &messages {
            for (index, (payload, ping)) in fragments.iter().enumerate() {
                if let Some(ping) = ping {
                    sent.extend(frame(0x89, ping));
                    heard.push(Heard::Ping(ping.clone()));
                }
                let kind = if index == 0 { 0x02 } else { 0x00 };
                let end = if index + 1 == fragments.len() { 0x80 } else { 0x00 };
                sent.extend(frame(kind | end, payload));
                data.extend(payload);
            }
        }
        prop_assert_eq!(take(&sent, &pieces), (data, heard));
    }

    #[test]
    fn no_bytes_are_too_bad(bytes in prop::collection::vec(any::<u8>(), 0..400), pieces in prop::collection::vec(1..20_usize, 1..4)) {
        let whole = take(&bytes, &[usize::MAX]);
        prop_assert_eq!(take(&bytes, &pieces), whole);
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let sent =
        [frame(0x02, b"ab"), frame(0x89, b"?"), frame(0x80, b"c"), frame(0x88, &[0x03, 0xE8])].concat();
    let heard = vec![Heard::Ping(b"?".to_vec()), Heard::Close(Some(CloseCode::Normal))];
    assert_eq!(take(&sent, &[1]), (b"abc".to_vec(), heard));
}

/// A header that declares 256 MB, or more than there is, costs nothing, and what follows it is there at once.
#[test]
fn what_a_header_declares_is_not_waited_for() {
    for length in [256 << 20_u64, i64::MAX as u64] {
        let mut bytes = [&[0x82, 0xFF][..], &length.to_be_bytes(), &[0; 4], b"abc"].concat();
        let count = Deframer::new().take(&mut bytes, &mut |heard| panic!("{heard:?}"));
        assert_eq!(&bytes[..count], b"abc");
    }
    let impossible = [&[0x82, 0xFF][..], &(1_u64 << 63).to_be_bytes(), &[0; 4]].concat();
    assert_eq!(violation(&impossible), Some(CloseCode::Protocol));
}

#[test]
fn who_breaks_the_rules_is_told_which_kind_of_rule() {
    let too_long = frame(0x89, &[0; 126]);
    for (bytes, code) in [
        // [MQTT-6.0.0-1]
        (frame(0x81, b"text"), CloseCode::Unsupported),
        (frame(0x01, b"a part of a text"), CloseCode::Unsupported),
        (vec![0x82, 0x01, 0x00], CloseCode::Protocol),
        (frame(0xC2, b"compressed"), CloseCode::Protocol),
        (frame(0x83, b"unknown kind"), CloseCode::Protocol),
        (frame(0x8B, b"unknown kind"), CloseCode::Protocol),
        (frame(0x80, b"a fragment of nothing"), CloseCode::Protocol),
        ([frame(0x02, b"a"), frame(0x82, b"b")].concat(), CloseCode::Protocol),
        (frame(0x09, b"half a ping"), CloseCode::Protocol),
        (too_long, CloseCode::Protocol),
        (frame(0x88, &[0x03]), CloseCode::Protocol),
        (frame(0x88, &1005_u16.to_be_bytes()), CloseCode::Protocol),
        (frame(0x88, &[0x03, 0xE8, 0xFF]), CloseCode::Invalid),
    ] {
        assert_eq!(violation(&bytes), Some(code), "{bytes:x?}");
    }
}

#[test]
fn nothing_is_heard_after_the_end() {
    let close = frame(0x88, &[]);
    let (data, heard) =
        take(&[frame(0x82, b"a"), close, frame(0x82, b"b"), frame(0x81, b"c")].concat(), &[3]);
    assert_eq!((data, heard), (b"a".to_vec(), vec![Heard::Close(None)]));
}

/// A WebSocket with a client at the other end of a pipe that holds so many bytes.
fn pair(pipe: usize) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (client, socket) = duplex(pipe);
    (client, WebSocket::new(socket, Bytes::new()))
}

async fn read<const COUNT: usize>(client: &mut DuplexStream) -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    client.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn what_came_with_the_request_comes_first() {
    let (mut client, socket) = duplex(64);
    let sent = frame(0x82, b"first, second");
    let mut server = WebSocket::new(socket, Bytes::copy_from_slice(&sent[..9]));
    client.write_all(&sent[9..]).await.unwrap();
    let mut data = [0; 13];
    server.read_exact(&mut data).await.unwrap();
    assert_eq!(&data, b"first, second");
}

#[tokio::test]
async fn a_ping_is_answered_while_nothing_is_sent() {
    let (mut client, mut server) = pair(64);
    client.write_all(&[frame(0x89, b"there?"), frame(0x82, b"x")].concat()).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    assert_eq!(read(&mut client).await, *b"\x8A\x06there?");
}

/// A client that pings and does not read gets the answer to its newest ping, and costs no more than that.
#[tokio::test]
async fn pings_of_a_client_that_does_not_read_do_not_pile_up() {
    let (mut client, mut server) = pair(256);
    let flood = tokio::spawn(async move {
        for number in 0..1_000_u16 {
            client.write_all(&frame(0x89, &[number.to_be_bytes(); 60].concat())).await.unwrap();
        }
        client.write_all(&frame(0x82, b"x")).await.unwrap();
        client
    });
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    let mut client = flood.await.unwrap();
    drop(server);
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    assert!(answers.len() <= 256, "{} bytes were kept", answers.len());
    assert_eq!(answers[..2], [0x8A, 120]);
}

/// What a client does not read waits where it comes from, and not here.
#[tokio::test]
async fn a_slow_reader_is_not_written_to_without_end() {
    let (mut client, mut server) = pair(100);
    let message: Vec<u8> = (0..100_000_u32).map(|index| index as u8).collect();
    let mut accepted = 0;
    loop {
        let write = server.write(&message[accepted..]);
        match tokio::time::timeout(std::time::Duration::ZERO, write).await {
            Ok(count) => accepted += count.unwrap(),
            Err(_) => break,
        }
    }
    assert!((MAX_WAITING_BYTES..MAX_WAITING_BYTES + 200).contains(&accepted), "{accepted} bytes were taken");
    // Once it reads, it gets all of it, in binary frames.
    let reader = tokio::spawn(async move {
        let mut data = Vec::new();
        while data.len() < 100_000 {
            let length = match read(&mut client).await {
                [0x82, 126] => usize::from(u16::from_be_bytes(read(&mut client).await)),
                [0x82, length] => usize::from(length),
                other => panic!("{other:x?}"),
            };
            let start = data.len();
            data.resize(start + length, 0);
            client.read_exact(&mut data[start..]).await.unwrap();
        }
        data
    });
    server.write_all(&message[accepted..]).await.unwrap();
    server.flush().await.unwrap();
    assert!(reader.await.unwrap() == message);
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    for (said, answer) in [(&[0x03, 0xE9][..], &[0x88, 2, 0x03, 0xE9][..]), (&[], &[0x88, 0])] {
        let (mut client, mut server) = pair(64);
        client.write_all(&frame(0x88, said)).await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        let goodbye = tokio::spawn(server.say_goodbye());
        let mut heard = vec![0; answer.len()];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, answer);
        // Closed by the server first (RFC 6455 section 7.1.1).
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        drop(client);
        goodbye.await.unwrap();
    }
}

/// What the broker has written is sent before the Close frame, and the client's answer is waited for.
#[tokio::test]
async fn the_server_ends_the_conversation_in_order() {
    let (mut client, mut server) = pair(64);
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let goodbye = tokio::spawn(server.say_goodbye());
    assert_eq!(read(&mut client).await, *b"\x82\x03bye\x88\x02\x03\xE8");
    // Data that was on its way is no longer wanted.
    client.write_all(&[frame(0x82, b"late"), frame(0x88, &[0x03, 0xE8])].concat()).await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    drop(client);
    goodbye.await.unwrap();
}

/// [MQTT-6.0.0-1]
#[tokio::test]
async fn a_text_frame_ends_the_conversation_with_its_code() {
    let (mut client, mut server) = pair(64);
    client.write_all(&[frame(0x82, b"x"), frame(0x81, b"hello")].concat()).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    let goodbye = tokio::spawn(server.say_goodbye());
    assert_eq!(read(&mut client).await, *b"\x88\x02\x03\xEB");
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    drop(client);
    goodbye.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_nobody_takes_ends() {
    let (_client, server) = pair(2);
    server.say_goodbye().await;
}
