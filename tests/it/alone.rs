//! What the gateway lives with when nobody is there: a disk that is full or read-only, no network, a last run that ended
//! badly. It is told, the house goes on, and it ends by itself (docs/alone.md).

use std::process::Command;

use gatehouse_tests::{Browser, LIMIT, Manager, Process, Setup, until};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::command::is_heater;
use super::disk::{Disk, run};

/// A configuration without devices.
const EMPTY: &str = "[gateway]\nname = \"House\"\n";

pub(super) fn warnings(browser: &Browser) -> Vec<String> {
    let house = browser.house();
    let all = house["gateway"]["warnings"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|warning| warning["kind"].as_str().map(str::to_owned)).collect()
}

/// Waits until these are told of the disk, and health says as much.
fn wait_for_disk(browser: &Browser, expected: Option<&str>) {
    until("what is told of the disk", LIMIT, || {
        let told = warnings(browser);
        let of_disk: Vec<&str> =
            told.iter().map(String::as_str).filter(|kind| kind.starts_with("disk")).collect();
        let health = browser.get("/health").expect(200).json();
        let is_degraded = health["status"] == "degraded";
        match of_disk == expected.into_iter().collect::<Vec<_>>() && is_degraded != told.is_empty() {
            true => Ok(()),
            false => Err(format!("{told:?} {health}")),
        }
    });
}

#[test]
fn a_disk_that_fills_up_or_cannot_be_written_is_told_and_the_house_goes_on() {
    let setup = Setup::demo();
    let Some(disk) = Disk::mount(&setup.data_directory()) else {
        println!("not tried: this user cannot mount a disk");
        return;
    };
    let mut gateway = setup.start();
    // Its rooms say so in their own words.
    for room in ["history cannot be", "cannot be written", "full", "read-only", "readonly"] {
        gateway.tolerate(room);
    }
    let browser = gateway.administrator();
    let heater = browser.find("heater", |_, property| is_heater(property));
    let switch =
        |word: &str| browser.post(&heater.set_path(), &serde_json::json!({ "value": word })).expect(202);
    wait_for_disk(&browser, None);
    disk.fill(disk.free() - 2_000_000);
    wait_for_disk(&browser, Some("disk_nearly_full"));
    disk.fill(64_000_000);
    wait_for_disk(&browser, Some("disk_full"));
    switch("ON");
    disk.make_room();
    wait_for_disk(&browser, None);
    disk.fail();
    wait_for_disk(&browser, Some("disk_read_only"));
    switch("OFF");
    // What waits in memory cannot be kept any more, and the gateway says so as it ends.
    gateway.tolerate("ERROR");
    gateway.terminate();
    let stopped = gateway.wait_stopped_with(76);
    drop(disk);
    drop(stopped);
}

/// What a disk that hangs does is tried with a real one, by `scripts/virtual-pi virt-amd64 hangs`. Here it is somebody else who keeps
/// the accounts from answering.
#[test]
fn a_database_that_answers_nobody_is_told_to_people_and_monitors_until_it_answers() {
    let setup = Setup::demo();
    let accounts = SqliteConnectOptions::new().filename(setup.data_directory().join("gatehouse.db"));
    let gateway = setup.start();
    let browser = gateway.administrator();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let holder = runtime.block_on(async {
        let mut connection = accounts.connect().await.expect("the database opens");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("nobody else holds it");
        connection
    });
    let hanging = || {
        let house = browser.house();
        let all = house["gateway"]["warnings"].as_array().cloned().unwrap_or_default();
        let hangs = all.into_iter().find(|warning| warning["kind"] == "part_hangs");
        hangs.map(|warning| warning["detail"].as_str().unwrap_or_default().to_owned())
    };
    // It is told 40 s after it was asked, which it is every 15 s.
    until("that the accounts hang", LIMIT * 3, || match hanging() {
        Some(parts) if parts == "accounts" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(browser.get("/health").expect(200).json()["status"], "degraded");
    assert_eq!(browser.get("/health?strict").status, 503);
    let metrics = browser.get("/metrics").expect(200).body;
    assert!(metrics.contains("gatehouse_warning{kind=\"part_hangs\"} 1"), "{metrics}");
    runtime.block_on(holder.close()).expect("the database closes");
    until("that they answer", LIMIT, || match hanging() {
        None => Ok(()),
        parts => Err(format!("{parts:?}")),
    });
    assert_eq!(browser.get("/health?strict").status, 200);
}

#[test]
fn how_the_last_run_ended_is_told_once() {
    let place = TempDir::new().expect("a temporary directory can be made");
    let manager = Manager::listen(place.path());
    let setup = Setup::configured(EMPTY)
        .with_user("ana", "admin", "lamp in the window")
        .environment("NOTIFY_SOCKET", &manager.path.to_string_lossy());
    let told = |gateway: &gatehouse_tests::Gateway| {
        let browser = gateway.browser();
        browser.log_in("ana", "lamp in the window");
        let told = warnings(&browser);
        told.into_iter().filter(|kind| kind.starts_with("ended")).collect::<Vec<_>>()
    };
    let wait = |gateway: &gatehouse_tests::Gateway, expected: &str| {
        until("what is told of the last run", LIMIT, || match told(gateway) {
            found if found == [expected] => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    let mark = manager.words.mark();
    let gateway = setup.start();
    manager.wait_until_looked(mark);
    assert!(told(&gateway).is_empty(), "there was none");
    let setup = gateway.kill();
    let gateway = setup.start();
    wait(&gateway, "ended_crashed");
    // The service manager says how it ended to what it runs after each end.
    let setup = gateway.kill();
    let end = Command::new(gatehouse_tests::binary::path())
        .args(["safe-outputs", "--config"])
        .arg(setup.configuration())
        .arg("--data-dir")
        .arg(setup.data_directory())
        .env("SERVICE_RESULT", "oom-kill")
        .status();
    assert!(end.expect("the program is there").success());
    let gateway = setup.start();
    wait(&gateway, "ended_out_of_memory");
    let doctor = gatehouse_tests::gateway::command_line(
        &["doctor", "--json", "--data-dir", &gateway.data_directory().to_string_lossy()],
        "",
    );
    assert!(
        doctor.stdout.contains("last-run-ended") && doctor.stdout.contains("out-of-memory"),
        "{doctor:?}"
    );
    let mark = manager.words.mark();
    let gateway = gateway.restart();
    manager.wait_until_looked(mark);
    assert!(told(&gateway).is_empty(), "it ended in order");
}

/// The words of a service manager, in a world without a network: its socket is a file, which needs none.
#[test]
fn without_a_network_the_gateway_runs_and_says_so() {
    let place = TempDir::new().expect("a temporary directory can be made");
    let file = place.path().join("gatehouse.toml");
    std::fs::write(&file, EMPTY).expect("the configuration can be written");
    if !run("unshare", &["--net", "true"]) {
        println!("not tried: this user cannot make a network of its own");
        return;
    }
    let manager = Manager::listen(place.path());
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    command.arg(gatehouse_tests::binary::path()).args([
        "run",
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
    ]);
    command.arg("--config").arg(&file).arg("--data-dir").arg(place.path().join("data"));
    command.env("NOTIFY_SOCKET", &manager.path);
    let mut process = Process::start(&mut command, "");
    manager.words.wait("READY=1", LIMIT, |line| (line == "READY=1").then_some(()));
    manager.words.wait("word of the network", LIMIT, |line| {
        (line.starts_with("STATUS=Look at the page:") && line.contains("network gone")).then_some(())
    });
    process.terminate();
    assert!(process.wait(LIMIT).success(), "{}", process.words());
}
