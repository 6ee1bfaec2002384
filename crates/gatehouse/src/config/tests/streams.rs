//! Devices that speak in lines at a serial port.

use gatehouse_board::config::{EndOfLine, StreamConfig};
use gatehouse_board::traits::SerialRequest;

use super::*;

fn stream(text: &str) -> StreamConfig {
    let mut config = loaded(&device("serial", text));
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    match config.devices.remove(0).driver {
        DriverConfig::Stream(stream) => stream,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_example_of_the_page_can_be_used() {
    let page = include_str!("../../../../../docs/serial.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2, "{} examples", blocks.len());
    for block in blocks {
        let config = loaded(block);
        assert!(config.warnings.is_empty() && !config.devices.is_empty(), "{block}\n{}", config.warnings);
    }
}

#[test]
fn all_settings_arrive() {
    let text = "port = \"/dev/ttyUSB0\"\nbaud = 300\ndata_bits = 7\nparity = \"even\"\nstop_bits = 2\nend_of_line = \"crlf\"\nmax_line = 80\n";
    let port =
        SerialRequest { path: "/dev/ttyUSB0".to_owned(), baud: 300, data_bits: 7, parity: 'E', stop_bits: 2 };
    assert_eq!(stream(text), StreamConfig { port, end_of_line: EndOfLine::CrLf, max_line: 80 });
    // What is written for a stream of mqtt-io.
    let imported = stream("port = \"/dev/ttyS0\"\nbaud = 9600\n");
    assert_eq!(imported, StreamConfig::at("/dev/ttyS0"));
}

#[test]
fn mistakes() {
    let serial = |lines: &str| device("serial", lines);
    check(&serial("baud = 9600\n"), &[(1, 1, "`port` is missing", "/dev/serial/by-id")]);
    check(&serial("port = \"COM3\"\n"), &[(4, 8, "`COM3` is no serial port", "/dev/ttyUSB0")]);
    let at = |line: &str| serial(&format!("port = \"/dev/ttyUSB0\"\n{line}\n"));
    check(&at("baud = 0"), &[(5, 8, "`baud` cannot be 0", "from 50 to 4000000")]);
    check(&at("baud = \"9600\""), &[(5, 8, "`baud` is a text", "baud = 9600")]);
    check(&at("data_bits = 9"), &[(5, 13, "`data_bits` cannot be 9", "from 5 to 8")]);
    check(&at("parity = \"evn\""), &[(5, 10, "`parity` cannot be `evn`", "did you mean \"even\"?")]);
    check(&at("end_of_line = \"\\n\""), &[(5, 15, "`end_of_line` cannot be", "it can be")]);
    check(&at("max_line = 2000"), &[(5, 12, "`max_line` cannot be 2000", "from 1 to 1024")]);
}

/// One port has one owner, whatever speaks at it.
#[test]
fn two_devices_cannot_share_a_port() {
    let other = device("pms5003", "port = \"/dev/serial0\"\n").replace("\"x\"", "\"y\"");
    let both = format!("{}{other}", device("serial", "port = \"/dev/serial0\"\n"));
    check(&both, &[(8, 8, "`y`: /dev/serial0 is already used by `x` (line 4)", "another address or bus")]);
}
