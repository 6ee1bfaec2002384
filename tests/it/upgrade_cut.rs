//! `kill -9` while a newer release brings the data of an older one up to its own forms, at instants all over the start: the
//! next start has everything.
//!
//! Environment variables:
//! - `GATEHOUSE_CUTS`: how many times; 10 when unset.
//! - `GATEHOUSE_SEED`: which instants; 1 when unset.

use std::path::Path;

use gatehouse_model::{Clock, SystemClock};
use gatehouse_tests::gateway::Login;
use gatehouse_tests::{Phone, Setup};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

/// Cuts of one run, unless somebody asks for more.
const CUTS: u32 = 10;

/// Samples of the older release's history: enough for its move to take a while.
const SAMPLES: i64 = 60_000;

const PASSWORD: &str = "lamp in the window";

/// A configuration without devices.
const EMPTY: &str = "[gateway]\nname = \"House\"\n";

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).disable_statement_logging();
    options.connect().await.expect("the database opens")
}

/// Makes of the databases of this release those of earlier ones, with what a house has.
async fn age(data: &Path) {
    for ending in ["", "-wal", "-shm"] {
        // A log is only there when the gateway was not stopped.
        let _ = std::fs::remove_file(data.join(format!("history.db{ending}")));
    }
    let mut history = open(&data.join("history.db")).await;
    let all = Migrator::new(Path::new("../crates/history/migrations")).await.expect("there are migrations");
    all.run_to(1, &mut history).await.expect("the first form is made");
    let rows = format!(
        "INSERT INTO series (id, device, property, since) VALUES (1, 'kitchen', 'temperature', 1795000000000);
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {SAMPLES} - 1)
        INSERT INTO sample (ts, series, value, quality) SELECT 1795000000000 + i * 1000, 1, i % 100, 0 FROM n;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut history).await.expect("rows are written");
    history.close().await.expect("it closes");
    let mut accounts = open(&data.join("gatehouse.db")).await;
    let back =
        "DROP INDEX audit_by_shelf; ALTER TABLE audit DROP COLUMN shelf; ALTER TABLE audit DROP COLUMN times;
        PRAGMA user_version = 5;";
    sqlx::raw_sql(back).execute(&mut accounts).await.expect("the form of before is made");
    accounts.close().await.expect("it closes");
}

/// What must be there, however often the upgrade was cut.
async fn check(data: &Path) {
    let mut history = open(&data.join("history.db")).await;
    let (rows, sum): (i64, i64) =
        sqlx::query_as("SELECT count(*), CAST(sum(value) AS INTEGER) FROM sample WHERE ts < 1796000000000")
            .fetch_one(&mut history)
            .await
            .expect("the samples can be read");
    // What is sealed meanwhile is in chunks; nothing of it is older than the gateway's own clock allows here.
    let sealed: i64 = sqlx::query_scalar("SELECT coalesce(sum(count), 0) FROM chunk")
        .fetch_one(&mut history)
        .await
        .expect("the chunks can be read");
    assert_eq!(rows + sealed, SAMPLES, "{rows} rows of the sum {sum} and {sealed} sealed");
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut history).await.expect("SQLite answers");
    assert_eq!(verdict, "ok");
    history.close().await.expect("it closes");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("the directory can be read").flatten() {
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        match source.is_dir() {
            true => copy(&source, &place),
            false => drop(std::fs::copy(&source, &place).expect("a file can be copied")),
        }
    }
}

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn an_upgrade_that_is_cut_at_any_instant_has_everything_at_the_next_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let login = Login { user: "ana".to_owned(), password: PASSWORD.to_owned() };
    let older = Setup::configured(EMPTY).with_user("ana", "admin", PASSWORD);
    let gateway = older.start();
    let phone = Phone::connect(gateway.mqtt_address(), "phone", &login);
    phone.publish("garden/gate", "closed", true).expect("it is acknowledged");
    drop(phone);
    let older = gateway.stop().setup;
    runtime.block_on(age(&older.data_directory()));

    // How long the upgrade takes when nobody cuts it.
    let clock = SystemClock::new();
    let whole = Setup::configured(EMPTY);
    copy(&older.data_directory(), &whole.data_directory());
    let began = clock.moment();
    let gateway = whole.start();
    let took = clock.moment().saturating_since(began);
    let data = gateway.data_directory();
    assert!(data.join("before-upgrade").is_dir(), "it was an upgrade");
    let stopped = gateway.stop();
    runtime.block_on(check(&data));
    drop(stopped);

    let (cuts, seed) = (number("GATEHOUSE_CUTS", CUTS), number("GATEHOUSE_SEED", 1));
    let mut unready = 0;
    for cut in 0..cuts {
        let setup = Setup::configured(EMPTY);
        copy(&older.data_directory(), &setup.data_directory());
        // Spread over the start, each a little off its place: a step of the golden ratio never comes back to it.
        let share = (f64::from(cut) + (f64::from(seed + cut) * 0.618_034).fract()) / f64::from(cuts);
        let after = took.mul_f64(share);
        unready += u32::from(!setup.kill_while_starting(after));
        let gateway = setup.start();
        let phone = Phone::connect(gateway.mqtt_address(), "phone", &login);
        phone.subscribe("garden/#");
        phone.wait_payload("garden/gate", "closed");
        drop(phone);
        let data = gateway.data_directory();
        assert!(data.join("before-upgrade").is_dir(), "the way back is there, cut after {after:?}");
        let stopped = gateway.stop();
        runtime.block_on(check(&data));
        drop(stopped);
    }
    assert!(unready >= cuts / 2, "most of {cuts} cuts came before the start was done: {unready}");
    println!(
        "cut at {cuts} instants of a start of {took:?}, {unready} of them before it was ready (seed {seed})"
    );
}
