//! Every problem with its line, its column and its hint.

use std::time::Duration;

use gatehouse_board::config::{ActiveLevel, DriverConfig, Duty, LineNumber, MAX_DEVICES, Pull};
use gatehouse_model::{Randomness as _, SeededRandomness};

mod signals;
mod suggestions;

mod streams;

use super::problems::MAX_SHOWN;
use super::*;

mod aliases;
mod broker;
mod history;
mod inputs;
mod manual;
mod outputs;

/// Line, column, a part of what is wrong, and a part of the hint.
type Expected<'a> = (usize, usize, &'a str, &'a str);

/// Loads a text and compares everything that is found, warnings included, one by one.
fn check(text: &str, expected: &[Expected<'_>]) {
    let problems = match load(text, "gatehouse.toml") {
        Ok(config) => config.warnings,
        Err(problems) => problems,
    };
    let found = problems.listed();
    assert_eq!(found.len(), expected.len(), "in:\n{text}\nfound:\n{problems}");
    let rendered = problems.to_string();
    for ((line, column, what, hint), (at_line, at_column, what_part, hint_part)) in found.iter().zip(expected)
    {
        assert_eq!((line, column), (at_line, at_column), "{what}");
        assert!(what.contains(what_part), "`{what_part}` is not in `{what}`");
        assert!(hint.contains(hint_part), "`{hint_part}` is not in `{hint}`");
        if *line > 0 {
            let place = format!("gatehouse.toml:{line}:{column}\n");
            assert!(rendered.contains(&place), "{place} is not in:\n{rendered}");
        }
    }
    assert_eq!(rendered.matches("help: ").count(), expected.len(), "{rendered}");
}

/// A device with these lines after its header, its id and its driver: they begin at line 4.
fn device(driver: &str, lines: &str) -> String {
    format!("[[device]]\nid = \"x\"\ndriver = \"{driver}\"\n{lines}")
}

fn output(lines: &str) -> String {
    device("output", &format!("pin = 22\nsafe = \"off\"\nmax_on = \"2h\"\n{lines}"))
}

fn loaded(text: &str) -> Config {
    load(text, "gatehouse.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_empty_text_is_a_configuration() {
    let config = loaded("");
    assert_eq!((config.gateway.scheme.base(), &*config.gateway.name), ("home", "Gatehouse"));
    let everywhere = |port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    assert_eq!((config.http, config.mqtt), (everywhere(8080), everywhere(1883)));
    assert!(config.devices.is_empty() && config.warnings.is_empty());
}

#[test]
fn the_default_text_has_nothing_wrong_with_it_nor_have_its_examples() {
    let config = loaded(default_text());
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    assert_eq!(config.devices.len(), 1);
    // A remark that is a line of TOML is an example; remarks for people stay what they are.
    let is_example = |line: &str| line.contains(" = ") || line.starts_with('[');
    let examples: Vec<&str> = default_text()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_example(rest)).unwrap_or(line))
        .collect();
    let config = loaded(&examples.join("\n"));
    assert_eq!(config.devices.len(), 3);
    assert!(config.rights.get("sensors").is_some());
    assert_eq!(config.gateway.time_zone.as_deref(), Some("Europe/Madrid"));
    assert_eq!(config.gateway.location, Some(Location { latitude: 40.4, longitude: -3.7 }));
}

/// The example of the design, with its temperature sensor simulated: this version does not drive the real one yet.
const HOUSE: &str = r#"
[gateway]
name = "Casa"
base = "casa"
time_zone = "Europe/Madrid"
location = { latitude = 40.4, longitude = -3.7 }

[history]
commit_every = "30s"

[mqtt]
listen = "127.0.0.1:11883"

[[device]]
id = "kitchen"
name = "Cocina"
driver = "simulated-climate"
every = "5s"
calibrate.temperature = { offset = -0.4 }
report.temperature = { delta = 0.1, at_least_every = "5m" }

[[device]]
id = "front-door"
driver = "input"
pin = "P11"
pull = "up"
active = "low"
debounce = "20ms"
class = "door"

[[device]]
id = "boiler"
driver = "output"
pin = 22
safe = "off"
max_on = "2h"
min_off = "3m"
interlock = "heating"
"#;

#[test]
fn every_setting_arrives() {
    let config = loaded(HOUSE);
    assert_eq!(config.gateway.scheme.base(), "casa");
    assert_eq!(config.history.commit_every, Duration::from_secs(30));
    assert_eq!(config.mqtt.to_string(), "127.0.0.1:11883");
    let [kitchen, door, boiler] = config.devices.as_slice() else { panic!("{:?}", config.devices) };
    let property = gatehouse_model::PropertyId::new("temperature").unwrap();
    assert_eq!(kitchen.calibrate[&property].conversion.offset, -0.4);
    assert_eq!(kitchen.report[&property].at_least_every, Some(Duration::from_secs(300)));
    assert_eq!(door.name, "Front door", "a device without a name is called by its id");
    let DriverConfig::Input(input) = &door.driver else { panic!("{door:?}") };
    assert_eq!(
        (&input.pin, input.pull, input.active),
        (&LineNumber::new(17).into(), Pull::Up, ActiveLevel::Low)
    );
    let DriverConfig::Output(output) = &boiler.driver else { panic!("{boiler:?}") };
    assert_eq!((output.safe, output.max_on), (Duty::OFF, Some(Duration::from_secs(7_200))));
    assert_eq!(output.min_off, Duration::from_secs(180));
    // One output alone is allowed, since the other one may come next week, but it is locked against nothing.
    check(
        HOUSE,
        &[(38, 13, "`boiler` is alone in the interlock group `heating`", "interlock = \"heating\"")],
    );
}

#[test]
fn chips_are_read_by_their_entry() {
    let lm75 = |lines: &str| device("lm75", lines);
    check(&lm75("address = 0x48\nbus = \"i2c-1\"\n"), &[]);
    check(&lm75(""), &[(1, 1, "`address` is missing", "address = 0x48")]);
    check(&lm75("address = 0x47\n"), &[(4, 11, "0x47 is no address of this chip", "0x48")]);
    check(&lm75("address = 0x48\nbus = \"i2c\"\n"), &[(5, 7, "`i2c` is no I²C bus", "bus = \"i2c-1\"")]);
    check(&lm75("address = 0x48\nevery = \"1ms\"\n"), &[(5, 9, "too short", "300ms")]);
    check(&device("lm57", "address = 0x48\n"), &[(3, 10, "no driver `lm57`", "did you mean \"lm75\"?")]);
    check(&device("outptu", "pin = 5\n"), &[(3, 10, "no driver `outptu`", "did you mean \"output\"?")]);
    let twice =
        format!("{}\n{}", lm75("address = 0x48\n"), lm75("address = 0x48\n").replace("\"a\"", "\"b\""));
    let found = super::load(&twice, "gatehouse.toml").unwrap_err().to_string();
    assert!(found.contains("address 0x48 is already used by"), "{found}");
}

#[test]
fn mistakes_in_the_gateway() {
    check("[gatway]\nname = \"x\"\n", &[(1, 2, "`gatway` is no setting", "did you mean `gateway`?")]);
    check("[gateway]\nnmae = \"Casa\"\n", &[(2, 1, "`nmae` is no setting", "did you mean `name`?")]);
    check("[gateway]\nname = 7\n", &[(2, 8, "`name` is a whole number", "name = \"Casa\"")]);
    check("[gateway]\nname = \"\"\n", &[(2, 8, "`name` is empty", "short name")]);
    check(
        "[gateway]\nbase = \"casa/#\"\n",
        &[(2, 8, "`casa/#` cannot be the base topic", "base = \"home\"")],
    );
    check("[gateway]\nbase = \"$SYS\"\n", &[(2, 8, "belong to the broker", "base = \"home\"")]);
    check("[gateway]\nbase = \"a//b\"\n", &[(2, 8, "a level that is empty", "base = \"home\"")]);
    check("[gateway]\nbase = \"\"\n", &[(2, 8, "cannot be the base", "base = \"home\"")]);
    check("[gateway]\ntime_zone = \"\"\n", &[(2, 13, "not the name of a time zone", "Europe/Madrid")]);
    check("[gateway]\ntime_zone = \"../etc\"\n", &[(2, 13, "not the name of a time zone", "Europe/Madrid")]);
    check(
        "[gateway]\nlocation = { latitude = 91 }\n",
        &[(2, 12, "`longitude` is missing", "-180 to 180"), (2, 25, "not on Earth", "-90 to 90")],
    );
    check("[[gateway]]\nname = \"x\"\n", &[(1, 1, "`gateway` is a list of tables", "[gateway]")]);
    check("gateway = 5\n", &[(1, 11, "`gateway` is a whole number", "[gateway]")]);
}

#[test]
fn mistakes_in_addresses_and_history() {
    check("[http]\nlisten = \":8081\"\n", &[(2, 10, "no address with a port", "listen = \"[::]:8081\"")]);
    check("[mqtt]\nlisten = 1883\n", &[(2, 10, "`listen` is a whole number", "listen = \"[::]:1883\"")]);
    check("[mqtt]\nport = 1883\n", &[(2, 1, "`port` is no setting of [mqtt]", "write `listen`")]);
    check("[history]\ncommit_every = 10\n", &[(2, 16, "is a whole number", "commit_every = \"10s\"")]);
    check("[history]\ncommit_every = \"1d\"\n", &[(2, 16, "is too long", "between \"1s\" and \"10m\"")]);
}

#[test]
fn tls_listens_beside_the_plain_port_unless_somebody_says_where() {
    let address = |text: &str, given: Addresses| loaded(text).with_addresses(given).mqtts_address();
    let at = |text: &str, is_asked_for| Some((text.parse().unwrap(), is_asked_for));
    let none = Addresses::default();
    let mqtt = |text: &str| Addresses { mqtt: text.parse().ok(), ..none };
    assert_eq!(address("", none), at("[::]:8883", false));
    assert_eq!(address("[mqtts]\n", none), at("[::]:8883", false));
    assert_eq!(address("[mqtt]\nlisten = \"127.0.0.1:1884\"\n", none), at("127.0.0.1:8883", false));
    assert_eq!(address("", mqtt("127.0.0.1:0")), at("127.0.0.1:0", false));
    let said = "[mqtts]\nlisten = \"192.0.2.1:8884\"\n";
    assert_eq!(address(said, mqtt("127.0.0.1:0")), at("192.0.2.1:8884", true));
    let given = Addresses { mqtts: "127.0.0.1:1".parse().ok(), ..none };
    for text in ["", said, "[mqtts]\nlisten = \"off\"\n"] {
        assert_eq!(address(text, given), at("127.0.0.1:1", true));
    }
    assert_eq!(address("[mqtts]\nlisten = \"off\"\n", mqtt("127.0.0.1:0")), None);

    let page = |text: &str, given: Addresses| loaded(text).with_addresses(given).https_address();
    assert_eq!(page("", none), at("[::]:8443", false));
    assert_eq!(page("[http]\nlisten = \"127.0.0.1:80\"\n", none), at("127.0.0.1:8443", false));
    assert_eq!(page("", Addresses { http: "127.0.0.1:0".parse().ok(), ..none }), at("127.0.0.1:0", false));
    assert_eq!(page("[https]\nlisten = \"off\"\n", none), None);
    assert_eq!(page("[https]\nlisten = \"192.0.2.1:443\"\n", none), at("192.0.2.1:443", true));
    check("[https]\nlisten = \"on\"\n", &[(2, 10, "no address with a port", "listen = \"[::]:8443\"")]);
    check("[https]\nport = 1\n", &[(2, 1, "`port` is no setting of [https]", "`listen`")]);
}

#[test]
fn names_of_the_page() {
    let text = "[dashboard]\nhosts = [\"House.Example.org.\", \"*.example.net\"]\n";
    let config = load(text, "test.toml").unwrap();
    assert_eq!(config.dashboard.hosts, ["house.example.org", "*.example.net"]);
    check("[dashboard]\nhost = \"a\"\n", &[(2, 1, "`host` is no setting of [dashboard]", "`hosts`")]);
    check(
        "[dashboard]\nhosts = [\"http://a\", 5]\n",
        &[(2, 10, "`http://a` is no host name", "without port"), (2, 22, "no text", "hosts = ")],
    );
    let with_address = load("[dashboard]\nhosts = [\"10.0.0.9\"]\n", "test.toml").unwrap();
    assert!(
        with_address.dashboard.hosts.is_empty()
            && with_address.warnings.to_string().contains("is an address")
    );
    let many = format!("[dashboard]\nhosts = [{}]\n", "\"a\", ".repeat(33));
    check(&many, &[(2, 170, "more than 32 entries", "remove")]);
}

#[test]
fn origins_of_pages_that_speak_mqtt() {
    let text = "[dashboard]\norigins = [\"HTTPS://Panel.example:443\", \"http://192.0.2.7:1880\", \"http://[fd00::7]:80\"]\n";
    let config = load(text, "test.toml").unwrap();
    assert_eq!(
        config.dashboard.origins,
        ["https://panel.example", "http://192.0.2.7:1880", "http://[fd00::7]"]
    );
    for wrong in [
        "*",
        "null",
        "panel.example",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a:0x",
        "http://a:",
        "http://u@a",
    ] {
        let text = format!("[dashboard]\norigins = [\"{wrong}\"]\n");
        check(&text, &[(2, 12, "is no origin of a page", "origins = [")]);
    }
    let many = format!("[dashboard]\norigins = [{}]\n", "\"http://a\", ".repeat(33));
    check(&many, &[(2, 396, "more than 32 entries", "remove")]);
}

#[test]
fn mistakes_in_tls() {
    check("[mqtts]\nlisten = \"of\"\n", &[(2, 10, "no address with a port", "listen = \"[::]:8883\"")]);
    check("[mqtts]\nport = 8883\n", &[(2, 1, "`port` is no setting of [mqtts]", "`listen`")]);
    check("[tls]\ncert = \"a\"\n", &[(2, 1, "`cert` is no setting of [tls]", "`certificate`")]);
    check("[tls]\ncertificate = \"/a.pem\"\n", &[(2, 15, "`key` is missing", "name both PEM files")]);
    check("[tls]\nkey = \"/a.key\"\n", &[(2, 7, "`certificate` is missing", "certificate = ")]);
    check("[tls]\ncertificate = 5\nkey = \"/a.key\"\n", &[(2, 15, "is a whole number", "in quotes")]);
    check(
        "[tls]\nnames = [\"pi.lan\", \"a b\", 5]\n",
        &[
            (2, 20, "`a b` is neither a host name nor an address", "gateway.example.org"),
            (2, 27, "no text", "names = "),
        ],
    );
    let many = format!("[tls]\nnames = [{}]\n", "\"a\", ".repeat(33));
    check(&many, &[(2, 170, "more than 32 entries", "remove")]);
    check(
        "[mqtts]\nclient_certificates = \"required\"\n",
        &[(2, 23, "`client_ca` is missing", "client_ca = ")],
    );
    check("[mqtts]\nclient_certificates = \"yes\"\n", &[(2, 23, "cannot be `yes`", "`required`")]);
    check(
        "[mqtts]\nclient_ca = \"/nowhere.pem\"\n",
        &[(2, 13, "`client_certificates` is missing", "\"optional\"")],
    );
    check(
        "[mqtts]\nclient_certificates = \"optional\"\nclient_ca = \"/nowhere.pem\"\n",
        &[(3, 13, "/nowhere.pem: there is no such file", "check the path")],
    );
    check(
        "[tls]\ncertificate = \"/nowhere.pem\"\nkey = \"/nowhere.key\"\n",
        &[(2, 15, "/nowhere.pem: there is no such file", "check the path")],
    );
    assert!(loaded("[mqtts]\nclient_certificates = \"no\"\n").tls.clients.is_none());
}

/// Names of files are meant from where the configuration is, as in every other file of settings.
#[test]
fn certificates_of_the_configuration_are_read_from_its_directory_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatehouse.toml");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let generate = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (one, other) = (generate(), generate());
    write("a.pem", &one.cert.pem());
    write("a.key", &one.signing_key.serialize_pem());
    write("other.key", &other.signing_key.serialize_pem());
    let text = |key: &str, more: &str| format!("[tls]\ncertificate = \"a.pem\"\nkey = \"{key}\"\n{more}");
    let name = file.to_string_lossy();
    let config = load(&text("a.key", ""), &name).unwrap();
    assert_eq!(config.tls.own.unwrap().key, directory.path().join("a.key"));
    let problems = load(&text("other.key", ""), &name).unwrap_err();
    let [(3, 7, what, _)] = problems.listed()[..] else { panic!("{problems}") };
    assert!(what.contains("other.key: it is not the key of the certificate in"), "{what}");
    let config = load(&text("a.key", "names = [\"pi.lan\"]\n"), &name).unwrap();
    assert!(config.warnings.to_string().contains("remove `names`"), "{}", config.warnings);
}

#[test]
fn mistakes_in_what_all_devices_have() {
    check("device = 5\n", &[(1, 10, "must be a list of tables", "[[device]]")]);
    check("device = [5]\n", &[(1, 11, "must be a table", "[[device]]")]);
    check("[device]\nid = \"x\"\ndriver = \"host\"\n", &[(1, 1, "double brackets", "[[device]]")]);
    check(
        "[[device]]\n",
        &[(1, 1, "`id` is missing", "id = \"kitchen\""), (1, 1, "`driver` is missing", "`host`")],
    );
    check("[[device]]\nid = 3\ndriver = \"host\"\n", &[(2, 6, "`id` is a whole number", "id = \"kitchen\"")]);
    check("[[device]]\nid = \"Küche 2\"\ndriver = \"host\"\n", &[(2, 6, "contains `K`", "id = \"k-che-2\"")]);
    check("[[device]]\nid = \"\"\ndriver = \"host\"\n", &[(2, 6, "at least one character", "1 to 32")]);
    let long = format!("[[device]]\nid = \"{}\"\ndriver = \"host\"\n", "a".repeat(33));
    check(&long, &[(2, 6, "longer than 32", "1 to 32")]);
    check(
        &device("host", "evry = \"5s\"\n"),
        &[(4, 1, "`evry` is no setting of the driver `host`", "`every`")],
    );
    check(&device("host", "every = \"1ms\"\n"), &[(4, 9, "`every` is too short", "\"100ms\"")]);
    check(&device("host", "every = 5\n"), &[(4, 9, "`every` is a whole number", "every = \"5s\"")]);
    check(&device("host", "room = true\n"), &[(4, 8, "`room` is true or false", "room = \"Kitchen\"")]);
    check(
        &format!("{}{}", device("host", ""), device("host", "")),
        &[(5, 6, "`x`: this id is already taken by the device at line 2", "choose another id")],
    );
}

#[test]
fn mistakes_in_calibration_and_report() {
    let climate = |lines: &str| device("simulated-climate", lines);
    check(
        &climate("calibrate.temprature = { offset = 1 }\n"),
        &[(4, 11, "has no number `temprature`", "did you mean `calibrate.temperature`?")],
    );
    check(
        &climate("calibrate.json = { offset = 1 }\n"),
        &[(4, 11, "`json` has a meaning of its own", "calibrate.temperature")],
    );
    check(&climate("calibrate.temperature = 5\n"), &[(4, 25, "must be a table", "{ offset = -0.4 }")]);
    check(
        &climate("calibrate.temperature = { offest = 1, scale = 0 }\n"),
        &[(4, 27, "`offest` is no setting", "`offset`"), (4, 47, "`scale` zero", "leave it out")],
    );
    check(
        &climate("calibrate.temperature = { offset = nan }\n"),
        &[(4, 36, "not a finite number", "offset = -0.4")],
    );
    check(
        &climate("report.humidity = { delta = -1, at_least_every = \"5 min\" }\n"),
        &[(4, 29, "less than zero", "delta = 0.1"), (4, 50, "not a duration", "at_least_every = \"5m\"")],
    );
    check(&output("calibrate.power = { offset = 1 }\n"), &[(7, 11, "no number `power`", "no numbers")]);
    assert!(loaded(&device("host", "report.load = { delta = 0.1 }\n")).warnings.is_empty());
}

#[test]
fn mistakes_in_inputs() {
    let input = |lines: &str| device("input", lines);
    check(&input(""), &[(1, 1, "`pin` is missing", "pin = \"P11\"")]);
    check(&input("pin = 28\n"), &[(4, 7, "no GPIO 28", "pin = \"P28\"")]);
    check(&input("pin = -1\n"), &[(4, 7, "no GPIO -1", "from 0 to 27")]);
    check(&input("pin = \"P6\"\n"), &[(4, 7, "header pin 6 is power or ground", "P11")]);
    check(&input("pin = \"P41\"\n"), &[(4, 7, "the header has no pin 41", "P11")]);
    check(&input("pin = \"GPIO17\"\n"), &[(4, 7, "`GPIO17` is no pin", "pin = 17")]);
    check(&input("pin = true\n"), &[(4, 7, "neither a number nor a text", "pin = 17")]);
    check(&input("pin = 17\npull = \"pu\"\n"), &[(5, 8, "`pull` cannot be `pu`", "did you mean \"up\"?")]);
    check(&input("pin = 17\nactive = \"lwo\"\n"), &[(5, 10, "cannot be `lwo`", "did you mean \"low\"?")]);
    check(&input("pin = 17\ndebounce = \"1m\"\n"), &[(5, 12, "too long", "\"10s\"")]);
    check(&input("pin = 17\nclass = \"dor\"\n"), &[(5, 9, "`dor` is not known", "did you mean \"door\"?")]);
    check(&input("pin = 17\nsafe = \"off\"\n"), &[(5, 1, "`safe` is no setting of the driver `input`", "")]);
    check(&input("pin = 0\n"), &[(4, 7, "read at every start", "another pin")]);
    let elsewhere = |lines: &str| format!("[board]\nchip = \"gpiochip4\"\n{}", input(lines));
    for line in [0, 28, 200] {
        check(&elsewhere(&format!("pin = {line}\n")), &[]);
    }
    check(&elsewhere("pin = -1\n"), &[(6, 7, "no chip has a line -1", "of the chip `gpiochip4`")]);
    check(&elsewhere("pin = 65536\n"), &[(6, 7, "no chip has a line 65536", "gpioinfo")]);
    check(&elsewhere("pin = \"P11\"\n"), &[(6, 7, "`P11` is no line of the chip `gpiochip4`", "pin = 17")]);
    let by_label = elsewhere("pin = \"P11\"\n").replace("gpiochip4", "pinctrl-rp1");
    check(&by_label, &[]);
}

#[test]
fn mistakes_in_outputs() {
    check(
        &device("output", "pin = 22\n"),
        &[(1, 1, "`safe` is missing", "safe = \"off\""), (1, 1, "`max_on` is missing", "max_on = \"2h\"")],
    );
    let with = |safe: &str, longest: &str| {
        device("output", &format!("pin = 22\nsafe = {safe}\nmax_on = {longest}\n"))
    };
    check(&with("5", "\"2h\""), &[(5, 8, "`safe` is a whole number", "safe = \"off\"")]);
    check(&with("\"of\"", "\"2h\""), &[(5, 8, "cannot be `of`", "did you mean \"off\"?")]);
    check(&with("\"off\"", "\"2 hours\""), &[(6, 10, "not a duration", "max_on = \"2h\"")]);
    check(&with("\"off\"", "7200"), &[(6, 10, "is a whole number", "max_on = \"7200s\"")]);
    check(&with("\"off\"", "\"0s\""), &[(6, 10, "could never be used", "unlimited")]);
    check(&with("\"off\"", "\"2d400d\""), &[(6, 10, "longer than a year", "unlimited")]);
    check(&with("\"off\"", "\"unlimited\""), &[(6, 10, "unlimited", "max_on = \"2h\"")]);
    check(&output("min_on = \"3h\"\n"), &[(7, 10, "`min_on` is longer than `max_on`", "both cannot hold")]);
    check(&output("class = \"heta\"\n"), &[(7, 9, "`heta` is not known", "did you mean \"heat\"?")]);
    check(&output("interlock = \"\"\n"), &[(7, 13, "not the name of a group", "interlock = \"heating\"")]);
}

fn two_outputs(first: &str, second: &str) -> String {
    let one = |id: &str, pin: u8, lines: &str| {
        format!(
            "[[device]]\nid = \"{id}\"\ndriver = \"output\"\npin = {pin}\nsafe = \"off\"\nmax_on = \"2h\"\n{lines}\n"
        )
    };
    format!("{}{}", one("boiler", 17, first), one("pump", 22, second))
}

#[test]
fn what_devices_are_connected_through_is_there() {
    let porch = "[[device]]\nid = \"porch\"\ndriver = \"mcp23008\"\naddress = 0x20\n";
    let heater =
        |pin: &str| format!("{porch}{}", output("").replace("pin = 22", &format!("pin = \"{pin}\"")));
    check(&heater("porch:7"), &[]);
    check(&heater("proch:3"), &[(8, 7, "there is no device `proch`", "did you mean pin = \"porch:3\"?")]);
    check(
        &heater("attic:3"),
        &[(8, 7, "there is no device `attic`", "add the expander as a device: id = \"attic\"")],
    );
    check(&heater("porch:8"), &[(8, 7, "`porch` has no line 8", "choose one from 0 to 7")]);
    check(&heater("x:0"), &[(8, 7, "`x` is no expander", "name a device that is one")]);
    let lamps = porch.replace("mcp23008", "pca9685").replace("0x20", "0x40");
    let button = device("input", "pin = \"porch:2\"\n");
    check(
        &format!("{lamps}{button}"),
        &[(8, 7, "the lines of `porch` are outputs only", "another expander")],
    );
    // A mistake in the expander is told once, not again at each of its lines.
    check(&heater("porch:3").replace("0x20", "0x19"), &[(4, 11, "no address of this chip", "0x20")]);
    check(&heater("porch:3").replace("mcp23008", "mcp23009"), &[(3, 10, "no driver", "mcp23008")]);
    let sensor =
        |bus: &str| format!("{porch}{}", device("bh1750", &format!("bus = \"{bus}\"\naddress = 0x23\n")));
    check(&sensor("mux:3"), &[(8, 7, "there is no device `mux`", "add the multiplexer as a device")]);
    check(&sensor("porch:3"), &[(8, 7, "`porch` is no multiplexer", "tca9548a")]);
    let mux = |bus: &str| sensor(bus).replace("mcp23008", "tca9548a").replace("0x20", "0x70");
    check(&mux("porch:7"), &[]);
    check(&mux("porch:8"), &[(8, 7, "`porch` has no channel 8", "choose one from 0 to 7")]);
    check(&mux("prch:3"), &[(8, 7, "there is no device `prch`", "did you mean bus = \"porch:3\"?")]);
    // An input and an output at one line: the second is told who has it.
    let bell = "[[device]]\nid = \"bell\"\ndriver = \"input\"\npin = \"porch:3\"\n";
    check(
        &format!("{}{bell}", heater("porch:3")),
        &[(14, 7, "`bell`: line 3 of `porch` is already used by `x` (line 8)", "choose another pin")],
    );
}

#[test]
fn devices_in_each_others_way() {
    let same_pin = two_outputs("", "").replace("pin = 22", "pin = \"P11\"");
    check(
        &same_pin,
        &[(
            11,
            7,
            "`pump`: GPIO 17, header pin 11 is already used by `boiler` (line 4)",
            "choose another pin",
        )],
    );
    // A mistake in one device does not hide that another takes its pin.
    let broken = same_pin.replacen("safe = \"off\"\n", "safe = \"of\"\n", 1);
    check(
        &broken,
        &[
            (5, 8, "`boiler`: `safe` cannot be `of`", ""),
            (11, 7, "header pin 11 is already used by `boiler`", ""),
        ],
    );
    let group = "interlock = \"heating\"";
    check(&two_outputs(group, group), &[]);
    check(
        &two_outputs(group, "interlock = \"haeting\""),
        &[(7, 13, "`boiler` is alone", "`haeting`?"), (14, 13, "`pump` is alone", "did you mean `heating`?")],
    );
    check(
        &two_outputs(group, group).replacen("safe = \"off\"", "safe = \"on\"", 1),
        &[(5, 8, "`boiler`: outputs of an interlock group are safe when off", "safe = \"off\"")],
    );
}

#[test]
fn more_devices_than_can_be_served() {
    let mut text = String::new();
    for number in 0..=MAX_DEVICES {
        text.push_str(&format!("[[device]]\nid = \"d{number}\"\ndriver = \"host\"\n"));
    }
    check(&text, &[(3 * MAX_DEVICES + 1, 1, "there are 257 devices, but at most 256", "remove this device")]);
}

#[test]
fn text_that_is_no_toml_is_shown_at_its_place_and_the_rest_is_not_claimed_to_be_good() {
    let and_then = "can only be checked once this is mended";
    check("[gateway]\nname = \"Casa\nbase = \"casa\"\n", &[(2, 13, "this is not TOML", and_then)]);
    check("[gateway]\nname = Casa\n", &[(2, 8, "this is not TOML", "put texts in quotes")]);
    check("[gateway]\nname = \"a\"\nname = \"b\"\n", &[(3, 1, "duplicate key", "already used above")]);
    check("[gateway\nname = \"a\"\n", &[(1, 9, "this is not TOML", "close the bracket")]);
    check("[gateway]\nname \"a\"\n", &[(2, 6, "this is not TOML", "name = value")]);
    check("[gateway]\r\nname = \r\n", &[(2, 8, "this is not TOML", and_then)]);
}

#[test]
fn a_file_of_another_kind_is_not_read_for_ever_nor_listed_for_ever() {
    let large = "#".repeat(MAX_FILE_BYTES + 1);
    check(&large, &[(0, 0, "the file has 1048577 bytes", "right file")]);
    let many: String = (0..1_000).map(|number| format!("key{number} = 1\n")).collect();
    let problems = load(&many, "other.toml").unwrap_err();
    assert_eq!((problems.errors(), problems.listed().len()), (1_000, MAX_SHOWN));
    assert!(
        problems.to_string().ends_with("1000 problems in other.toml; 950 of them are not shown"),
        "{problems}"
    );
}

#[test]
fn what_a_file_says_cannot_steer_the_terminal() {
    let text = "[gateway]\n\"\\u001b[2Jname\" = \"x\"\nbase = \"a\\u001b[31m/#\"\n";
    let rendered = load(text, "gate\u{1b}house.toml").unwrap_err().render(Paint::Plain);
    assert!(!rendered.contains('\u{1b}'), "{rendered:?}");
    let coloured = load(text, "gatehouse.toml").unwrap_err().render(Paint::Coloured);
    assert!(coloured.contains("\u{1b}["), "colours are there when they are asked for");
}

/// A line of a megabyte is cut, and its place is told all the same.
#[test]
fn a_very_long_line_is_not_printed_whole() {
    let text =
        format!("[gateway]\nname = \"{}\" #\nbase = 5 # {}\n", "á".repeat(300_000), "x".repeat(100_000));
    let problems = load(&text, "gatehouse.toml").unwrap_err();
    assert_eq!(problems.listed().len(), 2, "{}", problems.to_string().len());
    assert!(problems.to_string().len() < 10_000);
    let text = format!("location = {{ a = \"{}\", nmae = 5 }}\n[gateway]\n", "x".repeat(1_000));
    let rendered = load(&text, "gatehouse.toml").unwrap_err().to_string();
    assert!(rendered.contains("gatehouse.toml:1:1"), "{rendered}");
}

#[test]
fn the_count_stands_at_the_end() {
    let one = load("x = 1\n", "gatehouse.toml").unwrap_err().to_string();
    assert!(one.ends_with("\n1 problem in gatehouse.toml"), "{one}");
    let text = format!("{}x = 1\n", output("interlock = \"a\"\n"));
    let both = load(&text, "gatehouse.toml").unwrap_err().to_string();
    assert!(both.ends_with("\n1 problem and 1 warning in gatehouse.toml"), "{both}");
}

/// Numbers from a repeatable sequence.
struct Dice(SeededRandomness);

impl Dice {
    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// No text panics, and whatever is refused says at least one error. Half of the texts are damaged configurations, since
/// texts of chance hardly ever get past the grammar.
#[test]
fn no_text_panics() {
    const PIECES: [&str; 24] = [
        "[",
        "]",
        "[[device]]\n",
        "\"",
        "=",
        "\n",
        "\r\n",
        "{",
        "}",
        ".",
        ",",
        "#",
        "á",
        "家",
        "\u{0}",
        "\u{1b}",
        "-1",
        "nan",
        "1e400",
        "'''",
        "id = \"x\"\n",
        "driver = \"output\"\n",
        "pin = 4294967296\n",
        "max_on = \"99999999999d\"\n",
    ];
    for seed in 0..3_000 {
        let dice = Dice(SeededRandomness::new(seed));
        let mut text = if seed % 2 == 0 { HOUSE.to_owned() } else { String::new() };
        for _ in 0..1 + dice.below(20) {
            let from = text.floor_char_boundary(dice.below(text.len() + 1));
            let to = text.floor_char_boundary((from + dice.below(12)).min(text.len())).max(from);
            text.replace_range(from..to, PIECES[dice.below(PIECES.len())]);
        }
        match load(&text, "gatehouse.toml") {
            Ok(config) => drop(config.warnings.render(Paint::Coloured)),
            Err(problems) => assert!(problems.errors() > 0 && !problems.render(Paint::Coloured).is_empty()),
        }
    }
}
