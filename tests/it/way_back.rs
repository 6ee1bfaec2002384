//! The way back after an upgrade: the copy of before takes its place again.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use gatehouse_tests::gateway::{command_line, command_line_with_programs};
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

/// A program named `systemctl` that notes what it is asked.
fn systemctl_that_notes(directory: &Path) {
    let file = directory.join("systemctl");
    let text = format!("#!/bin/sh\necho \"$*\" >> {}/asked\n", directory.display());
    std::fs::write(&file, text).expect("it can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// What the service manager runs when a release that was just installed failed for good, with this program as the kept one.
#[test]
fn a_newer_release_that_does_not_start_gives_way_to_the_one_before_it() {
    let setup = Setup::demo().start().stop().setup;
    let data = setup.data_directory();
    let version = env!("CARGO_PKG_VERSION");
    let (previous, drop_ins) = (data.join("previous"), data.join("drop-ins"));
    std::fs::create_dir(&previous).expect("it can be made");
    std::fs::write(previous.join("version"), format!("{version}\n")).expect("it can be written");
    symlink("/bin/false", previous.join("gatehouse")).expect("it can be made");
    systemctl_that_notes(&data);
    let asked = || std::fs::read_to_string(data.join("asked")).unwrap_or_default();
    let named = [&data, &previous, &drop_ins].map(|path| path.to_string_lossy().into_owned());
    let program = previous.join("gatehouse").to_string_lossy().into_owned();
    let fall_back = || {
        let all = ["fall-back", "--data-dir", &named[0], "--previous", &named[1], "--drop-ins", &named[2]];
        let none = data.join("none.toml").to_string_lossy().into_owned();
        command_line_with_programs(&[&all[..], &["--config", &none, "--program", &program]].concat(), &data)
    };

    // The newer release changed the accounts, and never came to run.
    copy_of_before(&data);
    let older = form(&data, |form| form + 1);
    let trial = json!({ "version": "9.9.9", "starts": 5, "reason": "the certificate could not be made" });
    std::fs::write(data.join("starting.json"), trial.to_string()).expect("it can be written");
    let done = fall_back();
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stdout.contains("9.9.9 does not start: the certificate"), "{done:?}");
    assert_eq!(form(&data, |form| form), older, "the accounts are those of before");
    let drop_in = drop_ins.join("50-previous-release.conf");
    let told = std::fs::read_to_string(&drop_in).expect("the service manager is told");
    assert!(told.contains(&format!("ExecStart=\nExecStart={program} run ")), "{told}");
    assert!(told.contains(&format!("ExecStopPost=\nExecStopPost={program} safe-outputs ")), "{told}");
    let unit = "gatehouse.service";
    assert_eq!(asked(), format!("daemon-reload\nreset-failed {unit}\nstart --no-block {unit}\n"));

    // Should that one fail as well, there is nothing to fall back to.
    let again = fall_back();
    assert!(again.code == Some(0) && again.stdout.contains("Nothing is changed"), "{again:?}");
    assert_eq!(asked().lines().count(), 3);

    // It runs, and the page says in whose place.
    let gateway = setup.start();
    let house = gateway.administrator().get("/api/v1/house").expect(200).json();
    let warnings = house["gateway"]["warnings"].to_string();
    assert!(warnings.contains("release_failed") && warnings.contains("9.9.9"), "{warnings}");
}
