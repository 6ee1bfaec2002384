//! MQTT over WebSocket on the web port: what holds for the MQTT port holds here, whatever the frames are like.

use gatehouse_tests::websocket::{frame, kind};
use gatehouse_tests::{Gateway, Setup, WebSocket, Wire, wire};

fn log_in(gateway: &Gateway, client_id: &str) -> WebSocket {
    WebSocket::log_in(gateway.dashboard_address(), client_id, &gateway.demo_user())
}

const PING_REQUEST: [u8; 2] = [0xC0, 0];
const PING_ANSWER: [u8; 2] = [0xD0, 0];

/// [MQTT-6.0.0-2] Packets may share a frame, and span many: here one byte each, as whole messages and as fragments.
#[test]
fn packets_need_not_fit_into_frames() {
    let gateway = Setup::demo().start();
    let witness = gateway.phone("witness");
    witness.subscribe("frames/#");
    let connect = wire::connect("drop-by-drop", &gateway.demo_user());
    let packets =
        [connect.clone(), wire::publish("frames/a", b"first"), wire::publish("frames/b", b"second")].concat();

    let mut drops = WebSocket::open(gateway.dashboard_address());
    for byte in &packets {
        assert!(drops.send(kind::BINARY, &[*byte]));
    }
    witness.wait_payload("frames/b", "second");

    let mark = witness.messages().mark();
    let mut fragments = WebSocket::open(gateway.dashboard_address());
    assert!(fragments.send(kind::BINARY_BEGIN, &[]));
    for byte in &packets {
        assert!(fragments.send(kind::MORE, &[*byte]));
        assert!(fragments.send(kind::PING, &[*byte]));
    }
    witness.wait_after(mark, "frames/b", |message| (message.payload == "second").then_some(()));

    let mark = witness.messages().mark();
    let mut whole = WebSocket::open(gateway.dashboard_address());
    assert!(whole.send(kind::BINARY, &packets));
    witness.wait_after(mark, "frames/b", |message| (message.payload == "second").then_some(()));
    assert_eq!(whole.read(), (kind::BINARY, vec![0x20, 2, 0, 0]));
}

#[test]
fn who_breaks_the_rules_is_closed_with_a_code_and_nobody_else_notices() {
    let gateway = Setup::demo().start();
    let mut bystander = log_in(&gateway, "bystander");
    let huge = |first: u8| [&[first, 0xFF][..], &(256_u64 << 20).to_be_bytes(), &[0; 4]].concat();
    let too_large = [huge(kind::BINARY), vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F]].concat();
    let cases: [(&str, Vec<u8>, Option<u16>); 8] = [
        // [MQTT-6.0.0-1]
        ("a text frame", frame(kind::TEXT, &PING_REQUEST), Some(1003)),
        ("a text of 256 MB", huge(kind::TEXT), Some(1003)),
        ("a frame without a mask", vec![kind::BINARY, 2, 0xC0, 0], Some(1002)),
        ("a ping of 256 MB", huge(kind::PING), Some(1002)),
        ("a fragment of nothing", frame(kind::MORE, &PING_REQUEST), Some(1002)),
        ("a packet that is too large, in a frame that is", too_large, Some(1000)),
        ("no packet", frame(kind::BINARY, &[0; 64]), Some(1000)),
        ("a goodbye", frame(kind::CLOSE, &[0x03, 0xE9]), Some(1001)),
    ];
    for (what, bytes, code) in &cases {
        let mut intruder = log_in(&gateway, "intruder");
        assert!(intruder.send_raw(bytes), "{what}");
        assert_eq!(intruder.wait_closed(what), *code, "{what}");
        assert!(bystander.send(kind::BINARY, &PING_REQUEST), "{what}");
        assert_eq!(bystander.read(), (kind::BINARY, PING_ANSWER.to_vec()), "{what}");
    }
    assert!(bystander.send(kind::PING, b"still there?"));
    assert_eq!(bystander.read(), (kind::PONG, b"still there?".to_vec()));
}

/// A message whose fragments never end is no message of MQTT, but bytes; the packet in it has a limit.
#[test]
fn a_message_without_an_end_is_bounded_by_the_packet_in_it() {
    let gateway = Setup::demo().start();
    let mut endless = log_in(&gateway, "endless");
    assert!(endless.send(kind::BINARY_BEGIN, &[]));
    // A message for everybody in each of a thousand fragments: the WebSocket message may go on for ever.
    let message = wire::publish("endless", &[b'x'; 10_000]);
    for _ in 0..1_000 {
        assert!(endless.send(kind::MORE, &message));
    }
    assert!(endless.send(kind::MORE, &PING_REQUEST));
    assert_eq!(endless.read(), (kind::BINARY, PING_ANSWER.to_vec()));
    // A packet that declares more than the broker takes ends it at its first bytes.
    assert!(endless.send(kind::MORE, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]));
    assert_eq!(endless.wait_closed("a packet of 256 MB"), Some(1000));
}

/// A client that does not read gets what fits, is not waited for, and costs no more than its limits.
#[test]
fn a_client_that_does_not_read_costs_no_more_than_its_limits() {
    const MESSAGES: u16 = 1_200;
    let gateway = Setup::demo().start();
    let mut lazy: Vec<WebSocket> = (0..3)
        .map(|number| {
            let mut lazy = log_in(&gateway, &format!("lazy-{number}"));
            assert!(lazy.send(kind::BINARY, &wire::packet(0x82, b"\x00\x01\x00\x07flood/#\x00")));
            assert_eq!(lazy.read(), (kind::BINARY, vec![0x90, 3, 0, 1, 0]));
            lazy
        })
        .collect();
    let witness = gateway.phone("witness");
    witness.subscribe("witness/#");
    let before = gateway.memory_bytes();
    let mut flood = Wire::log_in(gateway.mqtt_address(), "flood", &gateway.demo_user());
    let payload = vec![b'x'; 64 * 1_024];
    for packet_id in 1..=MESSAGES {
        assert!(flood.send(&wire::publish_acknowledged("flood/all", packet_id, &payload)));
        // Acknowledged though three of its receivers take nothing.
        assert_eq!(flood.read_exactly(2), [0x40, 2]);
        flood.read_exactly(2);
    }
    let grown = gateway.memory_bytes().saturating_sub(before);
    let flooded = u64::from(MESSAGES) * payload.len() as u64;
    assert!(grown < flooded / 2, "{} MB for clients that do not read", grown >> 20);
    witness.publish("witness/here", "still", false).expect("others are served");
    witness.wait_payload("witness/here", "still");
    // When one of them reads again, it is served as before: whole packets, in binary frames.
    let mut late = lazy.swap_remove(0);
    assert!(late.send(kind::BINARY, &PING_REQUEST));
    let mut bytes = Vec::new();
    loop {
        let (first, payload) = late.read();
        assert_eq!(first, kind::BINARY);
        bytes.extend(payload);
        while bytes.len() >= 4 && bytes[0] == 0x30 {
            // A length of three bytes: 65,536 and the topic.
            let length = (1..4).map(|at| usize::from(bytes[at] & 0x7F) << (7 * (at - 1))).sum::<usize>() + 4;
            if bytes.len() < length {
                break;
            }
            assert!(bytes[4..].starts_with(b"\x00\x09flood/allxxx"));
            bytes.drain(..length);
        }
        if bytes == PING_ANSWER {
            break;
        }
    }
}

/// Silence before the login is ended in time, by the limit of the MQTT port.
#[test]
fn silent_connections_are_closed_and_leave_room_for_others() {
    let gateway = Setup::demo().start();
    let address = gateway.dashboard_address();
    let mut silent: Vec<WebSocket> = Vec::new();
    // As many as one address may have that have not logged in; the next one is told so before it is a WebSocket.
    let refusal = loop {
        match WebSocket::try_open(address) {
            Ok(socket) => silent.push(socket),
            Err(refusal) => break refusal,
        }
        assert!(silent.len() < 1_000, "there is no limit");
    };
    assert!(refusal.starts_with("http/1.1 503 ") && refusal.contains("retry-after: "), "{refusal}");
    // The page is no victim of it.
    gateway.browser().get("/api/v1/session").expect(200);
    for mut socket in silent {
        assert_eq!(socket.wait_closed("silence"), Some(1000));
    }
    log_in(&gateway, "late");
}

/// The broker says goodbye, and the stop does not wait for those who do not listen.
#[test]
fn a_stop_ends_websockets_with_a_goodbye() {
    let gateway = Setup::demo().start();
    let login = gateway.demo_user();
    let mut client = WebSocket::open(gateway.dashboard_address());
    let body =
        [&b"\x00\x04MQTT\x05\xc2\x00\x00\x00\x00\x01w"[..], &string(&login.user), &string(&login.password)];
    assert!(client.send(kind::BINARY, &wire::packet(0x10, &body.concat())));
    let (_, answer) = client.read();
    assert_eq!((answer[0], answer[3]), (0x20, 0), "CONNACK with success");
    let _does_not_listen = log_in(&gateway, "deaf");
    let _does_not_log_in = WebSocket::open(gateway.dashboard_address());
    gateway.stop();
    let (first, goodbye) = client.read();
    assert_eq!((first, goodbye[0], goodbye[2]), (kind::BINARY, 0xE0, 0x8B), "server shutting down");
    assert_eq!(client.wait_closed("the stop"), Some(1000));
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("test strings are short");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// What is published by one door comes out at the other, with the same rights.
#[test]
fn both_doors_lead_to_one_broker() {
    let gateway = Setup::demo().start();
    let phone = gateway.phone("phone");
    phone.subscribe("doors/#");
    let mut web = log_in(&gateway, "web");
    assert!(web.send(kind::BINARY, &wire::packet(0x82, b"\x00\x01\x00\x07doors/#\x00")));
    assert_eq!(web.read(), (kind::BINARY, vec![0x90, 3, 0, 1, 0]));
    assert!(web.send(kind::BINARY, &wire::publish("doors/web", b"hello")));
    phone.wait("doors/web", |message| (message.payload == "hello").then_some(()));
    assert_eq!(web.read(), (kind::BINARY, wire::publish("doors/web", b"hello")));
    phone.publish("doors/phone", "good day", false).expect("it is taken");
    assert_eq!(web.read(), (kind::BINARY, wire::publish("doors/phone", b"good day")));
    // A wrong password is refused in MQTT's own words, and the conversation ends.
    let mut stranger = WebSocket::open(gateway.dashboard_address());
    let wrong = gatehouse_tests::Login { password: "wrong".to_owned(), ..gateway.demo_user() };
    assert!(stranger.send(kind::BINARY, &wire::connect("stranger", &wrong)));
    assert_eq!(stranger.read(), (kind::BINARY, vec![0x20, 2, 0, 4]));
    assert_eq!(stranger.wait_closed("a wrong password"), Some(1000));
}
