//! Moving in from mqtt-io: its configuration is converted, and its topics go on.

use gatehouse_tests::{Setup, gateway::command_line};

const MQTT_IO: &str = r#"
mqtt:
  host: localhost
  topic_prefix: old
gpio_modules:
  - name: rpi
    module: raspberrypi
digital_outputs:
  - name: lights
    module: rpi
    pin: 22
    on_payload: "on!"
    off_payload: "off!"
  - name: bell
    module: rpi
    pin: 23
    timed_set_ms: 2000
"#;

#[test]
fn a_house_of_mqtt_io_is_taken_over_with_its_topics() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let yaml = directory.path().join("config.yml");
    std::fs::write(&yaml, MQTT_IO).expect("the file can be written");
    let converted = command_line(&["import", "mqtt-io", "--aliases", &yaml.to_string_lossy()], "");
    assert_eq!(converted.code, Some(0), "{converted:?}");
    assert!(converted.stderr.contains("2 devices and 3 aliases"), "{converted:?}");

    let gateway = Setup::simulated(&converted.stdout).start();
    let phone = gateway.phone("phone");
    phone.subscribe("#");
    phone.wait_payload("old/status", "running");
    let mark = phone.messages().mark();
    phone.publish("old/output/lights/set", "on!", false).expect("the topic is open");
    let state = phone
        .wait_after(mark, "old/output/lights", |message| (message.payload == "on!").then(|| message.clone()));
    assert!(!state.retain);
    let ours = phone.wait_payload("home/lights/power", "ON");
    assert!(ours.user_property("cause").contains("phone"), "the cause is who asked: {ours:?}");

    // A command that is retained there would come again at every start.
    let mark = phone.messages().mark();
    phone.publish("old/output/bell/set", "ON", true).expect_err("it is retained");
    phone.publish("old/output/bell/set_on_ms", "300", false).expect("the topic is open");
    phone.wait_after(mark, "old/output/bell", |message| (message.payload == "ON").then_some(()));
    phone.wait_after(mark, "old/output/bell", |message| (message.payload == "OFF").then_some(()));
    gateway.stop();
}

#[test]
fn a_file_that_is_none_of_mqtt_io_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let yaml = directory.path().join("config.yml");
    std::fs::write(&yaml, "homeassistant:\n  name: x\n").expect("the file can be written");
    let refused = command_line(&["import", "mqtt-io", &yaml.to_string_lossy()], "");
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.stderr.contains("no configuration of mqtt-io"), "{refused:?}");
}
