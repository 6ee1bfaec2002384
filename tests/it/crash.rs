//! A power cut: what was promised is still there afterwards.

use std::path::Path;
use std::time::Duration;

use gatehouse_model::Timestamp;
use gatehouse_tests::gateway::{ADMINISTRATOR, PASSWORD, accounts_file, history_file};
use gatehouse_tests::{LIMIT, Setup};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

/// What a power cut may take from history: readings are committed in groups at least this often (README).
const STATED_LOSS_WINDOW: Duration = Duration::from_secs(10);

/// Time that writing one group may itself take on a busy machine.
const COMMIT_TIME: Duration = Duration::from_secs(3);

/// How long readings are watched before the cut: two windows, so that most of them must be there.
const WATCHED: Duration = Duration::from_secs(26);

/// Opens a database as the gateway would after the cut, and lets SQLite check every page of it. The check works on a
/// copy, with the write-ahead log beside it, so that what the gateway finds later is what the cut left.
fn assert_intact(file: &Path) {
    let copies = TempDir::new().expect("a temporary directory can be made");
    let name = file.file_name().and_then(|name| name.to_str()).expect("a database has a name");
    for ending in ["", "-wal", "-shm"] {
        let source = file.with_file_name(format!("{name}{ending}"));
        if source.exists() {
            std::fs::copy(&source, copies.path().join(format!("{name}{ending}")))
                .expect("a file can be copied");
        }
    }
    let options = SqliteConnectOptions::new().filename(copies.path().join(name)).disable_statement_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let verdict: String = runtime.block_on(async {
        let mut connection = options.connect().await.expect("the database opens");
        let verdict = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await;
        connection.close().await.expect("the database closes");
        verdict.expect("SQLite answers")
    });
    assert_eq!(verdict, "ok", "{}", file.display());
}

fn time_of(message: &gatehouse_tests::Received) -> Option<Timestamp> {
    Timestamp::parse(message.user_property("ts")).ok()
}

fn minus(time: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_millis(
        time.as_millis() - i64::try_from(duration.as_millis()).expect("durations are short"),
    )
}

#[test]
fn a_power_cut_takes_no_more_history_than_the_stated_window() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let point = browser.find("temperature of a room", |_, property| property["class"] == "temperature");
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    let first = phone.wait(&point.topic(), |message| if message.retain { None } else { time_of(message) });
    phone.wait(&point.topic(), |message| {
        time_of(message).filter(|time| time.saturating_since(first) >= WATCHED)
    });

    let setup = gateway.kill();
    for file in [history_file(&setup.data_directory()), accounts_file(&setup.data_directory())] {
        assert_intact(&file);
    }
    // Nothing was lost between the broker and this subscriber: what it has seen live is what had been published.
    let seen = phone.messages().all();
    let cut = seen.iter().filter_map(time_of).max().expect("readings came");
    let safe_until = minus(cut, STATED_LOSS_WINDOW + COMMIT_TIME);
    let is_safe = |time: &Timestamp| (first..=safe_until).contains(time);
    let live = seen.iter().filter(|message| message.topic == point.topic() && !message.retain);
    let promised = live.filter_map(time_of).filter(is_safe).count();
    assert!(promised > 0, "nothing was published between {first} and {safe_until}");

    let gateway = setup.start();
    let browser = gateway.administrator();
    let path = format!("{}?from={first}&to={cut}&points=2000", point.history_path());
    let series = browser.get(&path).expect(200).json();
    let kept: u64 =
        series["points"].as_array().into_iter().flatten().filter_map(|p| p["count"].as_u64()).sum();
    assert!(kept >= promised as u64, "{kept} of {promised} promised readings are left: {series}");
    // And it goes on recording into the same database.
    let phone = gateway.phone("phone");
    phone.subscribe(&point.topic());
    phone.wait(&point.topic(), |message| (time_of(message) > Some(cut)).then_some(()));
    drop(gateway);
}

#[test]
fn a_power_cut_right_after_the_set_up_keeps_the_administrator() {
    let gateway = Setup::demo().start();
    gateway.administrator();
    let demo_user = gateway.demo_user();
    let gateway = gateway.kill().start();
    assert_eq!(gateway.setup_code(), None);
    let browser = gateway.browser();
    assert_eq!(browser.get("/api/v1/session").expect(200).json()["setup_needed"], false);
    browser.log_in(ADMINISTRATOR, PASSWORD);
    assert_eq!(gateway.demo_user(), demo_user, "a phone that was connected yesterday still is");
}

/// What was on before a power cut is off after it: a stored wish is never applied again by itself.
#[test]
fn an_output_that_was_on_is_safe_after_a_power_cut() {
    let gateway = Setup::demo().start();
    let heater = gateway.administrator().find("heater", |_, property| crate::command::is_heater(property));
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    phone.publish(&format!("{}/set", heater.topic()), "ON", false).expect("the command is taken");
    phone.wait_payload(&heater.topic(), "ON");

    let gateway = gateway.kill().start();
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    phone.wait_payload("home/status", "online");
    phone.wait_payload(&heater.topic(), "OFF");
    let on = phone.messages().all().into_iter().find(|m| m.topic == heater.topic() && m.payload == "ON");
    assert_eq!(on, None, "the heater came back on");
}

/// Cut again and again, at no particular moment: during the start, in the middle of a commit, while users are made.
#[test]
fn cut_after_cut_leaves_whole_databases() {
    let mut setup = Setup::demo();
    for round in 0..5_u32 {
        let gateway = setup.start();
        let phone = gateway.phone("phone");
        phone.subscribe("home/#");
        // A different number of messages each time puts each cut at another moment.
        let mut messages = 0;
        phone.messages().wait("messages", LIMIT, |_| {
            messages += 1;
            (messages > 20 * round).then_some(())
        });
        setup = gateway.kill();
        for file in [history_file(&setup.data_directory()), accounts_file(&setup.data_directory())] {
            assert_intact(&file);
        }
    }
    setup.start().stop();
}
