//! What is recorded and what is told of the recording: topics, events and their reasons, over a kill and a stop, and over a
//! disk that refuses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatehouse_tests::gateway::{command_line, history_file};
use gatehouse_tests::{Browser, Gateway, LIMIT, Setup, until};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time until a disk that works again is noticed: between two tries there is a minute at most.
const RETRY_LIMIT: Duration = Duration::from_secs(180);

const STATUS: &str = "/api/v1/history/status";

const HOUSE: &str = r#"
[history]
commit_every = "1s"
disk_floor = 0
topics = ["weather/+/temperature", { topic = "tele/+/SENSOR", fields = ["ENERGY.Power"], unit = "W" }]

[[device]]
id = "pump"
driver = "output"
pin = 5
safe = "off"
max_on = "1h"
"#;

/// Everything that was recorded, one row a line.
fn rows(directory: &Path) -> Vec<String> {
    let directory = directory.to_str().expect("temporary paths are UTF-8");
    let exported = command_line(&["export", "--data-dir", directory], "");
    assert_eq!(exported.code, Some(0), "{exported:?}");
    exported.stdout.lines().map(str::to_owned).collect()
}

/// The log of events, the newest first.
fn events(browser: &Browser, query: &str) -> Vec<Value> {
    let found = browser.get(&format!("/api/v1/history/events?{query}")).expect(200).json();
    found["events"].as_array().expect("there is a list of events").clone()
}

/// The words of the events of the gateway itself, the newest first.
fn gateway_events(browser: &Browser) -> Vec<String> {
    let events = events(browser, "kinds=gateway");
    events.iter().map(|event| event["value"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn topics_and_events_survive_a_kill_and_a_stop_says_why() {
    let gateway = Setup::simulated(HOUSE).start();
    let browser = gateway.administrator();
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    phone.wait_payload("home/pump/power", "OFF");
    phone.publish("weather/garden/temperature", "12.5", false).expect("the topic is open");
    phone.publish("weather/garden/humidity", "99", false).expect("the topic is open");
    phone
        .publish("tele/plug/SENSOR", r#"{"ENERGY":{"Power":42,"Total":7}}"#, false)
        .expect("the topic is open");
    until("both topics", LIMIT, || {
        let rows = rows(&gateway.data_directory());
        let has = |end: &str| rows.iter().any(|row| row.ends_with(end));
        let both = has(",topic:weather/garden/temperature,number,,12.5,ok")
            && has(",topic:tele/plug/SENSOR/ENERGY/Power,number,W,42,ok");
        if both { Ok(()) } else { Err(format!("{rows:#?}")) }
    });
    phone.publish("home/pump/power/set", "ON", false).expect("the pump is there");
    phone.wait_payload("home/pump/power", "ON");
    // Causes are committed at once: what is there when it is read survives whatever comes next.
    let switched = until("the event of the switch", LIMIT, || {
        let found = events(&browser, "kinds=switched&device=pump");
        found.into_iter().find(|event| event["value"] == "ON").ok_or_else(|| "no event".to_owned())
    });
    assert!(switched["cause"].to_string().contains("phone"), "{switched}");

    let gateway = gateway.kill().start();
    let browser = gateway.administrator();
    let found = events(&browser, "kinds=switched&device=pump&contains=ON");
    assert!(found.contains(&switched), "{found:#?}");
    // A kill leaves no word behind; whether it also leaves an outage depends on how soon the next start comes.
    until("the second start", LIMIT, || {
        let words = gateway_events(&browser);
        let starts = words.iter().filter(|word| *word == "start").count();
        if starts == 2 && !words.contains(&"stop".to_owned()) { Ok(()) } else { Err(format!("{words:?}")) }
    });
    assert!(
        !rows(&gateway.data_directory()).iter().any(|row| row.contains("humidity")),
        "nobody asked for it"
    );

    let gateway = gateway.restart();
    let browser = gateway.administrator();
    let stop = events(&browser, "kinds=gateway").into_iter().find(|event| event["value"] == "stop");
    let why = stop.map(|event| event["sentence"].to_string());
    assert!(why.as_ref().is_some_and(|why| why.contains("signal")), "{why:?}");
}

/// A small disk of its own for the database, which ends with the test.
struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    /// Mounts it, or says loudly why this machine does not allow that.
    #[expect(clippy::print_stderr, reason = "who runs the tests has to see what was not tested")]
    fn mount(options: &str) -> Option<Self> {
        let place = TempDir::with_prefix("gatehouse-disk-").expect("a temporary directory can be made");
        let disk = Self { place };
        match disk.call("mount", &["-t", "tmpfs", "-o", options, "gatehouse-test"]) {
            Ok(()) => Some(disk),
            Err(problem) => {
                eprintln!(
                    "NOT TESTED: a disk that refuses. This machine lets nobody mount a small disk ({problem}); run the \
                     tests as root, in a container with CAP_SYS_ADMIN."
                );
                None
            }
        }
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let called = Command::new(program).args(arguments).arg(self.place.path()).output();
        let called = called.map_err(|error| error.to_string())?;
        if called.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&called.stderr).trim().to_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // One that is still used goes with its last user.
        let _ = self.call("umount", &["-l"]);
    }
}

/// A house whose history is on the small disk, and all else is not.
fn on_small_disk(disk: &SmallDisk) -> Setup {
    let setup = Setup::simulated(HOUSE);
    std::fs::create_dir_all(setup.data_directory()).expect("the data directory can be made");
    std::os::unix::fs::symlink(disk.file("history.db"), history_file(&setup.data_directory()))
        .expect("a link can be made");
    setup
}

/// Waits until the gateway says that nothing can be recorded, or that all is well.
fn wait_refused(browser: &Browser, refused: bool) -> Value {
    until("what is told of the recording", RETRY_LIMIT, || {
        let status = browser.get(STATUS).expect(200).json();
        let house = browser.house();
        let warnings = house["gateway"]["warnings"].as_array().into_iter().flatten();
        let warned = warnings.filter(|warning| warning["kind"] == "history_failing").count() == 1;
        let told = !status["refused_since"].is_null();
        if (told, warned) == (refused, refused) { Ok(status) } else { Err(format!("{status} {house}")) }
    })
}

/// The house goes on, whatever its history does.
fn switch(gateway: &Gateway, word: &str) {
    let phone = gateway.phone("phone");
    phone.subscribe("home/pump/#");
    let mark = phone.messages().mark();
    phone.publish("home/pump/power/set", word, false).expect("the pump is there");
    phone.wait_after(mark, "home/pump/power", |message| (message.payload == word).then_some(()));
}

/// Waits until an event is in the file that the house made while its disk refused.
fn wait_switched(browser: &Browser, word: &str) {
    until("the event that waited", LIMIT, || {
        let found = events(browser, "kinds=switched&device=pump");
        let is_there = found.iter().any(|event| event["value"] == word);
        if is_there { Ok(()) } else { Err(format!("{found:#?}")) }
    });
}

#[test]
fn a_full_disk_holds_nothing_up_and_recording_resumes() {
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    let mut gateway = on_small_disk(&disk).start();
    gateway.tolerate("history cannot be written");
    let browser = gateway.administrator();
    switch(&gateway, "ON");
    wait_switched(&browser, "ON");
    assert!(browser.get(STATUS).expect(200).json()["refused_since"].is_null());

    // Somebody else fills the disk to its last byte.
    let mut other = std::fs::File::create(disk.file("other")).expect("a file can be made");
    let filled = std::io::copy(&mut std::io::repeat(b'x'), &mut other).expect_err("it ends");
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull, "{filled}");
    // A file that is deleted while it is open keeps its room.
    drop(other);
    // What is recorded grows until the room in the database and its log is used up.
    let phone = gateway.phone("talker");
    let text = "x".repeat(900);
    until("the disk refuses", LIMIT, || {
        for number in 0..100 {
            let (topic, value) = (format!("weather/{number}/temperature"), format!("{number} {text}"));
            phone.publish(&topic, &value, false).expect("the topic is open");
        }
        let status = browser.get(STATUS).expect(200).json();
        if status["refused_since"].is_null() { Err(status.to_string()) } else { Ok(()) }
    });
    wait_refused(&browser, true);
    switch(&gateway, "OFF");

    std::fs::remove_file(disk.file("other")).expect("the other file can be deleted");
    wait_refused(&browser, false);
    wait_switched(&browser, "OFF");
    gateway.stop();
}

#[test]
fn a_disk_that_is_read_only_at_the_start_holds_nothing_up_and_recording_begins() {
    let Some(disk) = SmallDisk::mount("size=32m") else { return };
    disk.call("mount", &["-o", "remount,ro"]).expect("what was mounted can be mounted read-only");
    let mut gateway = on_small_disk(&disk).start();
    gateway.tolerate("history database");
    gateway.tolerate("history cannot be written");
    let browser = gateway.administrator();
    let status = wait_refused(&browser, true);
    assert_eq!((&status["series"], &status["last_commit"]), (&Value::from(0), &Value::Null), "{status}");
    switch(&gateway, "ON");
    browser.get("/api/v1/history/events").expect_error(503, "history_unavailable");

    disk.call("mount", &["-o", "remount,rw"]).expect("it can be mounted as before");
    wait_refused(&browser, false);
    wait_switched(&browser, "ON");
    gateway.stop();
}
