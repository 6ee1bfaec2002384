//! What stands in the way of a start is said clearly, with what to do, and the exit code says which kind it is.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use gatehouse_tests::binary;
use gatehouse_tests::gateway::command_line;
use gatehouse_tests::process::Finished;
use gatehouse_tests::{LIMIT, Login, Phone, Setup, until};

fn assert_clear(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word} is missing: {finished:?}");
    }
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let finished = Setup::demo().mqtt(&address).start_in_vain();
    assert_clear(&finished, &[&address]);
}

/// Two daemons once ran on the same directory without complaint, and both wrote its history.
#[test]
fn a_second_gateway_on_the_same_data_is_refused_until_the_first_is_gone() {
    let first = Setup::demo().start();
    let directory = first.data_directory().display().to_string();
    let run = ["run", "--demo", "--data-dir", &directory, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];
    assert_clear(&command_line(&run, ""), &["another gatehouse is running", &directory, "--data-dir"]);
    // A killed gateway leaves no claim behind.
    drop(first.kill().start());
}

#[test]
fn a_data_directory_is_made_when_it_is_missing() {
    let setup = Setup::demo();
    assert!(!setup.data_directory().exists());
    let gateway = setup.start();
    for file in ["gatehouse.db", "history.db"] {
        assert!(gateway.data_directory().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_accounts_are_for_the_gateway_alone() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = Setup::demo().start();
    for name in ["gatehouse.db", "history.db"] {
        let metadata = gateway.data_directory().join(name).metadata().expect("the database is there");
        let mode = metadata.permissions().mode() & 0o777;
        let directory =
            gateway.data_directory().metadata().expect("the directory is there").permissions().mode();
        // Either the file or the directory keeps other users of the machine out.
        assert!(mode & 0o007 == 0 || directory & 0o007 == 0, "{name}: {mode:o} in {directory:o}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    // Below a file no directory can be made, and in /sys no file can, not even by root.
    let setup = Setup::configured("");
    let below_a_file = setup.configuration().join("data").to_string_lossy().into_owned();
    for directory in [below_a_file.as_str(), "/sys"] {
        let arguments =
            ["run", "--demo", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data-dir", directory];
        assert_clear(&command_line(&arguments, ""), &[directory]);
        let arguments =
            ["user", "add", "bar", "--role", "admin", "--password-stdin", "--data-dir", directory];
        assert_clear(&command_line(&arguments, "behind the counter\n"), &[directory]);
    }
}

#[test]
fn a_database_that_is_none_is_named() {
    // That of history is moved aside, and does not keep the gateway from its start.
    let name = "gatehouse.db";
    let setup = Setup::demo();
    std::fs::create_dir_all(setup.data_directory()).expect("a directory can be made");
    std::fs::write(
        setup.data_directory().join(name),
        "not a database, but long enough to look like one".repeat(40),
    )
    .expect("a file can be written");
    assert_clear(&setup.start_in_vain(), &[name]);
}

#[test]
fn a_configuration_that_is_missing_is_named() {
    let finished = Setup::demo().start_in_vain_with(&["--config", "/nowhere/gatehouse.toml"]);
    assert!(matches!(finished.code, Some(1 | 78)), "{finished:?}");
    assert!(finished.stderr.contains("/nowhere/gatehouse.toml"), "{finished:?}");
    let checked = command_line(&["check", "/nowhere/gatehouse.toml"], "");
    assert!(matches!(checked.code, Some(1 | 78)), "{checked:?}");
    assert!(checked.stderr.contains("/nowhere/gatehouse.toml"), "{checked:?}");
}

#[test]
fn the_version_and_the_help_are_there() {
    let version = command_line(&["--version"], "");
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.starts_with("gatehouse "), "{version:?}");
    let help = command_line(&["--help"], "");
    assert_eq!(help.code, Some(0));
    for word in ["run", "check", "user", "setup-code"] {
        assert!(help.stdout.contains(word), "{word} is missing: {help:?}");
    }
    assert_eq!(command_line(&[], "").code, Some(64));
}

/// In the steady state a person who follows the log sees nothing: readings, logins and messages are not news.
#[test]
fn the_log_is_silent_while_nothing_changes() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let login: Login = gateway.demo_user();
    // Two thermometers lie free on the demonstration's bus, and the log tells of each once, when the first look finds it.
    until("word of what is found", LIMIT, || {
        let told = gateway.words().matches("found DS18B20").count();
        if told == 2 { Ok(()) } else { Err(format!("{told} of 2")) }
    });
    let before = gateway.words();
    let phone = Phone::connect(gateway.mqtt_address(), "phone", &login);
    phone.subscribe("home/#");
    for count in 0..20 {
        browser.house();
        phone.publish("home-made/topic", &count.to_string(), true).expect("a plain message is welcome");
    }
    // A few rounds of readings.
    let mut readings = 0;
    phone.messages().wait("readings", LIMIT, |message| {
        readings += u32::from(!message.retain && !message.user_property("ts").is_empty());
        (readings >= 20).then_some(())
    });
    drop(phone);
    assert_eq!(gateway.words(), before, "the log grew while nothing changed");
}

/// `gatehouse catalogue | head -1` ended with a panic. A reader who has seen enough is no failure; a full disk is one.
#[test]
fn an_answer_that_nobody_reads_to_its_end_is_no_failure() {
    let with = |output: Stdio| {
        let mut command = Command::new(binary::path());
        let ran = command.arg("catalogue").stdout(output).output().expect("the program starts");
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    assert_eq!(with(writer.into()), (Some(0), String::new()));
    let full = File::options().write(true).open("/dev/full").expect("every Linux has it");
    let (code, said) = with(full.into());
    assert!(code == Some(1) && said.contains("could not be written") && !said.contains("panicked"), "{said}");
}
