//! Who may do what over MQTT, with clients of other people: mosquitto_pub, mosquitto_sub, and rumqttc.

use std::net::SocketAddr;

use gatehouse_tests::{Login, Phone, Setup};

/// A bench that lets everybody in, with what a sensor there may do.
const BENCH: &str = "[rights.bench]\npublish = [\"bench/%c/#\"]\nsubscribe = [\"bench/#\"]\n[broker]\nanonymous = \"bench\"\n";

fn anonymous(address: SocketAddr, client_id: &str) -> Result<Phone, String> {
    Phone::connect_with(address, client_id, None, None)
}

#[test]
fn clients_without_a_name_come_in_where_the_configuration_says_with_which_rights() {
    let gateway = Setup::configured(BENCH).with_user("bar", "admin", "behind the counter").start();
    assert!(gateway.words().contains("Warning:     MQTT clients need no password"), "{}", gateway.words());
    let one = anonymous(gateway.mqtt_address(), "one").unwrap();
    assert!(one.subscribe("bench/#").contains("Success"));
    assert!(one.subscribe("$SYS/#").contains("NotAuthorized"));
    assert_eq!(one.publish("bench/one/x", "1", false), Ok(()));
    one.wait_payload("bench/one/x", "1");
    assert!(one.publish("bench/two/x", "1", false).unwrap_err().contains("NotAuthorized"));
    // A name makes no difference to the check of its password, and nobody can have the name.
    let wrong = Login { user: "anonymous".to_owned(), password: "anything at all".to_owned() };
    assert!(Phone::connect_with(gateway.mqtt_address(), "two", Some(&wrong), None).is_err());
    let clever = anonymous(gateway.mqtt_address(), "+").unwrap();
    assert!(clever.publish("bench/two/x", "1", false).unwrap_err().contains("NotAuthorized"));
}
