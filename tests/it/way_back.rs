//! The way back after an upgrade: the copy of before takes its place again.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

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
    // A drop-in that runs the newer release in the place of this one would change the data again.
    let (drop_ins, data) = (setup.data_directory().join("drop-ins"), setup.data_directory());
    std::fs::create_dir(&drop_ins).expect("it can be made");
    let drop_in = drop_ins.join("zz-previous-release.conf");
    let text = format!("[Service]\nExecStart=\nExecStart=/newer run --data-dir {}\n", data.display());
    std::fs::write(&drop_in, text).expect("it can be written");
    systemctl_that_notes(&data);
    let named = [&data, &data.join("none.toml"), &drop_ins].map(|path| path.to_string_lossy().into_owned());
    let done = command_line_with_programs(
        &["rollback", "--yes", "--data-dir", &named[0], "--config", &named[1], "--drop-ins", &named[2]],
        &data,
    );
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let asked = std::fs::read_to_string(data.join("asked")).expect("the service manager hears of it");
    assert!(!drop_in.exists() && asked == "daemon-reload\n", "{asked}");
    assert!(done.stdout.contains("the installed program again"), "{done:?}");
    assert!(done.stdout.contains("2026-11-20") && done.stdout.contains("before-restore-"), "{done:?}");
    assert!(!done.stdout.contains("broker.db:") && !done.stdout.contains("history.db:"), "{done:?}");
    assert_eq!(form(&setup.data_directory(), |form| form), older);

    let gateway = setup.start();
    let people = people(&gateway);
    assert!(people.contains("\"ana\"") && !people.contains("\"since\""), "{people}");
    let audit = gateway.administrator().get("/api/v1/audit").expect(200).json().to_string();
    assert!(audit.contains("\"restored\"") && audit.contains("before an upgrade"), "{audit}");
}

/// A program named `systemctl` that notes what it is asked. The unit has failed, unless a file `runs` is there; it ran before it
/// failed, if a file `ran` is.
fn systemctl_that_notes(directory: &Path) {
    let place = directory.display();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in\n\
         is-failed*) [ ! -e {place}/runs ];;\n\
         show*ExecMainStart*) echo 1000;;\n\
         show*=ExecStart*) cat {place}/exec-start 2>/dev/null || true;;\n\
         show*ActiveEnter*) if [ -e {place}/ran ]; then echo 2000; else echo 0; fi;;\n\
         *) echo \"$*\" >> {place}/asked;;\nesac\n"
    );
    program(directory, "systemctl", &text);
}

fn program(directory: &Path, name: &str, text: &str) {
    let file = directory.join(name);
    std::fs::write(&file, text).expect("it can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// What the service manager does five minutes after a failure, with what it says of it: whether the gateway is started.
fn is_started_again(directory: &Path, result: &str, status: &str) -> bool {
    let script = include_str!("../../deploy/try-again");
    let asked = directory.join("asked");
    let _ = std::fs::remove_file(&asked);
    let path = std::env::var("PATH").unwrap_or_default();
    let ended = Command::new("/bin/sh")
        .args(["-c", script, "try-again", "gatehouse.service"])
        .env("PATH", format!("{}:{path}", directory.display()))
        .env("MONITOR_SERVICE_RESULT", result)
        .env("MONITOR_EXIT_STATUS", status)
        .status()
        .expect("it runs");
    assert!(ended.success(), "{result} {status}: {ended}");
    let asked = std::fs::read_to_string(asked).unwrap_or_default();
    assert!(
        asked.is_empty() || asked == "reset-failed gatehouse.service\nstart --no-block gatehouse.service\n",
        "{asked}"
    );
    !asked.is_empty()
}

/// Five minutes after somebody had stopped the gateway, at the end of a stop that had not gone well, it ran again.
#[test]
fn a_gateway_that_somebody_stopped_stays_stopped_and_one_that_failed_is_tried_again() {
    let directory = tempfile::tempdir().expect("a directory");
    systemctl_that_notes(directory.path());
    program(directory.path(), "sleep", "#!/bin/sh\nexit 0\n");
    let is_started = |result: &str, status: &str| is_started_again(directory.path(), result, status);
    // It said so itself, `safe-outputs` failed after it had ended well, and it cannot be mended by a start.
    for (result, status) in
        [("exit-code", "76"), ("exit-code", "0"), ("exit-code", "64"), ("exit-code", "78")]
    {
        assert!(!is_started(result, status), "{result} {status}");
    }
    for (result, status) in [
        ("exit-code", "1"),
        ("exit-code", "69"),
        ("signal", "KILL"),
        // Its starts hung, and there is no release to fall back to.
        ("signal", "XCPU"),
        ("watchdog", "ABRT"),
        ("oom-kill", "KILL"),
    ] {
        assert!(is_started(result, status), "{result} {status}");
    }
    assert!(is_started("timeout", "KILL"), "a start that hung");
    // On a busy small board systemd ended a start that was just getting ready, and the gateway stayed down for good.
    assert!(is_started("timeout", "76"), "a start that took too long, and a stop that did not go well");
    std::fs::write(directory.path().join("ran"), "").expect("it can be written");
    assert!(!is_started("timeout", "KILL"), "a stop that took too long");
    assert!(!is_started("timeout", "76"), "another");
    std::fs::write(directory.path().join("runs"), "").expect("it can be written");
    assert!(!is_started("exit-code", "1"), "somebody was faster");
    let unit = include_str!("../../systemd/gatehouse.service");
    assert!(unit.lines().any(|line| line == "RestartPreventExitStatus=64 69 76 78 SIGXCPU"));
}

/// After each failure without an upgrade before it systemd told of a program that is not there.
#[test]
fn where_no_earlier_program_is_kept_nothing_is_said_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = directory.path().join("gatehouse");
    let asked = || {
        let ended = Command::new("/bin/sh")
            .args(["-c", include_str!("../../deploy/try-again"), "try-again", "--kept"])
            .arg(&kept)
            .args(["fall-back", "--unit", "gatehouse.service"])
            .output()
            .expect("it runs");
        (ended.status.code(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    };
    assert_eq!(asked(), (Some(0), String::new()));
    program(directory.path(), "gatehouse", "#!/bin/sh\necho \"$@\"\nexit 3\n");
    assert_eq!(asked(), (Some(3), "fall-back --unit gatehouse.service\n".to_owned()));
    let unit = include_str!("../../systemd/gatehouse-fallback@.service");
    let line = "ExecStart=-/usr/lib/gatehouse/try-again --kept /usr/lib/gatehouse/previous/gatehouse fall-back --unit %i.service";
    assert!(unit.lines().any(|one| one == line));
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
    let tried = |version: &str| {
        let trial = json!({ "version": version, "starts": 5, "reason": "the certificate could not be made" });
        std::fs::write(data.join("starting.json"), trial.to_string()).expect("it can be written");
    };
    // What somebody put there by hand is not undone, and what is started this very moment is not thrown back.
    let nothing_is_done = |why: &str| {
        let stays = fall_back();
        assert!(stays.code == Some(0) && stays.stdout.contains(why), "{stays:?}");
        assert!(asked().is_empty() && !drop_ins.exists() && !data.join("fallen-back.json").exists());
        assert_eq!(form(&data, |form| form), older + 1);
    };
    tried("0.0.1");
    nothing_is_done("installed on purpose");
    tried("9.9.9");
    std::fs::write(data.join("runs"), "").expect("it can be written");
    nothing_is_done("has not failed for good");
    std::fs::remove_file(data.join("runs")).expect("it is ours");
    // Somebody's own configuration has the wires of this house, and that of the package has others.
    let starts = |config: &str| {
        let line = format!("/usr/bin/gatehouse run --config {config} --data-dir {} --http :::80", named[0]);
        let shown = format!("{{ path=/usr/bin/gatehouse ; argv[]={line} ; ignore_errors=no ; pid=0 }}\n");
        std::fs::write(data.join("exec-start"), shown).expect("it can be written");
    };
    starts("/srv/house.toml");
    nothing_is_done("a command line of its own, `/usr/bin/gatehouse run --config /srv/house.toml");
    starts(&data.join("none.toml").to_string_lossy());
    let done = fall_back();
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stdout.contains("9.9.9 does not start: the certificate"), "{done:?}");
    assert_eq!(form(&data, |form| form), older, "the accounts are those of before");
    let drop_in = drop_ins.join("zz-previous-release.conf");
    let told = std::fs::read_to_string(&drop_in).expect("the service manager is told");
    assert!(told.contains(&format!("ExecStart=\nExecStart={program} run ")), "{told}");
    assert!(told.contains(&format!("ExecStopPost=\nExecStopPost={program} safe-outputs ")), "{told}");
    let unit = "gatehouse.service";
    assert_eq!(asked(), format!("daemon-reload\nreset-failed {unit}\nstart --no-block {unit}\n"));

    // Should that one fail as well, there is nothing to fall back to. Where it was the newer one once more, since the service
    // manager had not heard of the drop-in, it hears of it now.
    let again = fall_back();
    assert!(again.code == Some(0) && again.stdout.contains("Nothing is changed"), "{again:?}");
    assert!(asked().lines().count() == 4 && asked().ends_with("daemon-reload\n"), "{}", asked());

    // It runs, and the page says in whose place.
    let gateway = setup.start();
    let house = gateway.administrator().get("/api/v1/house").expect(200).json();
    let warnings = house["gateway"]["warnings"].to_string();
    assert!(warnings.contains("release_failed") && warnings.contains("9.9.9"), "{warnings}");
}

/// What the packager makes of `restart-after-upgrade`, in short.
const RESTARTS: &str = r#"if [ -n "$2" ]; then echo restart; else echo start; fi; exit 0"#;

/// Runs a script of the package with its paths below a directory.
fn package_script(text: &str, root: &Path, arguments: &[&str]) -> String {
    let mut text = text.replace("#DEBHELPER#", RESTARTS);
    for path in ["/usr/", "/etc/", "/var/"] {
        text = text.replace(path, &format!("{}{path}", root.display()));
    }
    let ran = Command::new("/bin/sh")
        .args(["-c", &text, "script"])
        .args(arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", root.join("bin").display()))
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Installing a release once more that had not come to run replaced the program to fall back to by the one that does not start.
#[test]
fn trying_an_upgrade_once_more_keeps_the_program_that_ran() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    for made in ["bin", "usr/bin", "usr/lib/gatehouse", "var/lib/gatehouse", "etc/systemd/system"] {
        std::fs::create_dir_all(root.join(made)).expect("it can be made");
    }
    program(&root.join("bin"), "dpkg", "#!/bin/sh\necho amd64\n");
    let upgrade = |installed: &str| {
        // As the package manager does, another file takes the place of the one that is there.
        let _ = std::fs::remove_file(root.join("usr/bin/gatehouse"));
        program(&root.join("usr/bin"), "gatehouse", &format!("#!/bin/sh\necho gatehouse {installed}\n"));
        package_script(include_str!("../../deploy/debian/preinst"), root, &["upgrade", "0"]);
        let kept = root.join("usr/lib/gatehouse/previous");
        let says = Command::new(kept.join("gatehouse")).output().expect("it runs").stdout;
        assert!(!root.join("usr/lib/gatehouse/previous.part").exists());
        (
            std::fs::read_to_string(kept.join("version")).expect("it has a version").trim().to_owned(),
            String::from_utf8_lossy(&says).trim().to_owned(),
        )
    };
    let is = |version: &str| (version.to_owned(), format!("gatehouse {version}"));
    let ran = |version: &str, before: &str| {
        let record = json!({ "version": version, "since": "2026-11-20T08:14:00.000Z", "before": before });
        std::fs::write(root.join("var/lib/gatehouse/release.json"), record.to_string())
            .expect("it is written");
    };
    ran("1.0.0", "0.9.0");
    assert_eq!(upgrade("1.0.0"), is("1.0.0"));
    assert_eq!(upgrade("1.1.0"), is("1.0.0"), "1.1.0 has not run, and is installed again");
    let file = root.join("usr/lib/gatehouse/previous/version");
    std::fs::write(&file, "").expect("it can be written");
    let (_, says) = upgrade("1.1.0");
    assert_eq!(says, "gatehouse 1.0.0", "a power cut had left its version without its content");
    std::fs::write(&file, "1.0.0\n").expect("it can be written");
    ran("1.1.0", "1.0.0");
    assert_eq!(upgrade("1.1.0"), is("1.1.0"), "it came to run");
    std::fs::remove_file(root.join("var/lib/gatehouse/release.json")).expect("it is there");
    assert_eq!(upgrade("1.2.0"), is("1.2.0"), "nothing is known");
}

/// What told of a release that had not started was told for ever, after the earlier one was installed for good; and an
/// installation that was given up took the way back away.
#[test]
fn an_installed_package_ends_what_fell_back_and_one_that_was_given_up_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let places = [
        "etc/systemd/system/gatehouse.service.d/zz-previous-release.conf",
        "var/lib/gatehouse/fallen-back.json",
    ];
    for place in places.map(|place| root.join(place)) {
        std::fs::create_dir_all(place.parent().expect("it is below")).expect("it can be made");
        std::fs::write(place, "{}").expect("it can be written");
    }
    std::fs::create_dir(root.join("bin")).expect("it can be made");
    for name in ["systemd-sysusers", "systemd-tmpfiles", "udevadm"] {
        program(&root.join("bin"), name, "#!/bin/sh\nexit 0\n");
    }
    let run = |words: &[&str]| {
        package_script(include_str!("../../deploy/debian/postinst"), root, words);
        places.map(|place| root.join(place).exists())
    };
    assert_eq!(run(&["abort-upgrade", "1.1.0"]), [true, true]);
    assert_eq!(run(&["configure", "1.0.0"]), [false, false]);
}

/// A package for which the disk had no room restarted the gateway, at each of its nightly tries, and every output went safe.
#[test]
fn what_was_given_up_starts_the_gateway_and_does_not_restart_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    std::fs::create_dir(root.join("bin")).expect("it can be made");
    for name in ["systemd-sysusers", "systemd-tmpfiles", "udevadm", "systemctl"] {
        program(&root.join("bin"), name, "#!/bin/sh\nexit 0\n");
    }
    let words: [(&[&str], &str); 6] = [
        (&["configure", "1.0.0"], "restart"),
        (&["configure", ""], "start"),
        (&["abort-upgrade", "1.1.0"], "start"),
        (&["abort-remove"], "start"),
        (&["abort-remove", "in-favour", "another", "2.0"], "start"),
        (&["abort-deconfigure", "in-favour", "another", "2.0"], "start"),
    ];
    for (words, what) in words {
        let said = package_script(include_str!("../../deploy/debian/postinst"), root, words);
        assert_eq!(said.lines().next(), Some(what), "{words:?}");
    }
}
