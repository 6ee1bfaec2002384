//! What a service manager is told: ready, alive, stopping (sd_notify(3)).

use gatehouse_tests::{LIMIT, Manager, Setup};
use tempfile::TempDir;

#[test]
fn systemd_is_told_that_the_gateway_is_ready_alive_and_stopping() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let manager = Manager::listen(directory.path());
    let words = &manager.words;
    let gateway = Setup::demo()
        .environment("NOTIFY_SOCKET", &manager.path.to_string_lossy())
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
}
