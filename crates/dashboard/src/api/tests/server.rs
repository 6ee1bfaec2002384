//! The life of connections, on a real listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::world::{Mood, World};
use crate::places::MAX_CONNECTIONS_PER_ADDRESS;
use crate::{DashboardError, Listeners, Role, serve};

pub(super) async fn start(world: &World) -> (SocketAddr, JoinHandle<Result<(), DashboardError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (
        address,
        tokio::spawn(serve(Listeners { http: listener, https: None }, world.ports(), world.shutdown.clone())),
    )
}

/// Sends a request and reads until `end` has come.
pub(super) async fn ask(stream: &mut TcpStream, path: &str, cookie: &str, end: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: casa\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&heard);
        if text.contains(end) {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn the_shutdown_does_not_wait_for_event_streams() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let (address, server) = start(&world).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut idle, "/health", "", "}").await.contains("200 OK"));
    let mut tab = TcpStream::connect(address).await.unwrap();
    let first = ask(&mut tab, "/api/v1/events", &cookie, "\n\n").await;
    assert!(first.contains("event: house\ndata: {"), "{first}");

    world.shutdown.cancel();
    server.await.unwrap().unwrap();
    // Both connections were closed in order: the stream with the last chunk of its answer.
    let mut rest = Vec::new();
    tab.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&rest));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_shutdown_waits_for_requests_within_a_limit() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    *world.history.mood.lock().unwrap() = Mood::Stuck;
    let (address, server) = start(&world).await;
    let request =
        format!("GET /api/v1/history/boiler/power HTTP/1.1\r\nHost: casa\r\nCookie: {cookie}\r\n\r\n");
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(request.as_bytes()).await.unwrap();
    while world.history.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    world.shutdown.cancel();
    tokio::task::yield_now().await;
    assert!(!server.is_finished());
    // From here on tokio's clock jumps to the next deadline whenever nothing else is to be done.
    tokio::time::pause();
    server.await.unwrap().unwrap();
}

/// The rest of a request that never came used to hold the shutdown for longer than the gateway waits for the page.
#[tokio::test]
async fn the_shutdown_does_not_wait_long_for_half_a_request() {
    let world = World::new().await;
    let (address, server) = start(&world).await;
    let mut half = TcpStream::connect(address).await.unwrap();
    let request = "POST /api/v1/login HTTP/1.1\r\nHost: casa\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    half.write_all(request.as_bytes()).await.unwrap();
    // A second connection is answered: the first one, which came before it, has been accepted too.
    let mut whole = TcpStream::connect(address).await.unwrap();
    ask(&mut whole, "/health", "", "}").await;
    world.shutdown.cancel();
    tokio::time::pause();
    // The time that the gateway gives a part, on tokio's clock, which jumps to the next deadline.
    let limit = Duration::from_secs(4);
    tokio::time::timeout(limit, server).await.expect("it ends in time").unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut silent, "/health", "", "}").await.contains("200 OK"));
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /hea").await.unwrap();
    tokio::time::pause();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    let mut rest = Vec::new();
    half.read_to_end(&mut rest).await.unwrap();
}

/// 256 connections that sent a byte of a header every 6 s once kept the page from everybody, for as long as they liked.
#[tokio::test]
async fn a_header_that_trickles_in_is_cut_off() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    // The second header of a connection has a deadline as the first has.
    assert!(ask(&mut slow, "/health", "", "}").await.contains("200 OK"));
    tokio::time::pause();
    let pause = Duration::from_secs(6);
    let mut sent = 0;
    loop {
        // The last byte may meet a connection that is closed already.
        let _ = slow.write_all(b"G").await;
        sent += 1;
        // Well before the limit of silence could be what closes it.
        assert!(sent < 5, "the connection is still open");
        match tokio::time::timeout(pause, slow.read(&mut [0; 1])).await {
            Err(_) => {}
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => panic!("half a header was answered"),
        }
    }
}

/// So did those that sent a byte of a body now and then: the answer came after 20 s, and the rest of the body was read on and on.
#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/login HTTP/1.1\r\nHost: casa\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    // A second connection is answered: the request of the first one has begun.
    let mut other = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut other, "/health", "", "}").await.contains("200 OK"));
    tokio::time::pause();
    let pause = Duration::from_secs(6);
    let mut answer = Vec::new();
    let mut sent = 0;
    loop {
        let _ = slow.write_all(b" ").await;
        sent += 1;
        // Well before the limit of silence could be what closes it.
        assert!(sent < 9, "the connection is still open after {}", String::from_utf8_lossy(&answer));
        let mut piece = [0; 1024];
        match tokio::time::timeout(pause, slow.read(&mut piece)).await {
            Err(_) => {}
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(length)) => answer.extend_from_slice(&piece[..length]),
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    async fn connect_from_elsewhere(address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap()
    }

    let world = World::new().await;
    let (address, _server) = start(&world).await;
    let mut greedy = Vec::new();
    for _ in 0..MAX_CONNECTIONS_PER_ADDRESS {
        greedy.push(connect_from_elsewhere(address).await);
    }
    let mut too_many = connect_from_elsewhere(address).await;
    assert_eq!(too_many.read(&mut [0; 1]).await.unwrap(), 0);
    // Those within the limit are served, and so is everybody else.
    let last = greedy.last_mut().unwrap();
    assert!(ask(last, "/health", "", "}").await.contains("200 OK"));
    let mut other = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut other, "/health", "", "}").await.contains("200 OK"));
}

#[tokio::test]
async fn rubbish_closes_its_own_connection_only() {
    let world = World::new().await;
    let (address, _server) = start(&world).await;
    for rubbish in [&b"\x10\xff\xff\xff\x7f"[..], b"GET / HTTP/9.9\r\n\r\n", &[0; 1000]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as a close.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut stream, "/health", "", "}").await.contains("200 OK"));
}
