//! Stopping: in order, in time, with outputs safe, whatever else is going on.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gatehouse_tests::{Gateway, LIMIT, Login, Phone, Setup, Wire, binary, wire};
use serde_json::Value;

/// Clients that publish as fast as they can and never read, and browsers that ask without a pause.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..4_u16 {
            let mut wire =
                Wire::log_in(gateway.mqtt_address(), &format!("load-{number}"), &gateway.demo_user());
            let stop = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || {
                let (topic, mut packet_id) = (format!("load/{number}"), 0_u16);
                while !stop.load(Ordering::Relaxed) {
                    packet_id = packet_id.checked_add(1).unwrap_or(1);
                    let message = if number < 2 {
                        wire::publish(&topic, &[b'x'; 200])
                    } else {
                        wire::publish_acknowledged(&topic, packet_id, &[b'x'; 200])
                    };
                    if !wire.send(&message) || (number >= 2 && wire.try_read_exactly(4).is_none()) {
                        return;
                    }
                }
            }));
        }
        for _ in 0..2 {
            let (browser, stop) = (gateway.administrator(), Arc::clone(&stop));
            threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) && browser.try_get("/api/v1/house").is_ok() {}
            }));
        }
        Self { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_stop_under_load_leaves_outputs_safe_and_says_so() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let heater = browser.find("heater", |_, property| crate::command::is_heater(property));
    let witness = gateway.phone("witness");
    witness.subscribe("home/#");
    witness.publish(&format!("{}/set", heater.topic()), "ON", false).expect("the command is taken");
    witness.wait_payload(&heater.topic(), "ON");
    let events = browser.events();
    events.wait("house", LIMIT, |_| Some(()));

    let load = Load::on(&gateway);
    let mark = witness.messages().mark();
    gateway.terminate();
    // Exit code 0 within 15 s, and no error in the log.
    let stopped = gateway.wait_stopped();
    drop(load);
    events.wait_end(LIMIT);

    // What a subscriber saw last: the output off, with the stop as its cause; its device and the gateway offline.
    let seen = witness.messages().all();
    let after: Vec<_> = seen.iter().skip(mark).collect();
    let off = after.iter().position(|message| message.topic == heater.topic() && message.payload == "OFF");
    let off = off.unwrap_or_else(|| panic!("nobody was told that the heater is off: {after:#?}"));
    let cause: Value = serde_json::from_str(after[off].user_property("cause")).expect("a state has a cause");
    assert_eq!(cause["by"], "fail-safe", "{cause}");
    let availability = format!("home/{}/availability", heater.device);
    let gone =
        after.iter().rposition(|message| message.topic == availability && message.payload == "offline");
    let status =
        after.iter().rposition(|message| message.topic == "home/status" && message.payload == "offline");
    assert!(gone > Some(off), "the device goes offline after it is safe: {after:#?}");
    assert!(status > Some(off), "the gateway goes offline after its outputs are safe: {after:#?}");

    // A second life begins with the heater off and everything online.
    let gateway = stopped.setup.start();
    let late = gateway.phone("late");
    late.subscribe("home/#");
    late.wait_payload("home/status", "online");
    late.wait_payload(&heater.topic(), "OFF");
}

/// `gatehouse run 2>&1 | tee log` and Ctrl-C end both at once: from then on a line of the log cannot be written. That
/// once made the daemon panic in the middle of its stop, with the heater on.
#[test]
fn a_log_that_nobody_reads_does_not_keep_the_outputs_from_being_safe() {
    let directory = tempfile::TempDir::new().expect("a temporary directory can be made");
    let data = directory.path().to_string_lossy().into_owned();
    let mut child = Command::new(binary::path())
        .args(["run", "--demo", "--data-dir", &data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    drop(child.stderr.take());
    let words = BufReader::new(child.stdout.take().expect("it was asked for"));
    let lines: Vec<String> =
        words.lines().map_while(Result::ok).take_while(|line| line != "Ready.").collect();
    let find = |label: &str| {
        let line = lines.iter().find_map(|line| line.trim().strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label} is missing: {lines:#?}")).trim().to_owned()
    };
    let (user, password) = find("MQTT user:").split_once("password:").map_or_else(
        || panic!("the demonstration has a user: {lines:#?}"),
        |(user, password)| (user.trim().to_owned(), password.trim().to_owned()),
    );
    let address = find("MQTT:").parse().expect("an address is printed");
    let phone = Phone::connect(address, "witness", &Login { user, password });
    phone.subscribe("home/#");
    phone.publish("home/heater/power/set", "ON", false).expect("the command is taken");
    phone.wait_payload("home/heater/power", "ON");

    let mark = phone.messages().mark();
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM)
        .expect("the child can be signalled");
    phone.wait_after(mark, "home/heater/power", |message| (message.payload == "OFF").then_some(()));
    phone.wait_after(mark, "home/status", |message| (message.payload == "offline").then_some(()));
    assert_eq!(child.wait().expect("the child can be waited for").code(), Some(0));
}

#[test]
fn event_streams_do_not_hold_the_stop_up() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let streams: Vec<_> = (0..8).map(|_| browser.events()).collect();
    for stream in &streams {
        stream.wait("house", LIMIT, |_| Some(()));
    }
    gateway.stop();
    for stream in streams {
        stream.wait_end(LIMIT);
    }
}

#[test]
fn silent_connections_do_not_hold_the_stop_up() {
    let gateway = Setup::demo().start();
    let silent: Vec<Wire> = [gateway.mqtt_address(), gateway.dashboard_address()]
        .into_iter()
        .flat_map(|address| (0..10).map(move |_| Wire::open(address)))
        .collect();
    // Requests whose end never comes, in the middle of their headers and of a body that is being read. The second once
    // made the stop exit with 1: the page drained it for longer than it was given.
    let mut half = Wire::open(gateway.dashboard_address());
    assert!(half.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Unfinished:"));
    let mut body = Wire::open(gateway.dashboard_address());
    assert!(body.send(
        b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    ));
    gateway.stop();
    drop((silent, half, body));
}

/// Readings that were published while the gateway was stopping must not reach a history that is closed, and a stop at
/// once after the start must not find half a house.
#[test]
fn a_stop_right_after_the_start_is_clean() {
    let mut setup = Setup::demo();
    for _ in 0..3 {
        setup = setup.start().stop().setup;
    }
}
