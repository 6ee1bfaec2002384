//! The house as a whole: what it does while it starts, when a part fails, and how it stops.

use std::net::SocketAddr;
use std::time::Duration;

use gatehouse_model::{Message, Origin, Qos, TopicName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::parts::{LAST_WORD_LIMIT, STOP_AT_LAST, STOP_BEFORE_OFFLINE, STOP_FIRST, STOP_TOGETHER};
use std::path::Path;

use super::*;
use crate::config::Addresses;
use crate::lifecycle::STOP_LIMIT;

/// A part that had less time than its own limits was cut off while it did what it should, and the stop exited 1.
#[test]
fn the_parts_have_time_to_stop_within_the_limit_of_the_whole() {
    let parts = [STOP_FIRST, STOP_BEFORE_OFFLINE].into_iter().chain(STOP_AT_LAST).map(|(_, limit)| limit);
    assert!(parts.sum::<Duration>() + STOP_TOGETHER.1 + LAST_WORD_LIMIT <= STOP_LIMIT);
}

/// The demonstration house with its listeners on free ports of this machine, running.
async fn demonstration(directory: &Path) -> Running {
    start(opened(directory, None).await, directory).await
}

async fn start(house: House, directory: &Path) -> Running {
    match house.start(Source::new(None, true, Addresses::default()), &Home::at(directory)).await {
        Ok(running) => running,
        Err((_, problem)) => panic!("{problem:#}"),
    }
}

/// The same before its start. Clients without a name have these rights.
async fn opened(directory: &Path, anonymous: Option<&str>) -> House {
    let config = crate::config::load(crate::config::default_text(), "the default configuration").unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config =
        config.with_addresses(Addresses { http: Some(free), mqtt: Some(free), ..Addresses::default() });
    config.devices = gatehouse_board::sim::demo_house();
    config.broker.anonymous = anonymous.map(str::to_owned);
    House::open(config, &Home::at(directory), true).await.unwrap()
}

/// Connects with MQTT 5 and sends one command with QoS 1, without waiting for anything. [MQTT-3.1.4-5] allows that.
async fn command_at_once(mqtt: SocketAddr, topic: &str, payload: &str) -> TcpStream {
    let mut bytes = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02ha".to_vec();
    let length = u8::try_from(2 + topic.len() + 2 + 1 + payload.len()).unwrap();
    bytes.extend([0x32, length, 0, u8::try_from(topic.len()).unwrap()]);
    bytes.extend(topic.bytes().chain([0, 1, 0]).chain(payload.bytes()));
    let mut client = TcpStream::connect(mqtt).await.unwrap();
    client.write_all(&bytes).await.unwrap();
    client
}

/// The type and the rest of the next packet, which is a short one.
async fn packet(client: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    assert!(head[1] < 0x80, "a long packet");
    let mut rest = vec![0; usize::from(head[1])];
    client.read_exact(&mut rest).await.unwrap();
    (head[0] >> 4, rest)
}

/// The listeners are open before anything runs. A command that waited there was acknowledged by the broker before the bridge
/// had subscribed to it: the heater stayed off, and whoever asked believed that it was on.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_comes_while_the_house_starts_is_obeyed_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let house = opened(directory.path(), Some("admin")).await;
    let mqtt = house.mqtt.addresses().unwrap().plain;
    let mut client = command_at_once(mqtt, "home/heater/power/set", "ON").await;
    let mut running = start(house, directory.path()).await;
    let (kind, connected) = packet(&mut client).await;
    assert_eq!((kind, connected[1]), (2, 0), "it is let in: {connected:?}");
    let (kind, acknowledged) = packet(&mut client).await;
    assert_eq!((kind, &acknowledged[..2]), (4, &[0, 1][..]), "{acknowledged:?}");
    // Without a reason code it is success.
    match acknowledged.get(2).copied().unwrap_or(0) {
        0 => {
            let filter = gatehouse_model::TopicFilter::new("home/heater/power").unwrap();
            let states = running.voice.client.subscribe(&[(filter, Qos::AtLeastOnce)]).await;
            let mut states = states.unwrap();
            let limit = Duration::from_secs(60);
            let on = async { while states.recv().await.unwrap().payload != "ON" {} };
            tokio::time::timeout(limit, on).await.expect("the command was acknowledged and not obeyed");
        }
        code => {
            let reason = String::from_utf8_lossy(&acknowledged);
            assert!(code == 0x83 && reason.contains("still starting"), "{code:#x}: {reason}");
        }
    }
    assert!(running.stop_outputs("it was asked to").await && running.stop_rest().await);
}

/// The page showed the size and the room of some memory as those of the disk, and so did the tile of the machine itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_disk_that_is_watched_is_the_one_with_the_data_also_while_the_gateway_works_elsewhere() {
    let (data, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = crate::config::load(crate::config::default_text(), "the default configuration").unwrap();
    let home = Home::in_place_of(data.path(), memory.path());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opened = open_board(&config, &home, true, &clock).unwrap();
    assert_eq!(opened.board.places.data, data.path());
    let names =
        |place: &Path| std::fs::read_dir(place).unwrap().map(|one| one.unwrap().file_name()).collect();
    let (kept, worked): (Vec<_>, Vec<_>) = (names(data.path()), names(memory.path()));
    assert_eq!((kept, worked), (Vec::<std::ffi::OsString>::new(), vec![paths::BOARD_FILE.into()]));
}

/// A card that was full kept the lights off.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_cannot_be_opened_keeps_nothing_else_from_running() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join(paths::HISTORY_FILE);
    std::fs::create_dir(&in_the_way).unwrap();
    let mut running = demonstration(directory.path()).await;
    let mut trouble = running.history.trouble();
    assert!(trouble.borrow_and_update().as_deref().is_some_and(|why| why.contains(paths::HISTORY_FILE)));
    let client = running.voice.client.clone();
    let filter = gatehouse_model::TopicFilter::new("home/heater/power").unwrap();
    let mut seen = client.subscribe(&[(filter, Qos::AtLeastOnce)]).await.unwrap();
    let command = TopicName::new("home/heater/power/set").unwrap();
    let origin = Origin::Page { user: "ana".into() };
    client.publish(Message::new(command, "ON", Qos::AtLeastOnce, false, origin)).await.unwrap();
    while seen.recv().await.unwrap().payload != "ON" {}
    // And it begins by itself.
    std::fs::remove_dir(&in_the_way).unwrap();
    while trouble.borrow_and_update().is_some() {
        trouble.changed().await.unwrap();
    }
    assert!(running.stop_outputs("it was asked to").await && running.stop_rest().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_dies_stops_the_house_with_its_outputs_safe() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = demonstration(directory.path()).await;
    let client = running.voice.client.clone();
    let states = |text| gatehouse_model::TopicFilter::new(text).unwrap();
    let filters =
        [(states("home/heater/power"), Qos::AtLeastOnce), (states("home/status"), Qos::AtLeastOnce)];
    let mut seen = client.subscribe(&filters).await.unwrap();
    let command = TopicName::new("home/heater/power/set").unwrap();
    let origin = Origin::Page { user: "ana".into() };
    client.publish(Message::new(command, "ON", Qos::AtLeastOnce, false, origin)).await.unwrap();
    while seen.recv().await.unwrap().payload != "ON" {}

    running.lifecycle.start("fragile part", |_| async { anyhow::bail!("the wire broke") });
    let mut signals = crate::lifecycle::Signals::listen().unwrap();
    let reason = running.lifecycle.wait(&mut signals).await;
    assert_eq!(reason, crate::lifecycle::StopReason::PartDied, "the process exits with 1");
    assert!(running.stop_outputs("it was asked to").await && running.stop_rest().await);

    let mut words = Vec::new();
    while let Some(message) = seen.recv().await {
        words.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    assert_eq!(words, ["OFF", "offline"], "first safe, then offline");
}

/// A Mosquitto that was there first kept the whole gateway from starting, with it the page that could have named it.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_usual_port_taken_mqtt_is_on_the_next_one_and_the_page_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let usual = other.local_addr().unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let given = Addresses { http: Some(free), mqtts: Some(free), https: Some(free), mqtt: None };
    let config = crate::config::load(crate::config::default_text(), "the default configuration").unwrap();
    assert!(
        !config.mqtt_asked && config.mqtt.port() == 1883,
        "the configuration of a fresh gateway asks for no port"
    );
    let config = Config { mqtt: usual, mdns: false, ..config.with_addresses(given) };
    let house = House::open(config.clone(), &Home::at(directory.path()), true).await.unwrap();
    let found = house.mqtt.addresses().unwrap().plain;
    assert!(found.port() > usual.port(), "{found}");
    let [warning] = &house.lasting[..] else { panic!("{:?}", house.lasting) };
    assert_eq!(warning.kind, WarningWord::MqttMoved);
    let told: Vec<&str> = warning.detail.splitn(3, ' ').collect();
    assert_eq!(told[..2], [usual.port().to_string(), found.port().to_string()]);
    let mut running = start(house, directory.path()).await;
    // Who is told the address, such as a phone by pairing, is told the one where the broker is.
    let mut client = command_at_once(found, "home/heater/power/set", "ON").await;
    assert_eq!(packet(&mut client).await.0, 2, "a broker answers there");
    assert!(running.stop_outputs("it was asked to").await && running.stop_rest().await);
    // Who asked for just that port is told that it cannot be had.
    let asked = House::open(Config { mqtt_asked: true, ..config }, &Home::at(directory.path()), true).await;
    let said = format!("{:#}", asked.err().unwrap());
    assert!(said.contains(&usual.to_string()) && said.contains("--mqtt"), "{said}");
}
