//! Bytes that no well-behaved client sends. They cost their sender the connection, and nobody else anything.

use gatehouse_tests::{Gateway, LIMIT, Phone, Setup, Wire, until, wire};

/// A client that must not notice anything of what others do.
struct Bystander<'a> {
    gateway: &'a Gateway,
    phone: Phone,
    count: u32,
}

impl<'a> Bystander<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        let phone = gateway.phone("bystander");
        phone.subscribe("bystander/#");
        Self { gateway, phone, count: 0 }
    }

    /// Its old connection still works, and a new one is still taken.
    fn is_well(&mut self, after: &str) {
        self.count += 1;
        let payload = format!("{} {after}", self.count);
        assert_eq!(self.phone.publish("bystander/still-here", &payload, false), Ok(()), "{after}");
        self.phone.wait_payload("bystander/still-here", &payload);
        let second = self.gateway.phone("newcomer");
        assert_eq!(second.publish("bystander/newcomer", &payload, false), Ok(()), "{after}");
        self.phone.wait_payload("bystander/newcomer", &payload);
    }
}

#[test]
fn garbage_closes_only_its_own_connection() {
    let gateway = Setup::demo().start();
    let mut bystander = Bystander::new(&gateway);
    let login = gateway.demo_user();
    let connect = wire::connect("half", &login);
    let cases: &[(&str, &[u8])] = &[
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a TLS greeting", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("all bits set", &[0xff; 64]),
        ("zeros", &[0; 64]),
        ("a length of five bytes", &[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("a length of 256 MB before the login", &[0x10, 0xff, 0xff, 0xff, 0x7f]),
        ("a message before the login", &wire::publish("a", b"b")),
        ("another protocol's name", &wire::packet(0x10, b"\x00\x04HTTP\x04\x02\x00\x00\x00\x00")),
        ("a protocol version from the future", &wire::packet(0x10, b"\x00\x04MQTT\x09\x02\x00\x00\x00\x01a")),
        (
            "a login whose strings end too early",
            &wire::packet(0x10, b"\x00\x04MQTT\x04\xc2\x00\x00\x00\x40a"),
        ),
        ("half a login", &connect[..connect.len() / 2]),
    ];
    for (what, bytes) in cases {
        let mut intruder = Wire::open(gateway.mqtt_address());
        intruder.send(bytes);
        // What is only half there may still become whole: the sender says that nothing more follows.
        intruder.finish();
        intruder.wait_closed(what);
        bystander.is_well(what);
    }
}

#[test]
fn garbage_after_a_login_closes_only_its_own_connection() {
    let gateway = Setup::demo().start();
    let mut bystander = Bystander::new(&gateway);
    let login = gateway.demo_user();
    let second_login = wire::connect("intruder", &login);
    let cases: &[(&str, &[u8])] = &[
        ("a length of 256 MB", &[0x30, 0xff, 0xff, 0xff, 0x7f]),
        ("a length of five bytes", &[0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("a second login", &second_login),
        ("a packet type that does not exist", &wire::packet(0x00, b"")),
        ("a message with QoS 3", &wire::packet(0x36, b"\x00\x01a\x00\x01x")),
        ("a message on a wildcard", &wire::publish("home/#", b"x")),
        ("a message on an empty topic", &wire::publish("", b"x")),
        ("a topic that is not UTF-8", &wire::packet(0x30, b"\x00\x02\xc3\x28x")),
        ("a topic with the null character", &wire::publish("a\0b", b"x")),
        ("a subscription without a filter", &wire::packet(0x82, b"\x00\x01")),
        ("packet id 0", &wire::publish_acknowledged("a", 0, b"x")),
        ("an answer that only a broker gives", &wire::packet(0x20, b"\x00\x00")),
        ("a string that ends after its packet", &wire::packet(0x30, b"\xff\xffa")),
    ];
    for (what, bytes) in cases {
        let mut intruder = Wire::log_in(gateway.mqtt_address(), "intruder", &login);
        intruder.send(bytes);
        // Nothing here can become whole by waiting, so the broker closes by itself.
        intruder.wait_closed(what);
        bystander.is_well(what);
    }
}

/// A client with one filter wrong among many keeps the others, so this is refused and not punished.
#[test]
fn a_subscription_with_a_misplaced_wildcard_is_refused() {
    let gateway = Setup::demo().start();
    let mut wire = Wire::log_in(gateway.mqtt_address(), "careless", &gateway.demo_user());
    assert!(wire.send(&wire::packet(0x82, b"\x00\x01\x00\x03a#b\x00\x00\x03a/b\x00")));
    assert_eq!(wire.read_exactly(6), [0x90, 4, 0, 1, 0x80, 0]);
}

/// rumqttd 0.20 lost its listener for good after a few hundred malformed packets, and its router at the first message
/// on a topic that starts with a letter outside ASCII.
#[test]
fn hundreds_of_intruders_leave_the_broker_as_it_was() {
    let gateway = Setup::demo().start();
    let mut bystander = Bystander::new(&gateway);
    let login = gateway.demo_user();
    // A fixed sequence, so that a failure comes again (the generator of Numerical Recipes, 32 bits).
    let mut state: u32 = 20_261_121;
    let mut next_byte = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for round in 0..300 {
        let mut intruder = if round % 2 == 0 {
            Wire::log_in(gateway.mqtt_address(), "a/b", &login)
        } else {
            Wire::open(gateway.mqtt_address())
        };
        let mut bytes = wire::publish("ático/temperatura", b"21.5");
        bytes.extend((0..200).map(|_| next_byte()));
        intruder.send(&bytes);
        intruder.finish();
        intruder.wait_closed("random bytes");
    }
    bystander.is_well("hundreds of intruders");
}

#[test]
fn a_client_that_says_nothing_blocks_nobody() {
    let gateway = Setup::demo().start();
    let mut bystander = Bystander::new(&gateway);
    let silent: Vec<Wire> = (0..50).map(|_| Wire::open(gateway.mqtt_address())).collect();
    let half = wire::connect("half", &gateway.demo_user());
    let mut slow = Wire::open(gateway.mqtt_address());
    assert!(slow.send(&half[..7]));
    bystander.is_well("fifty silent connections");
    // The other half of a packet makes it whole, however long it took.
    assert!(slow.send(&half[7..]));
    assert_eq!(slow.read_exactly(4), [0x20, 2, 0, 0]);
    drop(silent);
    bystander.is_well("fifty connections that ended without a word");
}

#[test]
fn the_api_answers_rubbish_with_a_sentence() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let login = "/api/v1/login";
    let json = "application/json";
    let post = |content_type: &str, body: &str| browser.post_text(login, content_type, body, &[]);
    post(json, "{\"name\": ").expect_error(400, "bad_json");
    post(json, "").expect_error(400, "bad_json");
    post(json, "[1, 2, 3]").expect_error(400, "bad_json");
    let missing = post(json, "{\"name\": \"ana\"}").expect_error(400, "bad_json");
    assert!(missing.contains("password"), "the message names what is missing: {missing}");
    post(json, "{\"name\": 5, \"password\": \"x\"}").expect_error(400, "bad_json");
    assert_eq!(post("text/plain", "name=ana").status, 415);
    // Small enough to be on its way when the answer comes, whatever the limit.
    assert_eq!(post(json, &format!("{{\"name\": \"{}\"}}", "a".repeat(100_000))).status, 413);

    let unknown = browser.get("/api/v1/nothing-here").expect(404);
    assert!(unknown.json()["error"]["message"].is_string(), "{unknown:?}");
    assert_eq!(browser.get(login).status, 405, "a login is posted");
    for query in
        ["from=yesterday", "points=-1", "points=many", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"]
    {
        let answer = browser.get(&format!("/api/v1/history/this-machine/load?{query}"));
        assert!((400..500).contains(&answer.status), "{query}: {answer:?}");
        assert!(answer.json()["error"]["message"].is_string(), "{query}: {answer:?}");
    }
    // And it is still there for those who ask well.
    until("the house", LIMIT, || match browser.get("/api/v1/house").status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
}

/// Many clients send the head and the body of a request in two pieces. A refusal that was sent before the body had come
/// once closed the connection without a word, and the next request on it was lost with "connection reset".
#[test]
fn a_refused_request_leaves_its_connection_usable_or_says_that_it_does_not() {
    let gateway = Setup::demo().start();
    for path in ["/api/v1/devices/nothing/properties/power/set", "/api/v1/nothing", "/api/v1/login"] {
        let mut wire = Wire::open(gateway.dashboard_address());
        let body = "{\"value\":\"ON\"}";
        // Refused for what is missing or wrong in the head: no login, no such path, not JSON.
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        assert!(wire.send(head.as_bytes()));
        let answer = wire.try_read_http().expect("a refusal is answered");
        assert!(answer.starts_with("http/1.1 4"), "{path}: {answer}");
        if answer.contains("connection: close") {
            continue;
        }
        let next = format!("{body}GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let next = wire.send(next.as_bytes()).then(|| wire.try_read_http()).flatten().unwrap_or_default();
        assert!(next.starts_with("http/1.1 200"), "{path}: the next request got {next:?} after {answer}");
    }
}
