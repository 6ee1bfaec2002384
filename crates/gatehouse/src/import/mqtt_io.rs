//! mqtt-io's configuration (its `config.schema.yml`, version 2.6) as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::converters;
use super::modules::{Numbering, Pins, SENSORS, Sensor, pins};
use super::yaml::Entry;

/// Seconds between two readings when mqtt-io's configuration says nothing.
const INTERVAL: f64 = 60.0;

/// Milliseconds of its debounce when nothing is said.
const BOUNCE_TIME: f64 = 100.0;

/// Longest id of a device.
const MAX_ID: usize = 32;

/// What came of it.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) toml: String,
    /// What the owner should know, a sentence each.
    pub(super) notes: Vec<String>,
}

/// Converts a whole file; with `aliases`, mqtt-io's topics are kept.
pub(super) fn convert(yaml: &str, aliases: bool) -> Result<Converted, String> {
    let document: serde_json::Value =
        serde_saphyr::from_str(yaml).map_err(|problem| format!("this is no YAML: {problem}"))?;
    let root = Entry::root(&document).ok_or("this is no configuration of mqtt-io: it has no sections")?;
    let sections = ["mqtt", "digital_inputs", "digital_outputs", "sensor_inputs", "stream_modules"];
    if !root.keys().any(|key| sections.contains(&key)) {
        return Err(format!("this is no configuration of mqtt-io: it has none of {}", sections.join(", ")));
    }
    let mut conversion = Conversion::new(root, aliases);
    conversion.all(root);
    Ok(conversion.finish())
}

struct Conversion {
    prefix: String,
    aliases: bool,
    devices: String,
    alias_text: String,
    ids: BTreeSet<String>,
    notes: Vec<String>,
    /// mqtt-io's modules for pins: the id of the expander here with its numbers; nothing for the header.
    pin_modules: BTreeMap<String, Option<(String, Numbering)>>,
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

impl Conversion {
    fn new(root: Entry<'_>, aliases: bool) -> Self {
        let prefix = root.entry("mqtt").and_then(|mqtt| mqtt.text("topic_prefix")).unwrap_or_default();
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let (devices, alias_text) = (String::new(), String::new());
        let (ids, notes, pin_modules) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Self { prefix, aliases, devices, alias_text, ids, notes, pin_modules }
    }

    fn all(&mut self, root: Entry<'_>) {
        for module in root.list("gpio_modules") {
            self.pin_module(module);
        }
        for input in root.list("digital_inputs") {
            self.input(input);
        }
        for output in root.list("digital_outputs") {
            self.output(output);
        }
        for converter in converters::of(root) {
            self.converter(&converter);
        }
        for module in root.list("sensor_modules").filter(|module| !converters::is_one(*module)) {
            let name = module.text("name").unwrap_or_default();
            let inputs: Vec<_> = root
                .list("sensor_inputs")
                .filter(|input| input.text("module").as_deref() == Some(name.as_str()))
                .collect();
            self.sensor(module, &name, &inputs);
        }
        for stream in root.list("stream_modules") {
            self.stream(stream);
        }
        self.broker(root);
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What cannot be converted stays as a comment, so that nothing is lost without a word.
    fn leave(&mut self, entry: Entry<'_>, why: &str) {
        let name = entry.text("name").unwrap_or_else(|| "an entry without a name".to_owned());
        let _ = writeln!(self.devices, "# look: {name}: {why}\n#   {}\n", entry.shown());
        self.note(format!("{name}: {why}"));
    }

    /// An id after mqtt-io's name, which can be anything.
    fn id(&mut self, name: &str) -> String {
        let plain: String = name
            .to_lowercase()
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
            .collect();
        let plain = plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let plain = if plain.is_empty() { "device".to_owned() } else { plain };
        let mut id: String = plain.chars().take(MAX_ID).collect();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            let suffix = format!("-{number}");
            id = plain.chars().take(MAX_ID - suffix.len()).collect::<String>() + &suffix;
            number += 1;
        }
        id
    }

    /// Begins a device; gives its id.
    fn device(&mut self, name: &str, driver: &str) -> String {
        let id = self.id(name);
        let _ = writeln!(self.devices, "[[device]]\nid = {}\nname = {}", quoted(&id), quoted(name));
        let _ = writeln!(self.devices, "driver = {}", quoted(driver));
        id
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.devices, "{line}");
    }

    fn i2c(&mut self, module: Entry<'_>, address: u32) {
        let bus = module.whole("i2c_bus_num").unwrap_or(1);
        let address = module.whole("chip_addr").unwrap_or(address);
        self.line(&format!("bus = \"i2c-{bus}\"\naddress = 0x{address:02x}"));
    }

    fn pin_module(&mut self, module: Entry<'_>) {
        let (name, word) =
            (module.text("name").unwrap_or_default(), module.text("module").unwrap_or_default());
        match pins(&word) {
            Pins::Header => {
                self.pin_modules.insert(name, None);
            }
            Pins::Expander(driver, address, numbering) => {
                let id = self.device(&name, driver);
                self.i2c(module, module.whole("dev_addr").unwrap_or(address));
                self.line("");
                self.pin_modules.insert(name, Some((id, numbering)));
            }
            Pins::PiFace => {
                let id = self.device(&name, "mcp23s17");
                self.line("bus = \"spi-0.0\"\n");
                self.pin_modules.insert(name, Some((id, Numbering::PiFace)));
            }
            Pins::Unknown => {
                self.leave(module, &format!("the pin module `{word}` is not served"));
            }
        }
    }

    /// `pin = …` of an input or output; nothing, with a word about it, when it cannot be had.
    fn pin(&mut self, entry: Entry<'_>, is_input: bool) -> Option<String> {
        let module = entry.text("module").unwrap_or_default();
        let Some(expander) = self.pin_modules.get(&module).cloned() else {
            self.leave(entry, &format!("its pin module `{module}` is not served"));
            return None;
        };
        let Some(pin) = entry.whole("pin") else {
            self.leave(entry, "its pin is no number: write the BCM number");
            return None;
        };
        Some(match expander {
            None => format!("pin = {pin}"),
            Some((id, Numbering::FromOne)) => format!("pin = \"{id}:{}\"", pin.saturating_sub(1)),
            Some((id, Numbering::PiFace)) if is_input => format!("pin = \"{id}:{}\"", pin.saturating_add(8)),
            Some((id, Numbering::Same | Numbering::PiFace)) => format!("pin = \"{id}:{pin}\""),
        })
    }

    fn input(&mut self, input: Entry<'_>) {
        let Some(pin) = self.pin(input, true) else { return };
        let module = input.text("module").unwrap_or_default();
        let is_piface = matches!(self.pin_modules.get(&module), Some(Some((_, Numbering::PiFace))));
        let name = input.text("name").unwrap_or_default();
        let id = self.device(&name, "input");
        self.line(&pin);
        let pull = match (input.flag("pullup"), input.flag("pulldown")) {
            _ if is_piface => "up",
            (true, _) => "up",
            (false, true) => "down",
            (false, false) => "none",
        };
        // The library of a PiFace turns its inputs round.
        let active = if input.flag("inverted") != is_piface { "low" } else { "high" };
        let debounce = input.number("bouncetime").unwrap_or(BOUNCE_TIME).clamp(0.0, 10_000.0);
        self.line(&format!("pull = \"{pull}\"\nactive = \"{active}\"\ndebounce = \"{debounce:.0}ms\""));
        if pull == "none" {
            self.line("# look: without a pull the pin floats unless something outside holds it");
        }
        self.line("");
        if input.entry("ha_discovery").is_some_and(|discovery| discovery.text("device_class").is_some()) {
            self.note(format!(
                "{name}: its device class can be written as `class`, which also names its value"
            ));
        }
        self.alias(&id, "state", &format!("input/{name}"), input, false);
    }

    fn output(&mut self, output: Entry<'_>) {
        let Some(pin) = self.pin(output, false) else { return };
        let name = output.text("name").unwrap_or_default();
        let inverted = output.flag("inverted");
        let id = self.device(&name, "output");
        self.line(&pin);
        self.line(&format!("active = \"{}\"", if inverted { "low" } else { "high" }));
        let starts_on = match output.text("initial").as_deref() {
            Some("high") => !inverted,
            Some("low") => inverted,
            _ => false,
        };
        if starts_on {
            self.line("safe = \"on\"          # look: mqtt-io switched it on at its start. Is on what is safe when something fails?");
        } else {
            self.line("safe = \"off\"");
        }
        match output.number("timed_set_ms").filter(|millis| *millis >= 1.0) {
            Some(millis) => self.line(&format!("max_on = \"{millis:.0}ms\"    # mqtt-io's timed_set_ms")),
            None => self.line(
                "max_on = \"unlimited\" # look: mqtt-io has no limit. Write the longest time that makes sense, such as \"2h\"",
            ),
        }
        self.line("");
        self.alias(&id, "power", &format!("output/{name}"), output, true);
    }

    fn sensor(&mut self, module: Entry<'_>, name: &str, inputs: &[Entry<'_>]) {
        let word = module.text("module").unwrap_or_default();
        let Some(sensor) = SENSORS.iter().find(|sensor| sensor.module == word) else {
            let why = match word.as_str() {
                "dht22" => {
                    "load the kernel's driver with dtoverlay=dht11,gpiopin=N in config.txt; `gatehouse scan` shows it then as an IIO device"
                }
                _ => "this sensor is not served",
            };
            self.leave(module, why);
            return;
        };
        if sensor.driver == "counter" {
            for input in inputs {
                self.counter(module, *input, &word);
            }
            if inputs.is_empty() {
                self.leave(module, "no input uses it");
            }
            return;
        }
        let Some(id) = self.connect(module, name, sensor) else { return };
        let every = inputs.iter().filter_map(|input| input.number("interval")).fold(f64::INFINITY, f64::min);
        let every = if every.is_finite() { every.clamp(1.0, 86_400.0) } else { INTERVAL };
        self.line(&format!("every = \"{every:.0}s\"\n"));
        for input in inputs {
            let input_name = input.text("name").unwrap_or_default();
            let kind = input.text("type").unwrap_or_default();
            let value = sensor.values.iter().find(|(theirs, _)| *theirs == kind || sensor.values.len() == 1);
            match value {
                Some((_, value)) => self.alias(&id, value, &format!("sensor/{input_name}"), *input, false),
                None if self.aliases => {
                    self.note(format!(
                        "{input_name}: it gets no alias, as its value `{kind}` has no counterpart"
                    ));
                }
                None => {}
            }
        }
    }

    /// Begins the device of a sensor with its connection; gives its id when that could be done.
    fn connect(&mut self, module: Entry<'_>, name: &str, sensor: &Sensor) -> Option<String> {
        let id = match (sensor.driver, sensor.address) {
            (driver, Some(address)) => {
                let id = self.device(name, driver);
                self.i2c(module, address);
                id
            }
            ("ds18b20", None) => {
                let address = module.text("address").unwrap_or_default();
                let family = match module.text("type").as_deref() {
                    Some("DS18S20") => "10",
                    Some("DS1822") => "22",
                    _ => "28",
                };
                let id = self.device(name, "ds18b20");
                self.line(&format!("probe = {}", quoted(&format!("{family}-{address}"))));
                id
            }
            ("hc-sr04", None) => {
                let (Some(trigger), Some(echo)) = (module.whole("pin_trigger"), module.whole("pin_echo"))
                else {
                    self.leave(module, "it names no pins");
                    return None;
                };
                let id = self.device(name, "hc-sr04");
                self.line(&format!("trigger = {trigger}\necho = {echo}"));
                id
            }
            (driver, None) => {
                let port = module.text("serial_port").or_else(|| module.text("device"));
                let port = port.unwrap_or_else(|| "/dev/serial0".to_owned());
                let id = self.device(name, driver);
                self.line(&format!("port = {}", quoted(&port)));
                if driver == "mhz19" {
                    // mqtt-io sets the range at each start.
                    self.line(&format!("range = \"{}\"", module.whole("range").unwrap_or(5_000)));
                }
                id
            }
        };
        Some(id)
    }

    /// Pulses of a flow meter, or of anything: mqtt-io has the pin at the input, and a factor of hertz for a litre a minute.
    fn counter(&mut self, module: Entry<'_>, input: Entry<'_>, word: &str) {
        let Some(pin) = input.whole("pin").or_else(|| module.whole("pin")) else {
            self.leave(input, "it names no pin");
            return;
        };
        let name = input.text("name").unwrap_or_default();
        let id = self.device(&name, "counter");
        self.line(&format!("pin = {pin}\npull = \"up\"\ndebounce = \"0ms\""));
        let rate = if word == "frequencycounter" {
            "frequency"
        } else {
            let factor = input.number("factor").filter(|factor| *factor > 0.0).unwrap_or(7.0);
            let pulses = factor * 60.0;
            self.line(&format!("unit = \"L\"\npulses_per_unit = {pulses}"));
            "flow"
        };
        self.line("");
        self.alias(&id, rate, &format!("sensor/{name}"), input, false);
    }

    /// A converter to digital, of which each of mqtt-io's modules may have one input.
    fn converter(&mut self, converter: &converters::Converter<'_>) {
        let driver = match &converter.driver {
            Ok(driver) => driver,
            Err(why) => {
                self.leave(converter.module, why);
                return;
            }
        };
        let id = self.device(&converter.name, driver);
        self.line(&converter.lines);
        for (input, value) in &converter.inputs {
            let name = input.text("name").unwrap_or_default();
            match value {
                Some(value) => self.alias(&id, value, &format!("sensor/{name}"), *input, false),
                None => self.note(format!(
                    "{name}: mqtt-io says a number without a unit, `{id}` says volts; it gets no alias"
                )),
            }
        }
    }

    /// A reader of tags; nfcpy names its port `tty:S0:pn532` or `ttyUSB0`.
    fn reader(&mut self, stream: Entry<'_>) {
        let device = stream.text("device").unwrap_or_default();
        let port = match device.split(':').collect::<Vec<_>>().as_slice() {
            ["tty", port, ..] => Some(format!("/dev/tty{port}")),
            ["tty" | ""] => None,
            [port] if port.starts_with("tty") => Some(format!("/dev/{port}")),
            _ => {
                self.leave(stream, "only readers at a serial port are served");
                return;
            }
        };
        let name = stream.text("name").unwrap_or_default();
        self.device(&name, "pn532-uart");
        match port {
            Some(port) => self.line(&format!("port = {}\n", quoted(&port))),
            None => self.line("port = \"/dev/serial0\"  # look: mqtt-io tried all ports\n"),
        }
        self.note(format!("{name}: its `tag` is written as 04:a2:3b:7f, and gets no alias"));
    }

    fn stream(&mut self, stream: Entry<'_>) {
        let word = stream.text("module").unwrap_or_default();
        let port = stream.text("device").or_else(|| stream.text("type"));
        match (word.as_str(), port) {
            ("serial", Some(port)) => {
                let name = stream.text("name").unwrap_or_default();
                self.device(&name, "serial");
                let baud = stream.whole("baud").unwrap_or(9_600);
                self.line(&format!("port = {}\nbaud = {baud}\n", quoted(&port)));
                if self.aliases {
                    self.note(format!("{name}: a stream gets no alias; its topics differ"));
                }
            }
            ("pn532", _) => self.reader(stream),
            _ => self.leave(stream, "this stream is not served"),
        }
    }

    fn broker(&mut self, root: Entry<'_>) {
        if let Some(mqtt) = root.entry("mqtt") {
            let host = mqtt.text("host").unwrap_or_default();
            self.note(format!(
                "the gateway is its own broker: clients that used {host} connect to it instead, each with a user of its own (gatehouse user add)"
            ));
            if mqtt.entry("ha_discovery").is_some_and(|discovery| discovery.flag("enabled")) {
                self.note("Home Assistant's discovery is not converted");
            }
            if self.aliases {
                self.status(mqtt);
            }
        }
    }

    fn status(&mut self, mqtt: Entry<'_>) {
        let payload = |key: &str, usual: &str| quoted(&mqtt.text(key).unwrap_or_else(|| usual.to_owned()));
        let topic = mqtt.text("status_topic").unwrap_or_else(|| "status".to_owned());
        let _ = writeln!(
            self.alias_text,
            "[[alias]]\nfrom = \"status\"\ntopic = {}\npayloads = {{ online ={}, offline ={} }}\n",
            quoted(&format!("{}{topic}", self.prefix)),
            payload("status_payload_running", "running"),
            payload("status_payload_dead", "dead"),
        );
    }

    fn alias(&mut self, id: &str, value: &str, topic: &str, entry: Entry<'_>, commands: bool) {
        if !self.aliases {
            return;
        }
        let _ = writeln!(
            self.alias_text,
            "[[alias]]\nfrom = {}\ntopic = {}",
            quoted(&format!("{id}/{value}")),
            quoted(&format!("{}{topic}", self.prefix)),
        );
        let payload = |key: &str, usual: &str| entry.text(key).unwrap_or_else(|| usual.to_owned());
        let (on, off) = (payload("on_payload", "ON"), payload("off_payload", "OFF"));
        if on != "ON" || off != "OFF" {
            let _ = writeln!(self.alias_text, "payloads = {{ ON ={}, OFF ={} }}", quoted(&on), quoted(&off));
        }
        if !entry.flag("retain") {
            let _ = writeln!(self.alias_text, "retain = false");
        }
        if commands {
            let _ = writeln!(self.alias_text, "commands = true");
        }
        self.alias_text.push('\n');
    }

    fn finish(self) -> Converted {
        let mut toml = "# Converted from mqtt-io. Look at the lines marked with `# look:`, then run `gatehouse check`.\n\n"
            .to_owned();
        toml.push_str(&self.devices);
        toml.push_str(&self.alias_text);
        Converted { toml: toml.trim_end().to_owned() + "\n", notes: self.notes }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_board::config::DriverConfig;

    use super::*;
    use crate::aliases::Source;
    use crate::config::{self, Config};

    const HOUSE: &str = r#"
mqtt:
  host: test.example
  topic_prefix: home/kitchen/
  ha_discovery:
    enabled: yes
gpio_modules:
  - name: rpi
    module: raspberrypi
  - name: relays
    module: gpiozero
  - name: bone
    module: beaglebone
digital_inputs:
  - name: Front Door
    module: rpi
    pin: 17
    pullup: yes
    inverted: yes
    bouncetime: 50
    on_payload: "open"
    off_payload: "closed"
digital_outputs:
  - name: lights
    module: rpi
    pin: 22
  - name: garage
    module: relays
    pin: 6
    inverted: yes
    timed_set_ms: 500
    initial: low
  - name: lost
    module: bone
    pin: P8_10
sensor_modules:
  - name: air
    module: bme280
    chip_addr: 0x77
  - name: dht
    module: dht22
    type: AM2302
    pin: 4
  - name: tank
    module: hcsr04
    pin_trigger: 23
    pin_echo: 24
sensor_inputs:
  - name: kitchen_temp
    module: air
    type: temperature
    interval: 30
    retain: yes
  - name: kitchen_hum
    module: air
    type: humidity
  - name: level
    module: tank
"#;

    fn loaded(aliases: bool) -> (Converted, Config) {
        let converted = convert(HOUSE, aliases).unwrap();
        let config = config::load(&converted.toml, "the result");
        let config = config.unwrap_or_else(|problems| panic!("{problems}\n{}", converted.toml));
        (converted, config)
    }

    #[test]
    fn what_can_be_converted_is_and_the_rest_is_told() {
        let (converted, config) = loaded(false);
        let ids: Vec<&str> = config.devices.iter().map(|device| device.id.as_str()).collect();
        assert_eq!(ids, ["front-door", "lights", "garage", "air", "tank"]);
        assert!(config.aliases.is_empty());
        for lost in ["bone", "lost", "dht"] {
            assert!(converted.toml.contains(&format!("# look: {lost}: ")), "{}", converted.toml);
            assert!(converted.notes.iter().any(|note| note.starts_with(lost)), "{:?}", converted.notes);
        }
        let DriverConfig::Output(garage) = &config.devices[2].driver else { panic!("an output") };
        assert_eq!(garage.pin.to_string(), "GPIO 6, header pin 31");
        let DriverConfig::Chip(air) = &config.devices[3].driver else { panic!("a chip") };
        assert_eq!((air.entry.word, air.every.as_secs()), ("bme280", 30));
        assert!(
            converted.toml.contains("max_on = \"unlimited\" # look:"),
            "an output without a limit asks for a look"
        );
    }

    #[test]
    fn its_topics_are_kept_on_request() {
        let (_, config) = loaded(true);
        let alias = |topic: &str| {
            config
                .aliases
                .iter()
                .find(|alias| alias.topic.as_str() == topic)
                .unwrap_or_else(|| panic!("{topic}"))
        };
        let lights = alias("home/kitchen/output/lights");
        assert_eq!(lights.from, Source::Property("lights/power".parse().unwrap()));
        assert!(lights.commands && !lights.retain);
        let door = alias("home/kitchen/input/Front Door");
        assert_eq!(door.payloads["ON"], "open");
        assert!(!door.commands);
        assert!(alias("home/kitchen/sensor/kitchen_temp").retain);
        assert_eq!(alias("home/kitchen/status").from, Source::Status);
    }

    /// Several of them were said to be converted and were not: their words had no driver here.
    #[test]
    fn the_whole_inventory_is_converted() {
        let yaml = include_str!("inventory.yml");
        let converted = convert(yaml, true).unwrap();
        let config = config::load(&converted.toml, "the result");
        let config = config.unwrap_or_else(|problems| panic!("{problems}\n{}", converted.toml));
        let left: Vec<&str> = converted.toml.lines().filter(|line| line.starts_with("# look: ")).collect();
        assert_eq!(left.len(), 4, "beaglebone, orangepi, sunxi, and DHT22 by the kernel: {left:#?}");
        let of = |id: &str| {
            let device = config.devices.iter().find(|device| device.id.as_str() == id);
            device.unwrap_or_else(|| panic!("{id} is not in\n{}", converted.toml))
        };
        let words: BTreeSet<&str> = config.devices.iter().map(|device| device.driver.word()).collect();
        for word in [
            "ads1015",
            "adxl345",
            "aht20",
            "as3935",
            "bh1750",
            "bme280",
            "bme680",
            "bmp180",
            "counter",
            "dockerpi-relay",
            "ds18b20",
            "ens160",
            "hc-sr04",
            "ina219",
            "lm75",
            "mcp23017",
            "mcp23s17",
            "mcp3008",
            "mcp3202",
            "mhz19",
            "pca9555",
            "pcf8574",
            "pcf8575",
            "pms5003",
            "pn532-uart",
            "serial",
            "sht4x",
            "tsl2561",
            "veml6075",
            "veml7700",
        ] {
            assert!(words.contains(word), "{word} is not among {words:?}");
        }
        let DriverConfig::Output(relay) = &of("relay-two").driver else { panic!("an output") };
        assert_eq!(relay.pin.to_string(), "line 1 of `hat`", "mqtt-io counts from 1");
        let DriverConfig::Input(switch) = &of("piface-switch").driver else { panic!("an input") };
        assert_eq!(switch.pin.to_string(), "line 10 of `piface`");
        assert_eq!(switch.active, gatehouse_board::config::ActiveLevel::Low);
        let DriverConfig::Chip(chip) = &of("left").driver else { panic!("a chip") };
        assert_eq!(chip.settings.word("ch1"), "minus-ch0", "two modules, one chip: {}", converted.toml);
        let topics: BTreeSet<&str> = config.aliases.iter().map(|alias| alias.topic.as_str()).collect();
        for topic in ["sensor/solar volts", "sensor/water", "sensor/dust"] {
            assert!(topics.contains(topic), "{topics:?}");
        }
    }

    #[test]
    fn what_is_no_configuration_of_mqtt_io_is_refused() {
        assert!(convert("just a text", false).unwrap_err().contains("no sections"));
        assert!(convert("a: [1", false).unwrap_err().contains("no YAML"));
        assert!(convert("homeassistant:\n  name: x\n", false).unwrap_err().contains("none of mqtt"));
    }

    proptest::proptest! {
        /// Names and topics are the owner's: whatever they are, the result is TOML whose ids are unique.
        #[test]
        fn any_names_give_a_result_that_can_be_read(names in proptest::collection::vec("[ -~À-ÿ№温度]{0,40}", 1..6)) {
            let inputs: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(pin, name)| serde_json::json!({"name": name, "module": "rpi", "pin": pin + 2}))
                .collect();
            let document = serde_json::json!({
                "mqtt": {"topic_prefix": names[0]},
                "gpio_modules": [{"name": "rpi", "module": "raspberrypi"}],
                "digital_inputs": inputs,
            });
            // JSON is YAML.
            let converted = convert(&document.to_string(), true).unwrap();
            let parsed = toml_edit::Document::parse(converted.toml.as_str()).unwrap();
            let devices = parsed["device"].as_array_of_tables().unwrap();
            let ids: BTreeSet<&str> = devices.iter().filter_map(|device| device["id"].as_str()).collect();
            proptest::prop_assert_eq!(ids.len(), names.len());
        }
    }
}
