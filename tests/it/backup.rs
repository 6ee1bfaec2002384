//! Everything of one gateway comes back on another: backed up at the page, restored at the page of the first visit.

use std::path::Path;

use gatehouse_tests::gateway::{ADMINISTRATOR, PASSWORD, command_line};
use gatehouse_tests::{Browser, Gateway, LIMIT, Login, Setup, until};
use rustls::version::TLS13;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tls::{SecurePhone, elsewhere, mqtts, own_certificate};

const PASSPHRASE: &str = "a lamp in the window of the gatehouse";

const HOUSE: &str = r#"
[gateway]
name = "Casa Sol"

[[device]]
id = "pump"
name = "Pump"
driver = "output"
pin = 17
safe = "off"
max_on = "1h"
"#;

/// A service manager starts it again.
fn as_service(setup: Setup) -> Setup {
    setup.environment("GATEHOUSE_RESTARTED_BY_SERVICE", "1")
}

/// An old gateway with a person, a retained message and history, and its backup as the page gives it.
fn an_old_gateway() -> (Gateway, Vec<u8>) {
    let setup = Setup::simulated(HOUSE).with_user("vera", "viewer", "only looking around");
    let gateway = setup.start();
    let browser = gateway.administrator();
    let note = json!({ "topic": "notes/kitchen", "payload": "milk", "qos": 1, "retain": true });
    let told = browser.post("/api/v1/messages", &note);
    assert!(told.status < 300, "{told:?}");
    browser.post("/api/v1/devices/pump/properties/power/set", &json!({ "value": "ON" })).expect(202);
    until("the switch is in the history", LIMIT, || {
        let events = browser.get("/api/v1/history/events").expect(200).json();
        events["events"].to_string().contains("pump").then_some(()).ok_or_else(|| events.to_string())
    });
    browser.get("/api/v1/backup/file").expect_error(404, "no_backup");
    browser.post("/api/v1/backup", &json!({ "passphrase": PASSPHRASE })).expect(202);
    let name = until("the backup is made", LIMIT, || {
        let state = browser.get("/api/v1/backup").expect(200).json();
        assert_eq!(state["failure"], Value::Null, "{state}");
        state["made"]["name"].as_str().map(str::to_owned).ok_or_else(|| state.to_string())
    });
    assert!(name.ends_with(".tar.age"), "{name}");
    let file = gateway.data_directory().join("backup-made").join(name);
    let (bytes, length) = browser.get_bytes("/api/v1/backup/file");
    assert!(bytes == std::fs::read(file).expect("it waits to be loaded down"), "it comes as it was made");
    assert_eq!(length, u64::try_from(bytes.len()).ok());
    (gateway, bytes)
}

/// Brings a backup to a gateway that nobody has set up, and waits for what comes of it.
fn restore(gateway: &Gateway, bytes: &[u8], passphrase: &str) -> Value {
    let browser = gateway.browser();
    let code = gateway.setup_code().expect("nobody has set it up");
    let code = [("gatehouse-setup-code", code)];
    browser.put_bytes("/api/v1/restore/file", bytes, &code).expect(200);
    let body = json!({ "passphrase": passphrase }).to_string();
    browser.post_text("/api/v1/restore", "application/json", &body, &code).expect(202);
    until("the backup is checked", LIMIT, || {
        // It restarts as soon as the backup is checked, and may be gone before anybody has asked.
        let Ok(answer) = browser.try_get_with("/api/v1/restore", &code) else {
            return Ok(json!({ "step": "restarting" }));
        };
        let state = answer.expect(200).json();
        if state["step"] == "checking" { Err(state.to_string()) } else { Ok(state) }
    })
}

fn assert_everything_is_there(browser: &Browser) {
    browser.log_in(ADMINISTRATOR, PASSWORD);
    assert_eq!(browser.get("/api/v1/session").expect(200).json()["gateway_name"], "Casa Sol");
    let people = browser.get("/api/v1/users").expect(200).json();
    assert!(people.to_string().contains("vera"), "{people}");
    assert!(browser.house().to_string().contains("\"pump\""), "the configuration came with it");
    let retained = browser.get("/api/v1/messages/retained?prefix=notes").expect(200).json();
    assert!(retained.to_string().contains("milk"), "{retained}");
    let events = browser.get("/api/v1/history/events").expect(200).json();
    assert!(events.to_string().contains("pump"), "{events}");
    let audit = browser.get("/api/v1/audit").expect(200).json();
    assert!(audit.to_string().contains("\"restored\""), "{audit}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("it is there");
    entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_fresh_gateway_becomes_the_old_one_at_its_first_visit() {
    let (old, bytes) = an_old_gateway();
    let authority = |gateway: &Gateway| std::fs::read(gateway.data_directory().join("tls/ca.crt"));
    let before = authority(&old).expect("it has an authority of its own");
    old.stop();
    let fresh = as_service(Setup::simulated("# a new machine\n")).start();

    // What is wrong is said, and nothing is touched.
    assert_eq!(restore(&fresh, &bytes, "another passphrase")["problem"]["code"], "wrong_passphrase");
    let cut = restore(&fresh, &bytes[..bytes.len() - 5_000], PASSPHRASE);
    assert_eq!((&cut["step"], &cut["problem"]["code"]), (&json!("failed"), &json!("wrong_backup")), "{cut}");
    assert_eq!(fresh.browser().get("/api/v1/session").expect(200).json()["setup_needed"], true);
    assert!(!names(&fresh.data_directory()).contains(&"restore-pending".to_owned()));

    let good = restore(&fresh, &bytes, PASSPHRASE);
    assert_eq!((&good["step"], &good["configuration_stays"]), (&json!("restarting"), &Value::Null), "{good}");
    let setup = fresh.wait_for_restart();
    assert!(names(&setup.data_directory()).contains(&"restore-pending".to_owned()));
    let gateway = setup.start();
    assert_eq!(gateway.setup_code(), None);
    assert_everything_is_there(&gateway.browser());
    assert_eq!(authority(&gateway).expect("it came along"), before, "phones go on trusting it");
    let left = names(&gateway.data_directory());
    assert!(left.iter().any(|name| name.starts_with("before-restore-")), "{left:?}");
    assert!(!left.contains(&"restore-pending".to_owned()), "{left:?}");
}

/// The power goes while the gateway starts with what was restored, again and again: it is there in the end.
#[test]
fn a_restore_survives_power_cuts() {
    let (old, bytes) = an_old_gateway();
    old.stop();
    let fresh = as_service(Setup::simulated("# a new machine\n")).start();
    assert_eq!(restore(&fresh, &bytes, PASSPHRASE)["step"], "restarting");
    let mut setup = fresh.wait_for_restart();
    for _ in 0..2 {
        setup = setup.start().kill();
    }
    assert_everything_is_there(&setup.start().browser());
}

#[test]
fn the_command_line_makes_and_restores_the_same_file() {
    let (old, bytes) = an_old_gateway();
    let place = TempDir::new().expect("a temporary directory can be made");
    let path = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    let data = old.data_directory().to_string_lossy().into_owned();
    let configuration = old.configuration().to_string_lossy().into_owned();
    let made = path("made.tar.age");
    let backup = ["backup", &made, "--config", &configuration, "--data-dir", &data];
    let unsaid = command_line(&backup, "");
    assert_eq!(unsaid.code, Some(64), "whether it is encrypted has to be said: {unsaid:?}");
    let from_stdin = [&backup[..], &["--passphrase-file", "-"]].concat();
    let short = command_line(&from_stdin, "short\n");
    assert!(short.code == Some(1) && short.stderr.contains("at least 8"), "{short:?}");
    let done = command_line(&from_stdin, &format!("{PASSPHRASE}\n"));
    assert_eq!(done.code, Some(0), "{done:?}");
    std::fs::write(path("from-page.tar.age"), bytes).expect("it can be written");
    for file in [made, path("from-page.tar.age")] {
        let into = format!("{file}.data");
        let restore = ["restore", &file, "--data-dir", &into];
        let closed = command_line(&restore, "");
        assert!(closed.code == Some(1) && closed.stderr.contains("--passphrase-file"), "{closed:?}");
        let wrong = command_line(&[&restore[..], &["--passphrase-file", "-"]].concat(), "wrong\n");
        assert!(wrong.code == Some(1) && wrong.stderr.contains("another one"), "{wrong:?}");
        let right = command_line(&[&restore[..], &["--passphrase-file", "-"]].concat(), PASSPHRASE);
        assert_eq!(right.code, Some(0), "{right:?}");
        let users = command_line(&["user", "list", "--data-dir", &into], "");
        assert!(users.stdout.contains("vera"), "{users:?}");
    }
}

/// Files that the configuration names lie elsewhere on the machine, and a fresh one has none of them.
#[test]
fn a_certificate_from_elsewhere_comes_along_with_the_configuration() {
    let own = elsewhere();
    let setup = own_certificate(&own.cert.pem(), &own.signing_key.serialize_pem());
    let login = Login { user: "ana".to_owned(), password: "a lamp in the window".to_owned() };
    let old = setup.with_user(&login.user, "admin", &login.password).start();
    let place = TempDir::new().expect("a temporary directory can be made");
    let file = place.path().join("backup.tar").to_string_lossy().into_owned();
    let (data, configuration) = (old.data_directory(), old.configuration());
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let made = command_line(
        &["backup", &file, "--plain", "--config", &text(&configuration), "--data-dir", &text(&data)],
        "",
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    old.stop();

    let fresh = Setup::configured("# a new machine\n");
    let (data, configuration) = (text(&fresh.data_directory()), text(&fresh.configuration()));
    let restore = ["restore", &file, "--config", &configuration, "--data-dir", &data];
    let beside = command_line(&restore, "");
    let how = format!(
        "    sudo gatehouse restore {file} --config {configuration} --data-dir {data} --with-configuration"
    );
    assert!(beside.code == Some(0) && beside.stderr.ends_with(&how), "{beside:?}");
    assert_eq!(std::fs::read_to_string(&configuration).expect("it is there"), "# a new machine\n");
    let taken = command_line(&[&restore[..], &["--with-configuration"]].concat(), "");
    let place = fresh.data_directory().join("tls/restored-key.pem");
    assert!(taken.code == Some(0) && taken.stderr.contains(&text(&place)), "{taken:?}");
    let gateway = fresh.start();
    SecurePhone::connect(mqtts(&gateway), "localhost", &own.cert.pem(), &TLS13, None)
        .and_then(|phone| phone.reads_online(&login))
        .expect("the phone is served with the same certificate");
}
