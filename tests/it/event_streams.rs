//! Many pages at once, and pages that stop reading: the gateway's memory stays flat, and whoever reads hears everything.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatehouse_tests::{Browser, Gateway, LIMIT, Setup, until};
use serde_json::json;
use socket2::{Domain, Socket, Type};

/// Pages from two addresses: one alone may not have as many connections.
const PAGES: usize = 100;

/// Events that every page that reads hears before the first look at the memory, on average.
const EVENTS_BEFORE: usize = 4;

/// And between the first look and the second. The demonstration house makes a few in a second.
const EVENTS: usize = 25;

/// What the memory may grow by while they are sent: what is kept of events (1 MiB), what waits in the connections that
/// nobody reads (a few kilobytes each), and what the rest of the daemon takes for as many changes.
const MOST_GROWTH: u64 = 16 * 1_024 * 1_024;

/// A connection from this address of the machine.
fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("every 127.x.y.z is this machine");
    // A page that does not read has little room, so that the gateway notices.
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket.connect(&to.into()).expect("the gateway accepts");
    socket.into()
}

fn open(from: Ipv4Addr, gateway: &Gateway, token: &str) -> TcpStream {
    let mut stream = connect(from, gateway.dashboard_address());
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
        gateway.dashboard_address()
    );
    stream.write_all(request.as_bytes()).expect("it takes the request");
    stream
}

/// Toggles an input of the demonstration house until the pages have heard this many events.
fn toggle(browser: &Browser, heard: &AtomicUsize, wanted: usize) {
    let mut on = false;
    until("events to come", LIMIT * 6, || {
        on = !on;
        browser.post("/api/v1/demo/inputs", &json!({ "device": "front-door", "on": on })).expect(204);
        let heard = heard.load(Ordering::SeqCst);
        if heard >= wanted { Ok(()) } else { Err(format!("{heard} of {wanted}")) }
    });
}

#[test]
fn a_hundred_pages_half_of_which_never_read_leave_the_memory_flat() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let made = browser.post("/api/v1/tokens", &json!({ "name": "wall", "scope": "read" })).expect(201).json();
    let token = made["secret"].as_str().expect("a text").to_owned();
    let heard = Arc::new(AtomicUsize::new(0));
    let (mut silent, mut readers) = (Vec::new(), Vec::new());
    for number in 0..PAGES {
        let from = Ipv4Addr::new(127, 0, 0, 1 + u8::from(number % 4 < 2));
        let stream = open(from, &gateway, &token);
        if number % 2 == 0 {
            silent.push(stream);
            continue;
        }
        let heard = Arc::clone(&heard);
        readers.push(std::thread::spawn(move || {
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            let status = lines.next().unwrap_or_default();
            let mut count = 0;
            for _ in lines.filter(|line| line.starts_with("event: ")) {
                count += 1;
                heard.fetch_add(1, Ordering::SeqCst);
            }
            (status, count)
        }));
    }
    // All are there, and what the first work takes is taken.
    toggle(&browser, &heard, readers.len() * EVENTS_BEFORE);
    let before = gateway.memory_bytes();
    let already = heard.load(Ordering::SeqCst);
    toggle(&browser, &heard, already + readers.len() * EVENTS);
    let after = gateway.memory_bytes();
    println!("{before} bytes before, {after} after");
    assert!(
        after <= before + MOST_GROWTH,
        "{before} bytes of memory became {after} while {EVENTS} events went to each of {PAGES} pages"
    );
    // The page goes on for people, too.
    browser.get("/api/v1/house").expect(200);
    drop(silent);
    assert!(gateway.stop().status.success());
    for reader in readers {
        let (status, count) = reader.join().expect("the reader ends with the stream");
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(count > 1, "one page heard nothing but the house");
    }
}

/// Over a lost connection a page is told what it missed, and not everything again.
#[test]
fn a_page_that_comes_back_goes_on_where_it_was() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let made = browser.post("/api/v1/tokens", &json!({ "name": "wall", "scope": "read" })).expect(201).json();
    let token = made["secret"].as_str().expect("a text").to_owned();
    let stream = open(Ipv4Addr::LOCALHOST, &gateway, &token);
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let id = lines.find_map(|line| line.strip_prefix("id: ").map(str::to_owned)).expect("an id");
    drop(lines);
    let again = browser.stream(&format!("/api/v1/events?after={id}"));
    // The house would have come before anything else.
    again.wait("clock", LIMIT, |_| Some(()));
    assert!(!again.has("house"), "it has that already");
    let fresh = browser.stream("/api/v1/events?after=0-0");
    fresh.wait("house", LIMIT, |_| Some(()));
    assert!(gateway.stop().status.success());
}
