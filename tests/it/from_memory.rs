//! A start on a disk that cannot be written. The house has its outputs, its broker and its page; the page says what is wrong,
//! refuses what could not be kept, and gives a backup away. The disk stays as it is, and the next start on one that can be
//! written is as if nothing had been.

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::{Browser, Gateway, LIMIT, Received, Setup, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::alone::warnings;
use super::command::is_heater;
use super::disk::{Disk, Memory};

/// Somebody's own topic.
const NOTE: &str = "hall/note";

const PASSPHRASE: &str = "lamp in the window";

/// A gateway whose data is on a disk of its own, with memory from a service manager.
struct House {
    place: TempDir,
    disk: Disk,
    memory: Memory,
}

impl House {
    /// With how to start it. Nothing where this user cannot mount disks.
    #[expect(clippy::print_stdout, reason = "only so is it told that nothing was tried")]
    fn build() -> Option<(Self, Setup)> {
        let place = TempDir::new().expect("a temporary directory can be made");
        let setup = Setup::demo();
        let disk = Disk::mount(&setup.data_directory());
        let memory = Memory::mount(&place.path().join("run"), "64M");
        let (Some(disk), Some(memory)) = (disk, memory) else {
            println!("not tried: this user cannot mount a disk");
            return None;
        };
        let setup = setup.environment("RUNTIME_DIRECTORY", &memory.0.to_string_lossy());
        Some((Self { place, disk, memory }, setup))
    }
}

/// Starts it where it has to say what is wrong.
fn start(setup: Setup) -> (Gateway, Browser) {
    let mut gateway = setup.start();
    for words in ["runs from memory", "nothing more is recorded"] {
        gateway.tolerate(words);
    }
    let browser = gateway.administrator();
    (gateway, browser)
}

/// The same on a disk that is full.
fn start_full(house: &House, setup: Setup) -> (Gateway, Browser) {
    house.disk.fill(64_000_000);
    start(setup)
}

/// What is told of the disk, with its detail.
fn told(browser: &Browser) -> Option<String> {
    let house = browser.house();
    let all = house["gateway"]["warnings"].as_array().cloned().unwrap_or_default();
    let own = all.iter().find(|warning| warning["kind"] == "runs_from_memory")?;
    own["detail"].as_str().map(str::to_owned)
}

/// Everything works that needs nothing kept, and the note that is retained is this one.
fn use_house(gateway: &Gateway, browser: &Browser, note: &str) {
    let phone = gateway.phone("phone");
    phone.subscribe("#");
    phone.wait_payload(NOTE, note);
    let heater = browser.find("heater", |_, property| is_heater(property));
    for word in ["ON", "OFF"] {
        // A gateway that was killed a moment ago knows that the heater has to rest, and refuses until then.
        until("the heater", LIMIT, || {
            phone.publish(&format!("{}/set", heater.topic()), word, false)?;
            let all = phone.messages().all();
            let is_it = |message: &Received| message.topic == heater.topic() && message.payload == word;
            all.iter().any(is_it).then_some(()).ok_or_else(|| format!("no {word} in {all:?}"))
        });
    }
    phone.publish(NOTE, "of memory", true).expect("the broker takes it");
    assert_eq!(browser.get("/health").expect(200).json()["status"], "degraded");
    let metrics = browser.get("/metrics").expect(200).body;
    assert!(metrics.contains("gatehouse_warning{kind=\"runs_from_memory\"} 1"), "{metrics}");
    let doctor = browser.get("/api/v1/doctor").expect(200).json();
    let has_finding = |findings: &[Value]| findings.iter().any(|one| one["kind"] == "runs-from-memory");
    assert!(has_finding(doctor["findings"].as_array().expect("a list")), "{doctor}");
}

/// What somebody would miss after the next start is refused, with the reason.
fn change_in_vain(browser: &Browser, reason: &str) {
    let user = json!({ "name": "ben", "role": "viewer", "password": PASSPHRASE });
    let configuration = json!({ "text": "", "base": "" });
    for refused in [
        browser.post("/api/v1/users", &user),
        browser.post("/api/v1/pairing", &json!({ "user": "ana", "client": "phone" })),
        browser.put("/api/v1/configuration", &configuration),
        browser.post("/api/v1/restore", &json!({})),
    ] {
        let why = refused.expect_error(507, "nothing_kept");
        assert!(why.contains(reason), "{why}");
    }
}

/// The command line told "Added ben" of accounts on the disk, which the gateway in memory never sees: the broker refused ben.
fn change_in_vain_by_command_line(gateway: &Gateway, reason: &str) {
    let add = ["user", "add", "ben", "--role", "viewer", "--password-stdin"];
    for (arguments, input) in [(&add[..], PASSPHRASE), (&["user", "remove", "ana"], "")] {
        let refused = gateway.command_line(arguments, input);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains("runs from memory") && refused.stderr.contains(reason),
            "{refused:?}"
        );
    }
    let listed = gateway.command_line(&["user", "list"], "");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains("ana\t") && !listed.stdout.contains("ben"), "{listed:?}");
}

/// A phone that is stolen while the disk is dead is locked out, and who lists phones sees it.
fn take_away(gateway: &Gateway, browser: &Browser) {
    assert_eq!(browser.delete("/api/v1/users/ana/clients/phone").status, 204);
    let listed = gateway.command_line(&["client", "list"], "");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(!listed.stdout.contains("phone"), "{listed:?}");
}

/// Makes a backup at the page and gives its name.
fn back_up(browser: &Browser) -> String {
    browser.post("/api/v1/backup", &json!({ "passphrase": PASSPHRASE })).expect(202);
    until("a backup", LIMIT, || {
        let backups = browser.get("/api/v1/backup").expect(200).json();
        backups["made"]["name"].as_str().map(str::to_owned).ok_or_else(|| backups.to_string())
    })
}

/// The card of a house turned read-only and the machine was restarted: there was no gateway any more, so no heating either.
#[test]
fn a_gateway_starts_on_a_read_only_disk_and_leaves_it_as_it_is() {
    let Some((house, setup)) = House::build() else { return };
    let gateway = setup.start();
    let browser = gateway.administrator();
    gateway.phone("phone").publish(NOTE, "of before", true).expect("the broker takes it");
    let recorded = until("something recorded", LIMIT, || {
        let series = browser.get("/api/v1/history/series").expect(200).json();
        series.as_array().map(Vec::len).filter(|count| *count > 0).ok_or_else(|| series.to_string())
    });
    let setup = gateway.stop().setup;
    house.disk.remount("ro");
    let before = house.disk.content();
    let (gateway, browser) = start(setup);
    let detail = format!("read_only {}", gateway.data_directory().display());
    assert_eq!(told(&browser), Some(detail.clone()));
    use_house(&gateway, &browser, "of before");
    change_in_vain(&browser, "read-only");
    // The disk is the one that cannot be written, and not the memory that is written instead.
    let disk = browser.get("/api/v1/system").expect(200).json()["disk"].take();
    assert_eq!(disk["free_bytes"], house.disk.free(), "{disk}");
    // What was measured is shown, and goes into the backup.
    let series = browser.get("/api/v1/history/series").expect(200).json();
    assert!(series.as_array().map_or(0, Vec::len) >= recorded, "{series}");
    let name = back_up(&browser);
    assert!(name.starts_with("gatehouse-"), "{name}");
    let (backup, _) = browser.get_bytes("/api/v1/backup/file");
    // Another daemon does not get at the same outputs.
    let second = gateway_beside(&gateway);
    assert!(second.contains("another gatehouse is running"), "{second}");
    // After a crash it goes on with what it knew.
    let (gateway, browser) = start(gateway.kill());
    assert_eq!(told(&browser), Some(detail));
    use_house(&gateway, &browser, "of memory");
    assert_eq!(house.memory.names().len(), 1);
    // The command line can take everything away as well, history of any length included.
    let file = house.place.path().join("backup.tar.age");
    let (data, file) = (gateway.data_directory(), file.to_string_lossy());
    let arguments = ["backup", &file, "--data-dir", &data.to_string_lossy(), "--passphrase-file", "-"];
    let made = command_line(&arguments, PASSPHRASE);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(house.disk.content() == before, "the disk was written to");
    // It comes back while the gateway runs, which goes on as it began.
    house.disk.remount("rw");
    // What could not be kept is no failure of the stop.
    let setup = gateway.stop().setup;
    let gateway = setup.start();
    let browser = gateway.administrator();
    assert!(warnings(&browser).iter().all(|kind| kind.starts_with("ended") || kind.starts_with("disk")));
    let phone = gateway.phone("phone");
    phone.subscribe(NOTE);
    phone.wait_payload(NOTE, "of before");
    let users = browser.get("/api/v1/users").expect(200).body;
    assert!(users.contains("\"ana\"") && !users.contains("\"ben\""), "{users}");
    assert!(house.memory.names().is_empty(), "{:?}", house.memory.names());
    drop(gateway);
    restore(&backup);
}

/// What a second daemon on the same data says.
fn gateway_beside(gateway: &Gateway) -> String {
    let data = gateway.data_directory();
    let arguments = [
        "run",
        "--demo",
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
        "--data-dir",
        &data.to_string_lossy(),
    ];
    let second = command_line(&arguments, "");
    assert_eq!(second.code, Some(1), "{second:?}");
    second.stderr
}

/// A backup that was made from memory is a whole one.
fn restore(backup: &[u8]) {
    let place = TempDir::new().expect("a temporary directory can be made");
    let [file, passphrase, data] = ["backup", "passphrase", "data"].map(|name| place.path().join(name));
    std::fs::write(&file, backup).expect("it can be written");
    std::fs::write(&passphrase, PASSPHRASE).expect("it can be written");
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let arguments =
        ["restore", &text(&file), "--passphrase-file", &text(&passphrase), "--data-dir", &text(&data)];
    let restored = command_line(&arguments, "");
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let listed = command_line(&["user", "list", "--data-dir", &text(&data)], "");
    assert!(listed.stdout.contains("ana"), "{listed:?}");
    let exported = command_line(&["export", "--data-dir", &text(&data)], "");
    assert!(exported.stdout.lines().count() > 1, "{exported:?}");
}

/// Databases cannot even be opened where nothing fits, so that a full disk took the house its gateway at the next start.
#[test]
fn a_gateway_starts_on_a_full_disk_and_is_itself_again_with_room() {
    let Some((house, setup)) = House::build() else { return };
    let gateway = setup.start();
    let phone = json!({ "name": "phone", "rights": "viewer" });
    gateway.administrator().post("/api/v1/users/ana/clients", &phone).expect(201);
    gateway.phone("phone").publish(NOTE, "of before", true).expect("the broker takes it");
    let setup = gateway.stop().setup;
    let (mut gateway, browser) = start_full(&house, setup);
    let detail = format!("full {}", gateway.data_directory().display());
    assert_eq!(told(&browser), Some(detail));
    use_house(&gateway, &browser, "of before");
    change_in_vain(&browser, "make room");
    change_in_vain_by_command_line(&gateway, "make room");
    take_away(&gateway, &browser);
    back_up(&browser);
    house.disk.make_room();
    gateway.restart_by_page(&browser);
    let browser = gateway.administrator();
    assert_eq!(told(&browser), None);
    let phone = gateway.phone("phone");
    phone.subscribe(NOTE);
    phone.wait_payload(NOTE, "of before");
    assert!(house.memory.names().is_empty(), "{:?}", house.memory.names());
    let user = json!({ "name": "ben", "role": "viewer", "password": PASSPHRASE });
    browser.post("/api/v1/users", &user).expect(201);
}

/// Beside a full disk the history wrote as soon as there was room, while the page told that nothing was kept; and copies of
/// password digests stayed in memory after the gateway was stopped where no service manager takes them away.
#[test]
fn a_disk_with_room_again_is_left_alone_and_memory_is_left_empty() {
    let Some((house, setup)) = House::build() else { return };
    let setup = setup
        .environment("RUNTIME_DIRECTORY", "")
        .environment("XDG_RUNTIME_DIR", &house.memory.0.to_string_lossy());
    let gateway = setup.start();
    gateway.administrator();
    let setup = gateway.stop().setup;
    let (gateway, browser) = start_full(&house, setup);
    assert_eq!(house.memory.names().len(), 1);
    house.disk.make_room();
    let history = gateway.data_directory().join("history.db");
    let before = std::fs::read(&history).expect("it can be read");
    let heater = browser.find("heater", |_, property| is_heater(property));
    let phone = gateway.phone("another");
    phone.subscribe("#");
    for word in ["ON", "OFF"] {
        phone.publish(&format!("{}/set", heater.topic()), word, false).expect("the broker takes it");
        phone.wait_payload(&heater.topic(), word);
    }
    let doctor = gateway.command_line(&["doctor", "--json"], "");
    assert!(doctor.stdout.contains("runs-from-memory"), "{doctor:?}");
    let setup = gateway.stop().setup;
    assert!(std::fs::read(&history).expect("it can be read") == before, "history was written to");
    assert!(!history.with_file_name("history.db-wal").exists());
    assert!(house.memory.names().is_empty(), "{:?}", house.memory.names());
    // Nor is the check-up taken in by what a gateway left that was killed.
    let (gateway, _) = start_full(&house, setup);
    let setup = gateway.kill();
    assert_eq!(house.memory.names().len(), 1);
    let doctor = setup.command_line(&["doctor", "--json"], "");
    assert!(doctor.stdout.contains("findings") && !doctor.stdout.contains("runs-from-memory"), "{doctor:?}");
}

/// Without accounts nobody could come in, and whoever came first would be the administrator of a house that is not his.
#[test]
fn where_no_gateway_was_set_up_a_read_only_disk_is_told_and_nothing_starts() {
    let Some((house, setup)) = House::build() else { return };
    house.disk.remount("ro");
    let ended = setup.start_in_vain();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no gateway was ever set up there"), "{ended:?}");
    assert!(house.memory.names().is_empty(), "{:?}", house.memory.names());
}
