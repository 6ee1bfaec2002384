//! Devices that speak in lines, on simulated serial lines.

use std::os::fd::AsRawFd as _;
use std::time::Duration;

use gatehouse_board::config::{DeviceConfig, DriverConfig, EndOfLine, StreamConfig};
use gatehouse_board::sim::Terminal;
use gatehouse_model::{CommandResult, DeviceId, Origin, Qos, Quality, TopicName};

use serial2::SerialPort;

use crate::harness::{House, MINUTE};

const PORT: &str = "/dev/ttyUSB0";

fn device(id: &str, config: StreamConfig) -> DeviceConfig {
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Stream(config))
}

fn house(change: impl FnOnce(&mut StreamConfig)) -> (House, Terminal) {
    let mut config = StreamConfig::at(PORT);
    change(&mut config);
    let house = House::of(vec![device("meter", config)]);
    let terminal = house.board.terminal(PORT).unwrap();
    (house, terminal)
}

async fn line(house: &mut House) -> String {
    let message = house.message("home/meter/line").await;
    assert!(message.retain && message.qos == Qos::AtLeastOnce, "a line is a state, and none is passed over");
    String::from_utf8(message.payload.to_vec()).unwrap()
}

async fn told(house: &mut House, payload: &str) -> CommandResult {
    house.command("meter", "send", payload).await;
    house.result("meter", "send").await
}

#[tokio::test(start_paused = true)]
async fn every_line_is_published_in_its_order_also_the_same_one_twice() {
    let (mut house, terminal) = house(|_| {});
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"OPEN\r\nOPEN\r\n21.5\nON\n{\"w\":");
    terminal.say(b"812}\n");
    for expected in ["OPEN", "OPEN", "21.5", "ON", "{\"w\":812}"] {
        assert_eq!(line(&mut house).await, expected);
    }
    terminal.say(b"4 \xb0C\n");
    let message = house.message("home/meter/line").await;
    assert_eq!(message.payload, "4 \u{fffd}C");
    assert_eq!(message.properties.user_property("quality"), Some(Quality::Simulated.as_str()));
    house.stop().await.unwrap();
    assert_eq!(house.latest("home/meter/availability").as_deref(), Some("offline"));
}

#[tokio::test(start_paused = true)]
async fn a_text_is_written_with_its_end_answered_and_shown_with_its_cause() {
    let (mut house, terminal) = house(|config| config.end_of_line = EndOfLine::CrLf);
    house.payload("home/meter/availability", "online").await;
    let mut message = house.command_message("meter", "send", r#"{"value":"AT+CSQ","id":"x1"}"#);
    message.properties.response_topic = Some(TopicName::new("answers/phone").unwrap());
    house.send(message).await;
    let result = house.result("meter", "send").await;
    assert_eq!((result.id.as_deref(), result.ok, result.reason), (Some("x1"), true, None));
    house.message("answers/phone").await;
    assert_eq!(terminal.heard(), b"AT+CSQ\r\n");
    let sent = house.reading("meter", "send").await;
    assert_eq!(sent.value.to_string(), "AT+CSQ");
    let by = sent.cause.map(|cause| cause.origin);
    assert_eq!(by, Some(Origin::Client { client_id: "phone".into(), user: "ana".into() }));
    for text in ["ON", "{\"state\":1}", " Käse "] {
        assert!(told(&mut house, text).await.ok);
        assert_eq!(terminal.heard(), format!("{text}\r\n").into_bytes());
    }
    assert!(told(&mut house, r#"{"value":""}"#).await.ok);
    assert_eq!(terminal.heard(), b"\r\n");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_refused_with_a_reason_and_nothing_goes_out() {
    let (mut house, terminal) = house(|config| config.max_line = 8);
    house.payload("home/meter/availability", "online").await;
    let long = told(&mut house, "123456789").await;
    assert!(long.reason.is_some_and(|reason| reason.contains("9 bytes") && reason.contains("max_line")));
    assert!(!told(&mut house, "").await.ok);
    let retained = gatehouse_model::Message { retain: true, ..house.command_message("meter", "send", "AT") };
    house.send(retained).await;
    let refused = house.result("meter", "send").await;
    assert!(refused.reason.is_some_and(|reason| reason.contains("retain")));
    house.command("meter", "line", "AT").await;
    assert!(!house.result("meter", "line").await.ok);
    assert_eq!(terminal.heard(), b"");
    assert!(told(&mut house, "12345678").await.ok);
    house.stop().await.unwrap();
}

/// An adapter was unplugged, and the gateway had to be restarted before the meter was heard again.
#[tokio::test(start_paused = true)]
async fn an_adapter_that_comes_back_is_back_without_a_restart() {
    let (mut house, terminal) = house(|_| {});
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"half a li");
    house.pass(Duration::from_secs(1)).await;
    terminal.set_unplugged(true);
    house.payload("home/meter/availability", "offline").await;
    assert!(house.fault("meter").is_some_and(|fault| fault.contains("plug it in again")), "at first");
    house.pass(MINUTE).await;
    let result = told(&mut house, "AT").await;
    assert!(!result.ok && result.reason.is_some_and(|reason| reason.contains(PORT)));
    terminal.set_unplugged(false);
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"here again\n");
    assert_eq!(line(&mut house).await, "here again", "without the piece from before");
    assert_eq!(house.fault("meter"), None);
    assert!(told(&mut house, "AT").await.ok);
    assert_eq!(terminal.heard(), b"AT\n");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_said_and_taken_back_when_it_is_over() {
    let (mut house, terminal) = house(|config| config.max_line = 5);
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"1234567890\n");
    terminal.say(&b"x\n".repeat(1_000));
    assert_eq!(line(&mut house).await, "12345");
    house.pass(Duration::from_secs(5)).await;
    let fault = house.fault("meter").unwrap();
    assert!(
        fault.contains("1 lines were longer than 5 bytes") && fault.contains("lines were left out"),
        "{fault}"
    );
    assert_eq!(house.latest("home/meter/availability").as_deref(), Some("online"), "it works all the same");
    let published = house.readings_so_far("meter", "line").len();
    assert!((200..400).contains(&published), "{published} lines");
    house.pass(3 * MINUTE).await;
    assert_eq!(house.fault("meter"), None);
    house.stop().await.unwrap();
}

/// The port is given back before the changed device asks for it, and what cannot be written any more is refused.
#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs() {
    let (mut house, terminal) = house(|_| {});
    house.payload("home/meter/availability", "online").await;
    let changed = StreamConfig { end_of_line: EndOfLine::Cr, ..StreamConfig::at(PORT) };
    house.apply(vec![device("meter", changed)]).await.unwrap();
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"one\rtwo\r");
    assert_eq!((line(&mut house).await, line(&mut house).await), ("one".to_owned(), "two".to_owned()));
    assert!(told(&mut house, "AT").await.ok);
    assert_eq!(terminal.heard(), b"AT\r");
    house.apply(Vec::new()).await.unwrap();
    let gone = told(&mut house, "AT").await;
    assert!(!gone.ok, "{gone:?}");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_ends_what_has_no_other_end() {
    let (mut house, terminal) = house(|config| config.end_of_line = EndOfLine::Pause);
    house.payload("home/meter/availability", "online").await;
    terminal.say(b"0F001A2B");
    assert_eq!(line(&mut house).await, "0F001A2B");
    terminal.say(b"0F001A2C\r\n");
    assert_eq!(line(&mut house).await, "0F001A2C");
    assert!(told(&mut house, "ok").await.ok);
    assert_eq!(terminal.heard(), b"ok");
    house.stop().await.unwrap();
}

/// Longest time that anything at a real terminal is waited for.
const REAL_LIMIT: Duration = Duration::from_secs(60);

/// The same with the kernel's own terminals in between, in real time: lines, a text, and a far end that goes away.
#[tokio::test]
async fn a_terminal_of_the_kernel_is_heard_and_spoken_to() {
    let (mut far, near) = SerialPort::pair().unwrap();
    far.set_read_timeout(Duration::from_secs(10)).unwrap();
    let path = std::fs::read_link(format!("/proc/self/fd/{}", near.as_raw_fd())).unwrap();
    let config = StreamConfig::at(path.to_str().unwrap());
    let talk = async {
        let mut house = House::on_this_machine(vec![device("meter", config)]);
        house.payload("home/meter/availability", "online").await;
        far.write_all(b"first\r\nsec").unwrap();
        assert_eq!(line(&mut house).await, "first");
        far.write_all(b"ond\n\x03\x04\n").unwrap();
        assert_eq!(line(&mut house).await, "second");
        assert_eq!(line(&mut house).await, "\u{3}\u{4}", "no byte means anything to the terminal");
        assert!(told(&mut house, "AT").await.ok);
        let (mut got, mut buffer) = (Vec::new(), [0; 16]);
        while got.len() < 3 {
            let count = far.read(&mut buffer).unwrap();
            got.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(got, b"AT\n");
        drop((far, near));
        house.payload("home/meter/availability", "offline").await;
        assert!(house.fault("meter").is_some_and(|fault| fault.contains("plug it in again")));
        house.stop().await.unwrap();
    };
    tokio::time::timeout(REAL_LIMIT, talk).await.unwrap();
}
