//! The way back after an upgrade: the copy of before takes its place again.

use std::path::Path;

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::process::Finished;
use gatehouse_tests::{Gateway, Setup};
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};

/// Whole files of the data directory, as the start of a newer release copies them before it changes them.
fn copy_of_before(data: &Path) {
    let copy = data.join("before-upgrade");
    std::fs::create_dir(&copy).expect("there was no upgrade yet");
    for name in ["gatehouse.db", "broker.db", "history.db", "board.state"] {
        std::fs::copy(data.join(name), copy.join(name))
            .expect("a gateway that has stopped leaves whole files");
    }
    let forms = json!({ "gatehouse.db": form(data, |form| form) });
    let note = json!({
        "version": env!("CARGO_PKG_VERSION"), "made": "2026-11-20T08:14:00.000Z", "forms": forms, "without_history": false,
    });
    std::fs::write(copy.join("copy.json"), note.to_string()).expect("it can be written");
}

/// The form of the accounts, before it is changed to what `to` says.
fn form(data: &Path, to: impl Fn(i64) -> i64) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite:{}", data.join("gatehouse.db").display());
        let mut accounts = SqliteConnection::connect(&url).await.expect("the accounts open");
        let form: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut accounts).await.expect("it has a form");
        let pragma = format!("PRAGMA user_version = {}", to(form));
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut accounts).await.expect("it can be changed");
        accounts.close().await.expect("it closes");
        form
    })
}

fn rollback(data: &Path, arguments: &[&str]) -> Finished {
    let (data, file) = (data.to_string_lossy(), data.join("none.toml").to_string_lossy().into_owned());
    let all = [&["rollback", "--data-dir", &data, "--config", &file], arguments].concat();
    command_line(&all, "y\n")
}

fn people(gateway: &Gateway) -> String {
    gateway.administrator().get("/api/v1/users").expect(200).json().to_string()
}

#[test]
fn an_older_release_runs_again_on_what_it_left_behind() {
    let gateway = Setup::demo().start();
    let before = people(&gateway);
    assert!(before.contains("\"ana\""), "{before}");
    let refused = rollback(&gateway.data_directory(), &["--yes"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("systemctl stop gatehouse"), "{refused:?}");
    let setup = gateway.stop().setup;
    let nothing = rollback(&setup.data_directory(), &["--yes"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("there is no copy"), "{nothing:?}");

    // The newer release copies, changes the accounts, and runs for a while.
    copy_of_before(&setup.data_directory());
    let setup = setup.with_user("since", "viewer", "added after the upgrade");
    let older = form(&setup.data_directory(), |form| form + 1);
    let refused = setup.start_in_vain();
    assert!(refused.code == Some(1) && refused.stderr.contains("sudo gatehouse rollback"), "{refused:?}");

    let unasked = rollback(&setup.data_directory(), &[]);
    assert!(unasked.code == Some(1) && unasked.stderr.contains("--yes"), "{unasked:?}");
    assert!(
        unasked.stdout.contains("gatehouse.db: people, passwords"),
        "what is lost is said first: {unasked:?}"
    );
    assert!(setup.data_directory().join("before-upgrade").exists(), "and nothing was done");
    let done = rollback(&setup.data_directory(), &["--yes"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stdout.contains("2026-11-20") && done.stdout.contains("before-restore-"), "{done:?}");
    assert!(!done.stdout.contains("broker.db:") && !done.stdout.contains("history.db:"), "{done:?}");
    assert_eq!(form(&setup.data_directory(), |form| form), older);

    let gateway = setup.start();
    let people = people(&gateway);
    assert!(people.contains("\"ana\"") && !people.contains("\"since\""), "{people}");
    let audit = gateway.administrator().get("/api/v1/audit").expect(200).json().to_string();
    assert!(audit.contains("\"restored\"") && audit.contains("before an upgrade"), "{audit}");
}
