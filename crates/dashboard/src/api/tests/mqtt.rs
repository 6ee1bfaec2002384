//! The door for MQTT over WebSocket, on a real listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{ask, start};
use super::world::World;
use crate::MqttRefusal;
use crate::places::MAX_CONNECTIONS_PER_ADDRESS;

/// What a client says to open a WebSocket (the key and its answer are those of RFC 6455 section 1.3).
const HANDSHAKE: [(&str, &str); 5] = [
    ("Host", "gatehouse"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A binary frame with a mask of zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    [&[0x82, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

/// Asks for `/mqtt` and gives the connection with the head of the answer.
async fn knock(address: SocketAddr, headers: &[(&str, &str)]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = knock_on(&mut stream, headers).await;
    (stream, head)
}

async fn knock_on(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), headers: &[(&str, &str)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("GET /mqtt HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Opens a WebSocket for MQTT.
async fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    open_on(&mut stream).await;
    stream
}

/// Opens a WebSocket for MQTT on a connection.
pub(super) async fn open_on(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut headers = HANDSHAKE.to_vec();
    headers.push(("Sec-WebSocket-Protocol", "mqtt"));
    let head = knock_on(stream, &headers).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}

pub(super) async fn assert_echo(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&frame(b"hello")).await.unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x82\x05hello");
}

/// [MQTT-6.0.0-3] and [MQTT-6.0.0-4]: asked for, and told back.
#[tokio::test]
async fn the_subprotocol_is_what_the_client_asked_for() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    for (asked, answer) in [
        (&["mqtt"][..], Some("mqtt")),
        (&["mqttv3.1"], Some("mqttv3.1")),
        (&["mqttv3.1, mqtt"], Some("mqttv3.1")),
        (&["chat , mqtt"], Some("mqtt")),
        (&["chat", "mqtt"], Some("mqtt")),
        (&["chat"], None),
        (&["MQTT"], None),
        (&["mqtt/2"], None),
        (&[""], None),
        (&[], None),
    ] {
        let mut headers = HANDSHAKE.to_vec();
        headers.extend(asked.iter().map(|asked| ("Sec-WebSocket-Protocol", *asked)));
        let (mut stream, head) = knock(address, &headers).await;
        if let Some(answer) = answer {
            assert!(head.starts_with("http/1.1 101 "), "{asked:?}: {head}");
            assert!(head.contains(&format!("sec-websocket-protocol: {answer}\r\n")), "{asked:?}: {head}");
            assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
            assert_echo(&mut stream).await;
        } else {
            assert!(head.starts_with("http/1.1 400 "), "{asked:?}: {head}");
            let mut body = [0; 36];
            stream.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, br#"{"error":{"code":"subprotocol_needed"#);
        }
    }
}

/// What comes by without a handshake is told what this is, and stays a connection for HTTP.
#[tokio::test]
async fn who_opens_no_websocket_is_told_so() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let without = |name: &str, value: Option<&'static str>| {
        let mut headers: Vec<_> = HANDSHAKE.into_iter().filter(|(other, _)| *other != name).collect();
        headers.extend(
            value.map(|value| (HANDSHAKE.iter().find(|(other, _)| *other == name).unwrap().0, value)),
        );
        headers.push(("Sec-WebSocket-Protocol", "mqtt"));
        headers
    };
    for (headers, status, instead) in [
        (vec![("Host", "gatehouse")], "426", "upgrade: websocket"),
        (without("Upgrade", None), "426", "upgrade: websocket"),
        (without("Connection", None), "426", "upgrade: websocket"),
        (without("Sec-WebSocket-Version", Some("8")), "426", "sec-websocket-version: 13"),
        (without("Sec-WebSocket-Key", None), "400", "content-type: application/json"),
        (without("Sec-WebSocket-Key", Some("short")), "400", "content-type: application/json"),
    ] {
        let (_stream, head) = knock(address, &headers).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{headers:?}: {head}");
        assert!(head.contains(instead), "{headers:?}: {head}");
    }
    assert!(world.door.admitted.lock().unwrap().is_empty(), "nobody took a place");
}

/// A page of any site that somebody in the house opened could come in by that browser and, where clients without a name
/// are let in, do whatever those may.
#[tokio::test]
async fn pages_of_other_sites_are_refused_and_written_down() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let knock_from = async |host: &str, origin: &str| {
        let mut headers = HANDSHAKE[1..].to_vec();
        headers.extend([("Host", host), ("Origin", origin), ("Sec-WebSocket-Protocol", "mqtt")]);
        knock(address, &headers).await
    };
    for (host, origin) in [
        ("gateway.local:8080", "http://evil.example"),
        // A name that was bound to the gateway's address after the page was loaded.
        ("evil.example:8080", "http://evil.example:8080"),
        ("192.168.1.20:8080", "http://192.168.1.66"),
        ("192.168.1.20:8080", "http://localhost:3000"),
        ("gateway.local:8080", "http://gateway.local.evil.example"),
        ("gateway.local:8080", "https://panel.example"),
        // Another page of this machine, under its name, its address, and without a port.
        ("gateway.local:8080", "http://gateway.local:1880"),
        ("192.168.1.20:8080", "http://192.168.1.20:3000"),
        ("192.168.1.20:8080", "http://192.168.1.20"),
        ("localhost:8080", "http://localhost:8123"),
        ("gateway.local:8080", "https://gateway.local:9443"),
        ("gateway.local", "http://gateway.local:1880"),
        // The gateway's page with TLS is at another port, and other kinds of pages are none of it.
        ("gateway.local:8443", "https://gateway.local:8080"),
        ("gateway.local:8080", "capacitor://gateway.local:8080"),
        ("gateway.local:8080", "http://gateway.local:8080.evil.example"),
        ("gateway.local:8080", "http://gateway.local:+8080"),
        ("gateway.local:8080", "null"),
        ("gateway.local:8080", ""),
    ] {
        let (_stream, head) = knock_from(host, origin).await;
        assert!(head.starts_with("http/1.1 403 "), "{host} {origin}: {head}");
    }
    assert!(world.door.admitted.lock().unwrap().is_empty(), "nobody took a place");
    let noted = world.audited().await;
    assert!(noted.contains(&("cross-site", Some("http://evil.example".to_owned()))), "{noted:?}");
    for (host, origin) in [
        ("gateway.local:8080", "http://gateway.local:8080"),
        ("gateway.local:8443", "https://Gateway.local:8443"),
        // The gateway's page without TLS, by the door with TLS.
        ("gateway.local:8443", "http://gateway.local:8080"),
        // Behind a proxy, which has the usual ports.
        ("casa.local", "https://casa.local"),
        ("casa.local", "http://casa.local"),
        ("casa.local:443", "https://casa.local"),
        ("casa.local:8000", "http://casa.local:8000"),
        ("192.168.1.20:8080", "http://casa.local:8080"),
        ("192.168.1.20:8080", "http://192.168.1.20:8080"),
        ("[fd00::20]:8080", "http://[fd00::20]:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("192.168.1.20:8080", "https://panel.example:9443"),
    ] {
        let (_stream, head) = knock_from(host, origin).await;
        assert!(head.starts_with("http/1.1 101 "), "{host} {origin}: {head}");
    }
}

/// Programs that are no browsers send no origin, or that of the gateway; a cookie is nothing to them.
#[tokio::test]
async fn programs_come_in_under_any_name() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut headers = HANDSHAKE.to_vec();
    headers.push(("Sec-WebSocket-Protocol", "mqtt"));
    let (mut stream, head) = knock(address, &headers).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert_echo(&mut stream).await;
    assert_eq!(world.door.admitted.lock().unwrap()[0].ip(), address.ip(), "the broker knows who comes");
}

#[tokio::test]
async fn who_finds_no_place_is_told_before_the_websocket() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut headers = HANDSHAKE.to_vec();
    headers.push(("Sec-WebSocket-Protocol", "mqtt"));
    for (refusal, code) in [(MqttRefusal::Full, "too_many_connections"), (MqttRefusal::Stopped, "stopped")] {
        *world.door.refusal.lock().unwrap() = Some(refusal);
        let (mut stream, head) = knock(address, &headers).await;
        assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after: 5\r\n"), "{head}");
        let mut body = vec![0; 18 + code.len()];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(body, format!("{{\"error\":{{\"code\":\"{code}").as_bytes());
    }
}

/// HTTP closes a connection on which nothing moves; MQTT has its keep-alive.
#[tokio::test]
async fn a_silent_websocket_is_not_closed_by_the_page() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut stream = open(address).await;
    assert_echo(&mut stream).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    tokio::time::resume();
    assert_echo(&mut stream).await;
}

/// Connections that have become WebSockets count at the broker, and leave the page its places.
#[tokio::test]
async fn websockets_take_no_places_of_the_page() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut streams = Vec::new();
    for _ in 0..=MAX_CONNECTIONS_PER_ADDRESS {
        let mut stream = open(address).await;
        assert_echo(&mut stream).await;
        streams.push(stream);
    }
    let mut page = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut page, "/health", "", "}").await.contains("200 OK"));
}

/// The broker stops after the page, and it is the broker that says goodbye.
#[tokio::test]
async fn a_shutdown_of_the_page_leaves_websockets_to_the_broker() {
    let world = World::new().await;
    let (address, server) = start(&world).await;
    let mut stream = open(address).await;
    assert_echo(&mut stream).await;
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
    assert_echo(&mut stream).await;
    world.door.stop.cancel();
    let mut close = [0; 4];
    stream.read_exact(&mut close).await.unwrap();
    assert_eq!(&close, b"\x88\x02\x03\xE8");
    stream.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}
