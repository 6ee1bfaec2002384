//! `gatehouse safe-outputs` after every kind of end, and `gatehouse pins`. There are no lines here to drive: what is shown is
//! which outputs are asked for, and when it refuses. Driven pins are shown by the board's own tests and on gpio-sim.

use gatehouse_tests::Setup;
use gatehouse_tests::gateway::command_line;

const HEATER: &str = r#"
[board]
dev = "/nonexistent"

[[device]]
id = "heater"
name = "Heater"
driver = "output"
pin = 17
active = "low"
safe = "off"
max_on = "2h"
"#;

fn safe_outputs(setup: &Setup) -> gatehouse_tests::process::Finished {
    let (data, config) = (setup.data_directory(), setup.configuration());
    let (data, config) = (data.to_string_lossy(), config.to_string_lossy());
    command_line(&["safe-outputs", "--data-dir", &data, "--config", &config], "")
}

#[test]
fn after_a_kill_the_outputs_of_the_dead_daemon_are_asked_for_whatever_the_file_says_since() {
    let gateway = Setup::configured(HEATER).start();
    let setup = gateway.kill();
    std::fs::write(setup.configuration(), "this is no TOML [").expect("the file can be broken");
    let finished = safe_outputs(&setup);
    assert_eq!(finished.code, Some(1), "this machine has no such pin: {finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("`heater`: NOT SAFE"), "{said}");
    assert!(said.contains("/nonexistent"), "it says where it looked: {said}");
}

/// A heater that could not be driven safe was taken out of the file: the running daemon forgot it, and after its end nobody
/// asked for it any more.
#[test]
fn a_heater_that_was_taken_out_while_it_hung_is_a_fault_and_is_asked_for_at_the_end() {
    let mut gateway = Setup::configured(HEATER).start();
    gateway.tolerate("cannot be driven to its safe level");
    std::fs::write(gateway.configuration(), "[board]\ndev = \"/nonexistent\"\n")
        .expect("the file can be written");
    let said = gateway.reload();
    assert!(said.contains("removed `heater`") && said.contains("NOT SAFE yet"), "{said}");
    // A further change does not make it forgotten.
    assert!(gateway.reload().contains("NOT SAFE yet"));
    let setup = gateway.kill();
    let finished = safe_outputs(&setup);
    assert!(finished.stdout.contains("`heater`: NOT SAFE"), "{finished:?}");
    // The next daemon once deleted what it found of it, and nobody tried any more.
    let mut gateway = setup.start();
    gateway.tolerate("cannot be driven to its safe level");
    gateway.wait_for_words("`heater` had been taken out of the configuration and not been safe");
    let finished = safe_outputs(&gateway.kill());
    assert!(finished.stdout.contains("`heater`: NOT SAFE"), "{finished:?}");
}

#[test]
fn a_daemon_that_runs_is_left_alone() {
    let setup = Setup::configured(HEATER);
    let again = setup.clone();
    let gateway = setup.start();
    let finished = safe_outputs(&again);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("another gatehouse is running"), "{finished:?}");
    assert!(!finished.stdout.contains("heater"), "{finished:?}");
    gateway.stop();
    // After an orderly stop it runs as well.
    let finished = safe_outputs(&again);
    assert!(finished.stdout.contains("`heater`: NOT SAFE"), "{finished:?}");
}

#[test]
fn before_the_first_start_the_configuration_tells_and_without_one_there_is_nothing_to_do() {
    let setup = Setup::configured(HEATER);
    let finished = safe_outputs(&setup);
    assert!(finished.stdout.contains("`heater`"), "{finished:?}");
    std::fs::remove_file(setup.configuration()).expect("the file can be removed");
    let finished = safe_outputs(&setup);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("there are no outputs"), "{finished:?}");
}

#[test]
fn pins_tells_what_fires_at_power_on_and_writes_what_helps() {
    let setup = Setup::configured(HEATER.replace("dev = \"/nonexistent\"", "").as_str());
    let config = setup.configuration();
    let firmware = config.with_file_name("config.txt");
    std::fs::write(&firmware, "dtparam=i2c_arm=on\n").expect("the file can be written");
    let (config, firmware_name) = (config.to_string_lossy(), firmware.to_string_lossy());
    let told = command_line(&["pins", "--config", &config], "");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("ON until something drives the pin"), "{told:?}");
    let arguments = ["pins", "--config", &config, "--write", "--config-txt", &firmware_name];
    for words in ["Restart the machine", "has these lines already"] {
        let written = command_line(&arguments, "");
        assert_eq!(written.code, Some(0), "{written:?}");
        assert!(written.stdout.contains(words), "{written:?}");
    }
    let text = std::fs::read_to_string(&firmware).expect("the file is there");
    assert!(
        text.starts_with("dtparam=i2c_arm=on\n") && text.contains("\n[all]\ngpio=17=op,dh,pu\n"),
        "{text}"
    );
}

/// A heater at an expander and a servo: neither has a line of the header that could be asked for.
const OTHER_OUTPUTS: &str = r#"
[board]
dev = "/nonexistent"

[[device]]
id = "porch"
driver = "mcp23017"
bus = "i2c-1"
address = 0x20

[[device]]
id = "boiler"
driver = "output"
pin = "porch:3"
safe = "off"
max_on = "2h"

[[device]]
id = "valve"
driver = "servo"
pin = 18
safe = 90
max_on = "2h"
"#;

#[test]
fn outputs_of_expanders_and_pwm_are_asked_for_too() {
    let gateway = Setup::configured(OTHER_OUTPUTS).start();
    let finished = safe_outputs(&gateway.kill());
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for words in ["`boiler`: NOT SAFE", "/nonexistent/i2c-1", "`valve`: NOT SAFE", "2 of 2 outputs"] {
        assert!(finished.stdout.contains(words), "{words} is missing: {finished:?}");
    }
}

/// What is missing on this machine is no mistake of the configuration, but it is told before anything moves.
#[test]
fn what_the_machine_lacks_is_told_by_check() {
    let setup = Setup::configured(OTHER_OUTPUTS);
    let config = setup.configuration();
    let checked = command_line(&["check", &config.to_string_lossy()], "");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for words in ["warning: `porch`: this machine has no i2c-1", "warning: `valve`: ", "/nonexistent"] {
        assert!(checked.stderr.contains(words), "{words} is missing: {checked:?}");
    }
}
