//! Stopping: in order, in time, with outputs safe, whatever else is going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gatehouse_tests::{Gateway, LIMIT, Setup, Wire, wire};
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
    // A request whose end never comes.
    let mut half = Wire::open(gateway.dashboard_address());
    assert!(half.send(b"POST /api/v1/login HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{"));
    gateway.stop();
    drop(silent);
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
