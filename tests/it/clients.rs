//! MQTT clients of other people against the running daemon, through each of its doors: mosquitto_sub, paho-mqtt and
//! MQTT.js. `scripts/test` installs them from their registries.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use gatehouse_tests::binary::workspace;
use gatehouse_tests::{Gateway, LIMIT, Login, Process, Setup};
use serde_json::{Value, json};

/// The user of these tests: an administrator, who may publish and subscribe everywhere.
fn login() -> Login {
    Login { user: "bar".to_owned(), password: "behind the counter".to_owned() }
}

fn start() -> Gateway {
    let login = login();
    Setup::demo().with_user(&login.user, "admin", &login.password).start()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Mosquitto,
    Paho,
    MqttJs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    V311,
    V5,
}

/// A way into the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Mqtt,
    Mqtts,
    WebSocket,
    SecureWebSocket,
}

const MAKES: [Make; 3] = [Make::Mosquitto, Make::Paho, Make::MqttJs];
const PROTOCOLS: [Protocol; 2] = [Protocol::V311, Protocol::V5];
const DOORS: [Door; 4] = [Door::Mqtt, Door::Mqtts, Door::WebSocket, Door::SecureWebSocket];

impl Door {
    /// What stands before `://` in its address.
    fn scheme(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::SecureWebSocket)
    }

    fn address(self, gateway: &Gateway) -> SocketAddr {
        match self {
            Self::Mqtt => gateway.mqtt_address(),
            Self::Mqtts => gateway.mqtts_address().expect("it listens with TLS"),
            Self::WebSocket => gateway.dashboard_address(),
            Self::SecureWebSocket => gateway.https_address().expect("its page has TLS"),
        }
    }
}

/// One make of client, speaking one version of the protocol, through one door, to one gateway.
#[derive(Clone, Copy)]
struct Client<'a> {
    make: Make,
    door: Door,
    protocol: Protocol,
    gateway: &'a Gateway,
}

/// A message as a client reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    topic: String,
    payload: String,
    qos: u64,
    retain: bool,
}

struct Subscriber {
    make: Make,
    process: Process,
}

fn clients_directory() -> PathBuf {
    workspace().join("tests/clients")
}

/// The interpreter of the virtual environment that `scripts/test` makes from `requirements.txt`.
fn python() -> PathBuf {
    let python = clients_directory().join(".venv/bin/python");
    assert!(python.is_file(), "paho-mqtt is not installed in tests/clients/.venv: run scripts/test rust");
    python
}

impl<'a> Client<'a> {
    /// Every make and version at the plain door.
    fn everywhere(gateway: &'a Gateway) -> impl Iterator<Item = Self> {
        Self::at(gateway, Door::Mqtt)
    }

    /// Every make and version that can go through this door.
    fn at(gateway: &'a Gateway, door: Door) -> impl Iterator<Item = Self> {
        // Mosquitto's tools speak WebSocket from 2.1 on, which Debian 12 does not have.
        let can = move |make: &Make| *make != Make::Mosquitto || matches!(door, Door::Mqtt | Door::Mqtts);
        MAKES.into_iter().filter(can).flat_map(move |make| {
            PROTOCOLS.into_iter().map(move |protocol| Self { make, door, protocol, gateway })
        })
    }

    fn name(self, role: &str) -> String {
        format!("{:?}-{:?}-{:?}-{role}", self.door, self.make, self.protocol).to_lowercase()
    }

    /// The certificate that vouches for the gateway.
    fn authority(self) -> PathBuf {
        self.gateway.data_directory().join("tls/ca.crt")
    }

    /// The program for `action` (`subscribe` or `publish`), with how to reach the broker.
    fn program(self, action: &str) -> Command {
        let (address, login) = (self.door.address(self.gateway), login());
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = match self.make {
            Make::Mosquitto => {
                // Into a pipe it would keep its lines back until the first message.
                let mut command = Command::new("stdbuf");
                command.args([
                    "--output=L",
                    if action == "subscribe" { "mosquitto_sub" } else { "mosquitto_pub" },
                ]);
                let version = if self.protocol == Protocol::V5 { "mqttv5" } else { "mqttv311" };
                command.args(["-h", &host, "-p", &port, "-u", &login.user, "-P", &login.password]);
                command.args(["-V", version, "-i", &self.name(action)]);
                if self.door.has_tls() {
                    command.arg("--cafile").arg(self.authority());
                }
                return command;
            }
            Make::Paho => {
                let mut command = Command::new(python());
                command.arg(clients_directory().join("paho_client.py"));
                command
            }
            Make::MqttJs => {
                let modules = clients_directory().join("node_modules/mqtt");
                assert!(modules.is_dir(), "MQTT.js is not installed in tests/clients: run scripts/test rust");
                let mut command = Command::new("node");
                command.arg(clients_directory().join("mqttjs_client.js"));
                command
            }
        };
        let version = if self.protocol == Protocol::V5 { "5" } else { "3.1.1" };
        command.args([action, "--door", self.door.scheme(), "--host", &host, "--port", &port]);
        if self.door.has_tls() {
            command.arg("--authority").arg(self.authority());
        }
        command.args(["--user", &login.user, "--password", &login.password]);
        command.args(["--protocol", version, "--id", &self.name(action)]);
        command
    }

    /// Starts a subscriber and waits until the broker has answered it.
    fn subscribe(self, filters: &[&str], qos: u8) -> Subscriber {
        self.subscribe_with_will(filters, qos, None)
    }

    fn subscribe_with_will(self, filters: &[&str], qos: u8, will: Option<(&str, &str)>) -> Subscriber {
        let mut command = self.program("subscribe");
        let level = qos.to_string();
        if self.make == Make::Mosquitto {
            // %j prints a message as JSON; -d says when the broker has answered.
            command.args(["-d", "-F", "%j", "-q", &level]);
            for filter in filters {
                command.args(["-t", filter]);
            }
            if let Some((topic, payload)) = will {
                command.args(["--will-topic", topic, "--will-payload", payload]);
                command.args(["--will-qos", "1", "--will-retain"]);
            }
        } else {
            command.args(["--qos", &level]);
            for filter in filters {
                command.args(["--filter", filter]);
            }
            if let Some((topic, payload)) = will {
                command.args(["--will-topic", topic, "--will-payload", payload]);
            }
        }
        let subscriber = Subscriber { make: self.make, process: Process::start(&mut command, "") };
        let what = format!("the subscription of {}", self.name("subscribe"));
        subscriber.process.stdout().wait(&what, LIMIT, |line| {
            (line.starts_with("Subscribed ") || line.contains("\"subscribed\"")).then_some(())
        });
        subscriber
    }

    fn publish(self, topic: &str, payload: &str, qos: u8, retain: bool) {
        let mut command = self.program("publish");
        let level = qos.to_string();
        if self.make == Make::Mosquitto {
            command.args(["-t", topic, "-m", payload, "-q", &level]);
            command.args(retain.then_some("-r"));
        } else {
            command.args(["--topic", topic, "--payload", payload, "--qos", &level]);
            command.args(retain.then_some("--retain"));
        }
        let finished = Process::run(&mut command, "", LIMIT);
        assert_eq!(finished.code, Some(0), "{}: {finished:?}", self.name("publish"));
    }
}

impl Subscriber {
    fn parse(&self, line: &str) -> Option<Heard> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Heard {
            topic: value["topic"].as_str()?.to_owned(),
            payload: value["payload"].as_str()?.to_owned(),
            qos: value["qos"].as_u64()?,
            // mosquitto_sub writes 0 and 1.
            retain: value["retain"] == true || value["retain"] == 1,
        })
    }

    /// All messages so far.
    fn heard(&self) -> Vec<Heard> {
        self.process.stdout().all().iter().filter_map(|line| self.parse(line)).collect()
    }

    fn wait(&self, what: &str, pick: impl Fn(&Heard) -> bool) -> Heard {
        let what = format!("{what} at {:?}", self.make);
        self.process.stdout().wait(&what, LIMIT, |line| self.parse(line).filter(|heard| pick(heard)))
    }

    fn wait_for(&self, topic: &str, payload: &str) -> Heard {
        self.wait(&format!("{payload} on {topic}"), |heard| heard.topic == topic && heard.payload == payload)
    }
}

/// Each of them publishes at each quality of service, and each of them hears it at that quality: 3.1.1 and 5 on one
/// port, any language in topics, wildcards.
#[test]
fn everybody_hears_everybody_in_any_language_at_any_quality() {
    let gateway = start();
    let filters = ["casa/+/temperature", "casa/ático/#", "家/+/温度"];
    let subscribers: Vec<Subscriber> =
        Client::everywhere(&gateway).map(|client| client.subscribe(&filters, 2)).collect();
    for publisher in Client::everywhere(&gateway) {
        for (topic, qos) in [("casa/salón/temperature", 0), ("casa/ático/luz", 1), ("家/客厅/温度", 2)]
        {
            let payload = format!("21.5 {} {qos}", publisher.name("publish"));
            publisher.publish(topic, &payload, qos, false);
            for subscriber in &subscribers {
                let heard = subscriber.wait_for(topic, &payload);
                let expected = Heard {
                    topic: topic.to_owned(),
                    payload: payload.clone(),
                    qos: u64::from(qos),
                    retain: false,
                };
                assert_eq!(heard, expected, "{:?}", subscriber.make);
            }
        }
        // Neither of these matches a filter: one level too many, one too few.
        publisher.publish("casa/salón/mesa/temperature", "deep", 1, false);
        publisher.publish("casa/temperature", "shallow", 1, false);
    }
    let last = Client::everywhere(&gateway).last().expect("there are clients");
    last.publish("casa/end/temperature", "end", 1, false);
    for subscriber in &subscribers {
        subscriber.wait_for("casa/end/temperature", "end");
        let heard = subscriber.heard();
        assert_eq!(heard.len(), 6 * 3 + 1, "each message once, and no other: {heard:#?}");
    }
}

#[test]
fn a_retained_message_waits_for_whoever_comes_later() {
    let gateway = start();
    for publisher in Client::everywhere(&gateway) {
        let topic = format!("casa/{}/lámpara", publisher.name("publish"));
        publisher.publish(&topic, "old", 1, true);
        publisher.publish(&topic, "new", 1, true);
        let late: Vec<Subscriber> =
            Client::everywhere(&gateway).map(|client| client.subscribe(&[&topic], 1)).collect();
        for subscriber in &late {
            assert!(subscriber.wait_for(&topic, "new").retain, "{:?}", subscriber.make);
        }
        // Heard again while subscribed, it is no longer a message from the past. [MQTT-3.3.1-12]
        publisher.publish(&topic, "newest", 1, true);
        for subscriber in &late {
            assert!(!subscriber.wait_for(&topic, "newest").retain, "{:?}", subscriber.make);
            assert!(
                subscriber.heard().iter().all(|heard| heard.payload != "old"),
                "only the last is retained"
            );
        }
    }
}

#[test]
fn the_will_of_a_client_that_dies_is_published() {
    let gateway = start();
    let witness = gateway.phone("witness");
    witness.subscribe("casa/#");
    for client in Client::everywhere(&gateway) {
        let topic = format!("casa/{}/último", client.name("subscribe"));
        let doomed = client.subscribe_with_will(&["casa/#"], 0, Some((&topic, "gone")));
        doomed.process.kill();
        drop(doomed);
        witness.wait_payload(&topic, "gone");
        let late = client.subscribe(&[&topic], 1);
        assert!(late.wait_for(&topic, "gone").retain, "{:?}", client.make);
    }
}

/// MQTT is the same behind each door: what is retained is there at once, messages arrive at each quality of service, and
/// the will follows when the client dies. What is published through one door is heard at the plain one as well.
#[test]
fn everybody_comes_through_every_door() {
    let gateway = start();
    let witness = gateway.phone("witness");
    witness.subscribe("casa/#");
    for client in DOORS.into_iter().flat_map(|door| Client::at(&gateway, door)) {
        let name = client.name("subscribe");
        let [lamp, door, will] = ["lamp", "door", "will"].map(|what| format!("casa/{name}/{what}"));
        client.publish(&lamp, "on", 1, true);
        let subscriber = client.subscribe_with_will(&[&lamp, &door], 2, Some((&will, "gone")));
        client.publish(&door, "open", 0, false);
        client.publish(&door, "shut", 2, false);

        for (topic, payload, qos, retain) in
            [(&lamp, "on", 1, true), (&door, "open", 0, false), (&door, "shut", 2, false)]
        {
            let heard = subscriber.wait_for(topic, payload);
            let expected = Heard { topic: topic.clone(), payload: payload.to_owned(), qos, retain };
            assert_eq!(heard, expected, "{name}");
            witness.wait_payload(topic, payload);
        }
        assert_eq!(subscriber.heard().len(), 3, "each message once: {:#?}", subscriber.heard());
        subscriber.process.kill();
        witness.wait_payload(&will, "gone");
    }
}

#[test]
fn a_reading_and_a_command_travel_to_every_make_of_client() {
    let gateway = start();
    let browser = gateway.browser();
    browser.log_in(&login().user, &login().password);
    let heater = browser.find("heater", |_, property| crate::command::is_heater(property));
    let subscribers: Vec<Subscriber> = Client::everywhere(&gateway)
        .map(|client| client.subscribe(&["home/+/+", "home/+/+/result"], 1))
        .collect();
    for subscriber in &subscribers {
        subscriber.wait("the temperature of a room", |heard| {
            heard.topic.ends_with("/temperature") && heard.payload.parse::<f64>().is_ok()
        });
        subscriber.wait_for(&heater.topic(), "OFF");
    }
    let publisher =
        Client { make: Make::Mosquitto, door: Door::Mqtt, protocol: Protocol::V311, gateway: &gateway };
    publisher.publish(&format!("{}/set", heater.topic()), "ON", 1, false);
    for subscriber in &subscribers {
        subscriber.wait_for(&heater.topic(), "ON");
        let result = subscriber.wait("a result", |heard| heard.topic == format!("{}/result", heater.topic()));
        let result: Value = serde_json::from_str(&result.payload).expect("a result is JSON");
        assert_eq!(result["ok"], json!(true), "{result}");
    }
}

/// It is kept as a file, and nothing of it is changed but what its three constants say. It names no port, so the
/// broker listens on the usual one, at an address of the loopback network that no other program uses.
#[test]
fn the_first_script_of_every_beginner_works() {
    let id = std::process::id();
    let host = format!("127.77.{}.{}", (id / 250) % 250 + 1, id % 250 + 1);
    let login = login();
    let setup = Setup::demo().mqtt(&format!("{host}:1883"));
    let gateway = setup.with_user(&login.user, "admin", &login.password).start();

    let script =
        std::fs::read_to_string(clients_directory().join("first_script.py")).expect("the script is there");
    let changes = [
        ("HOST = \"raspberrypi.local\"", format!("HOST = \"{host}\"")),
        ("USER = \"ana\"", format!("USER = \"{}\"", login.user)),
        ("PASSWORD = \"secret\"", format!("PASSWORD = \"{}\"", login.password)),
    ];
    let script = changes.iter().fold(script, |script, (old, new)| {
        assert_eq!(script.matches(old).count(), 1, "{old}");
        script.replace(old, new)
    });
    // Its output is not a terminal here, and Python would keep it back.
    let script = Process::start(Command::new(python()).args(["-u", "-c", &script]), "");
    script.stdout().wait("the connection", LIMIT, |line| (line == "connected: Success").then_some(()));

    // The script does not say when its subscription stands; a retained message reaches it in any case.
    let phone = gatehouse_tests::Phone::connect(gateway.mqtt_address(), "thermometer", &login);
    phone.publish("home/temperature", "21.5", true).expect("a plain message is welcome");
    script.stdout().wait("the temperature", LIMIT, |line| (line == "home/temperature 21.5").then_some(()));
    phone.publish("home/temperature", "22", false).expect("a plain message is welcome");
    script.stdout().wait("the next one", LIMIT, |line| (line == "home/temperature 22").then_some(()));
}
