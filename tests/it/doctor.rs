//! The check-up: a port that another program has is named with that program, and the helper that mends takes nothing but its
//! words.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::{Setup, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The findings of a report of this kind.
fn of_kind<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().filter(|finding| finding["kind"] == kind).collect()
}

#[test]
fn a_port_in_use_is_told_with_the_program_that_has_it() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let file = directory.path().join("gatehouse.toml");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    std::fs::write(&file, format!("[mqtt]\nlisten = \"{address}\"\n")).expect("it can be written");
    let (file, data) = (file.to_string_lossy(), directory.path().to_string_lossy());
    let arguments = ["doctor", "--json", "--config", &file, "--data-dir", &data];
    let told = command_line(&arguments, "");
    assert_eq!(told.code, Some(1), "{told:?}");
    let report: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let program = std::fs::read_to_string("/proc/self/comm").expect("this test has a name");
    let expected = json!([address.port().to_string(), "[mqtt]", format!("`{}`", program.trim())]);
    let found = of_kind(&report, "port-taken");
    assert!(found.iter().any(|finding| finding["facts"] == expected), "{expected} in {report}");

    // For people, and without the listener.
    let text = command_line(&["doctor", "--config", &file, "--data-dir", &data], "").stdout;
    assert!(
        text.contains(&format!("Port {} of [mqtt] is in use by `{}`.", address.port(), program.trim())),
        "{text}"
    );
    drop(listener);
    let report: Value = serde_json::from_str(&command_line(&arguments, "").stdout).expect("JSON");
    let port = json!(address.port().to_string());
    assert!(!of_kind(&report, "port-taken").iter().any(|finding| finding["facts"][0] == port), "{report}");
}

#[test]
fn the_page_of_a_running_gateway_finds_its_own_ports_in_order_and_a_demonstration_mends_nothing() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let report = browser.get("/api/v1/doctor").expect(200).json();
    let own =
        [gateway.mqtt_address().port(), gateway.dashboard_address().port()].map(|port| port.to_string());
    for finding in of_kind(&report, "port-taken") {
        assert!(!own.iter().any(|port| finding["facts"][0] == *port), "{report}");
    }
    assert!(report["no_helper"].as_str().is_some_and(|why| why.contains("demonstration")), "{report}");
    browser.post("/api/v1/doctor/mend", &json!({ "word": "stop-mosquitto" })).expect_error(409, "no_helper");
    browser.post("/api/v1/doctor/mend", &json!({ "word": "reboot" })).expect_error(422, "unknown_mend");
    assert!(gateway.stop().status.success());
}

/// What the helper answers to these bytes on a connection, as systemd hands it over, and how it ends.
fn ask_helper(bytes: &[u8]) -> (String, Option<i32>) {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let output = theirs.try_clone().expect("a second handle");
    let mut helper = Command::new(binary::path())
        .arg("mend")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    ours.write_all(bytes).expect("it listens");
    ours.shutdown(Shutdown::Write).expect("the end can be told");
    let mut answer = String::new();
    ours.read_to_string(&mut answer).expect("it answers");
    (answer, helper.wait().expect("it ends").code())
}

#[test]
fn the_helper_takes_words_of_its_list_and_nothing_else() {
    for line in [&b"groups; reboot\n"[..], b"", b"enable-i2c\ngroups\n", &[b'a'; 300], b"\0\xff\n"] {
        let (answer, code) = ask_helper(line);
        let answer: Value = serde_json::from_str(&answer).expect("one line of JSON");
        assert!(answer["problem"].is_string() && answer["done"].is_null(), "{line:?}: {answer}");
        assert_eq!(code, Some(1));
    }
    // Without a connection nobody can be asked who it is.
    let told = command_line(&["mend"], "groups\n");
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains("gatehouse doctor --mend"), "{told:?}");
}
