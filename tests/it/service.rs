//! What a service manager is told: ready, alive, stopping (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

use gatehouse_tests::{Inbox, LIMIT, Setup};
use tempfile::TempDir;

#[test]
fn systemd_is_told_that_the_gateway_is_ready_alive_and_stopping() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be made");
    let words = Inbox::default();
    let heard = words.clone();
    let manager = std::thread::spawn(move || {
        let mut buffer = [0; 1_024];
        while let Ok(count) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if text == "END" {
                break;
            }
            text.lines().for_each(|line| heard.push(line.to_owned()));
        }
    });

    let gateway = Setup::demo()
        .environment("NOTIFY_SOCKET", &path.to_string_lossy())
        .environment("WATCHDOG_USEC", "2000000")
        .start();
    let is = |word: &'static str| move |line: &String| (line == word).then_some(());
    words.wait("READY=1", LIMIT, is("READY=1"));
    // The watchdog is fed more than once: by a gateway that works, not by one that has just started.
    for _ in 0..2 {
        words.wait_after(words.mark(), "WATCHDOG=1", LIMIT, is("WATCHDOG=1"));
    }
    let mark = words.mark();
    gateway.stop();
    words.wait_after(mark, "STOPPING=1", LIMIT, is("STOPPING=1"));

    let end = UnixDatagram::unbound().expect("a socket can be made");
    end.send_to(b"END", &path).expect("the thread listens");
    manager.join().expect("the thread ended");
}
