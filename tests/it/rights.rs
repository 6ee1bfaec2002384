//! Who may do what over MQTT, with clients of other people: mosquitto_pub, mosquitto_sub, and rumqttc.

use std::net::SocketAddr;
use std::process::Command;

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::process::{Finished, Process};
use gatehouse_tests::{Gateway, LIMIT, Login, Phone, Setup, until};

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

/// Sensors that write below their own client identifier, and read what is for their user.
const SENSORS: &str = "[rights.sensors]\npublish = [\"sensors/%c/#\"]\nsubscribe = [\"%u/#\"]\n";

/// A gateway with [`SENSORS`] whose accounts the command line manages while it runs.
struct House {
    gateway: Gateway,
    configuration: String,
}

impl House {
    fn start() -> Self {
        let setup = Setup::configured(SENSORS).with_user("bar", "admin", "behind the counter").with_user(
            "vera",
            "viewer",
            "only looking around",
        );
        let configuration = setup.configuration().to_string_lossy().into_owned();
        Self { gateway: setup.start(), configuration }
    }

    fn call(&self, arguments: &[&str], input: &str) -> Finished {
        let directory = self.gateway.data_directory();
        let directory = directory.to_string_lossy();
        command_line(&[arguments, &["--data-dir", directory.as_ref()]].concat(), input)
    }

    fn done(&self, arguments: &[&str], input: &str) -> String {
        let finished = self.call(arguments, input);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    }

    /// Adds a client of `bar` with the rights of sensors; gives its login.
    fn sensor(&self, name: &str) -> Login {
        let client = format!("bar/{name}");
        let said = self
            .done(&["client", "add", &client, "--rights", "sensors", "--config", &self.configuration], "");
        let value = |label: &str| said.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
        let login = Login {
            user: value("MQTT user:").expect("the login is told").to_owned(),
            password: value("Password:").expect("the password is told").to_owned(),
        };
        assert_eq!(login.user, format!("bar:{name}"));
        login
    }

    fn phone(&self, client_id: &str, login: &Login) -> Phone {
        Phone::connect(self.gateway.mqtt_address(), client_id, login)
    }

    fn mosquitto(&self, program: &str, login: &Login, arguments: &[&str]) -> Finished {
        let mut command = Command::new(program);
        let address = self.gateway.mqtt_address();
        command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
        command.args(["-u", &login.user, "-P", &login.password, "-V", "mqttv5"]).args(arguments);
        Process::run(&mut command, "", LIMIT)
    }
}

fn bar() -> Login {
    Login { user: "bar".to_owned(), password: "behind the counter".to_owned() }
}

fn vera() -> Login {
    Login { user: "vera".to_owned(), password: "only looking around".to_owned() }
}

#[test]
fn a_pattern_holds_for_mosquitto_and_says_who_sent_it() {
    let house = House::start();
    let (watcher, sensor) = (house.phone("watcher", &bar()), house.sensor("attic"));
    watcher.subscribe("sensors/#");
    let publish = |client_id: &str, topic: &str| {
        let arguments = ["-i", client_id, "-t", topic, "-m", "21.5", "-q", "1", "-d"];
        let said = house.mosquitto("mosquitto_pub", &sensor, &arguments);
        format!("{}{}", said.stdout, said.stderr)
    };
    assert!(publish("s1", "sensors/s1/t").contains("PUBACK"));
    watcher.wait_payload("sensors/s1/t", "21.5");
    for (client_id, topic) in [("s1", "sensors/s2/t"), ("s1", "elsewhere"), ("+", "sensors/s3/t")] {
        let said = publish(client_id, topic);
        assert!(said.contains("RC:135") || said.contains("Not authorized"), "{client_id} to {topic}: {said}");
    }
    assert!(publish("s1", "sensors/s1/end").contains("PUBACK"));
    watcher.wait_payload("sensors/s1/end", "21.5");
    let came: Vec<String> = watcher.messages().all().into_iter().map(|message| message.topic).collect();
    assert_eq!(came, ["sensors/s1/t", "sensors/s1/end"]);

    let listed = house.done(&["client", "list"], "");
    assert!(listed.contains("bar/attic\tsensors\tlast login: 20"), "{listed}");
}

#[test]
fn a_client_that_is_removed_is_disconnected_and_its_user_is_not() {
    let house = House::start();
    let (sensor, other) = (house.sensor("attic"), house.sensor("cellar"));
    let (attic, cellar) = (house.phone("s1", &sensor), house.phone("s2", &other));
    let user = house.phone("phone", &bar());
    assert_eq!(attic.publish("sensors/s1/x", "1", false), Ok(()));
    house.done(&["client", "remove", "bar/attic"], "");
    attic.wait_end();
    assert_eq!(cellar.publish("sensors/s2/x", "1", false), Ok(()));
    user.subscribe("home/status");
    user.wait_payload("home/status", "online");
    assert!(Phone::connect_with(house.gateway.mqtt_address(), "s1", Some(&sensor), None).is_err());

    house.done(&["client", "passwd", "bar/cellar", "--password-stdin"], "another password\n");
    cellar.wait_end();
    let again = Login { password: "another password".to_owned(), ..other };
    house.phone("s2", &again);
}

#[test]
fn other_rights_hold_without_a_reconnect() {
    let house = House::start();
    let attic = house.phone("s1", &house.sensor("attic"));
    assert!(attic.publish("elsewhere", "1", false).is_err());
    house.done(&["client", "rights", "bar/attic", "operator"], "");
    until("the new rights to hold", LIMIT, || attic.publish("elsewhere", "1", false));
    // Not more than its user, on the same connection.
    house.done(&["user", "rights", "bar", "viewer"], "");
    until("the user's rights to hold", LIMIT, || match attic.publish("elsewhere", "1", false) {
        Ok(()) => Err("still allowed".to_owned()),
        Err(_) => Ok(()),
    });
    house.done(&["user", "rights", "bar"], "");
    until("the rights of the role to hold", LIMIT, || attic.publish("elsewhere", "1", false));
}

#[test]
fn only_administrators_read_the_figures_of_the_broker() {
    let house = House::start();
    let (viewer, administrator) = (house.phone("wall", &vera()), house.phone("desk", &bar()));
    assert!(viewer.subscribe("$SYS/#").contains("NotAuthorized"));
    assert!(viewer.subscribe("#").contains("Success"), "everything is what is theirs");
    assert!(administrator.subscribe("$SYS/#").contains("Success"));
    administrator.wait("$SYS/broker/version", |_| Some(()));
    // mosquitto_sub says so as well, and gives up by itself.
    let said = house.mosquitto("mosquitto_sub", &vera(), &["-t", "$SYS/#", "-W", "2", "-d"]);
    assert!(format!("{}{}", said.stdout, said.stderr).contains("135"), "{said:?}");
    // Roles change while it runs, too.
    house.done(&["user", "role", "vera", "admin"], "");
    until("the administrator's rights to hold", LIMIT, || match viewer.subscribe("$SYS/#") {
        answer if answer.contains("Success") => Ok(()),
        answer => Err(answer),
    });
}

#[test]
fn the_command_line_says_what_is_wrong_with_clients() {
    let house = House::start();
    let wrong = |arguments: &[&str], code: i32, word: &str| {
        let finished = house.call(arguments, "");
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(word), "`{word}` is not in {finished:?}");
    };
    let config = house.configuration.as_str();
    wrong(&["client", "add", "attic", "--rights", "viewer"], 64, "ana/phone");
    wrong(&["client", "add", "bar/attic"], 64, "--rights");
    wrong(&["client", "add", "bar/attic", "--rights", "sensor", "--config", config], 1, "sensors");
    wrong(&["client", "add", "bar/attic", "--rights", "sensors", "--config", "/nowhere.toml"], 1, "--config");
    wrong(&["client", "add", "nobody/attic", "--rights", "viewer"], 1, "nobody");
    wrong(&["client", "add", "bar/a:b", "--rights", "viewer"], 1, "letters, digits");
    wrong(&["client", "remove", "bar/attic"], 1, "client list");
    wrong(&["user", "add", "anonymous", "--role", "viewer", "--password-stdin"], 1, "password");
    let reserved =
        house.call(&["user", "add", "anonymous", "--role", "viewer", "--password-stdin"], "long enough\n");
    assert!(reserved.code == Some(1) && reserved.stderr.contains("anonymous"), "{reserved:?}");
}

/// A controller that died while somebody was out switched the heater on by its last will.
#[test]
fn a_last_will_may_switch_the_heater_off_and_not_on() {
    let gateway = Setup::demo().start();
    let login = gateway.demo_user();
    let set = "home/heater/power/set";
    let with_will = |payload: &str, retain: bool| {
        Phone::connect_with(gateway.mqtt_address(), "controller", Some(&login), Some((set, payload, retain)))
    };
    for (payload, retain) in [("ON", false), ("TOGGLE", false), ("OFF", true)] {
        assert!(with_will(payload, retain).is_err(), "a will with {payload} was taken");
    }
    let phone = gateway.phone("phone");
    phone.subscribe("home/heater/#");
    let controller = with_will("OFF", false).unwrap();
    assert_eq!(controller.publish(set, "ON", false), Ok(()));
    phone.wait_payload("home/heater/power", "ON");
    let mark = phone.messages().mark();
    // The same identifier comes again: the first connection is cut off, and its will is published.
    let _another = Phone::connect(gateway.mqtt_address(), "controller", &login);
    phone.wait_after(mark, "home/heater/power", |state| (state.payload == "OFF").then_some(()));
}

#[test]
fn old_and_repeated_commands_are_refused_with_a_reason() {
    let gateway = Setup::demo().start();
    let phone = gateway.phone("phone");
    phone.subscribe("home/heater/#");
    let set = "home/heater/power/set";
    let old = phone.publish(set, r#"{"value":"ON","id":"old","ts":"2026-01-01T00:00:00Z"}"#, false);
    assert!(old.as_ref().is_err_and(|reason| reason.contains("send it anew")), "{old:?}");
    let answer = phone.wait("home/heater/power/result", |message| Some(message.json()));
    assert!(answer["id"] == "old" && answer["ok"] == false, "{answer}");
    let toggle = r#"{"value":"TOGGLE","id":"t1"}"#;
    assert_eq!(phone.publish(set, toggle, false), Ok(()));
    let again = phone.publish(set, toggle, false);
    assert!(again.as_ref().is_err_and(|reason| reason.contains("not done twice")), "{again:?}");
    let expected = [("old", false), ("t1", true), ("t1", false)];
    for (id, ok) in expected {
        phone.wait("home/heater/power/result", |message| {
            let answer = message.json();
            (answer["id"] == id && answer["ok"] == ok).then_some(())
        });
    }
}
