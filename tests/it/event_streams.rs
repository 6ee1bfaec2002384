//! The event stream over connections that are lost.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use gatehouse_tests::{LIMIT, Setup};
use serde_json::json;

/// Over a lost connection a page is told what it missed, and not everything again.
#[test]
fn a_page_that_comes_back_goes_on_where_it_was() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let made = browser.post("/api/v1/tokens", &json!({ "name": "wall", "scope": "read" })).expect(201).json();
    let token = made["secret"].as_str().expect("a text").to_owned();
    let address = gateway.dashboard_address();
    let mut stream = TcpStream::connect(address).expect("the gateway accepts");
    let request =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
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
