//! Inputs, counters, encoders and ultrasonic sensors.

use gatehouse_board::config::{CounterConfig, EncoderConfig, InputConfig, UltrasonicConfig};
use gatehouse_control::{Click, Metered};

use super::*;

fn driver(text: &str) -> DriverConfig {
    let mut config = loaded(text);
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    config.devices.remove(0).driver
}

#[test]
fn every_example_of_the_page_can_be_used() {
    let page = include_str!("../../../../../docs/inputs.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 7, "{} examples", blocks.len());
    for block in blocks {
        let config = loaded(block);
        assert!(config.warnings.is_empty() && !config.devices.is_empty(), "{block}\n{}", config.warnings);
    }
}

#[test]
fn all_settings_of_an_input_arrive() {
    let text = "pin = 4\nsettle = \"50ms\"\ndelayed_on = \"1s\"\ndelayed_off = \"30s\"\ninvert = true\nclass = \"leak\"\n\
                clicks = [\"single\", \"long\", \"repeat\"]\nclick_gap = \"250ms\"\nlong_after = \"1s\"\nrepeat_every = \"200ms\"\n";
    let DriverConfig::Input(input) = driver(&device("input", text)) else { panic!() };
    let millis = Duration::from_millis;
    assert_eq!((input.debounce, input.settle), (Duration::ZERO, millis(50)));
    assert_eq!((input.delayed_on, input.delayed_off, input.invert), (millis(1_000), millis(30_000), true));
    assert_eq!((input.class.as_deref(), input.property_word()), (Some("moisture"), "moisture"));
    let clicks = input.clicks.unwrap();
    assert_eq!(clicks.events, [Click::Single, Click::Long, Click::Repeat]);
    assert_eq!(
        (clicks.gap, clicks.long_after, clicks.repeat_every),
        (millis(250), millis(1_000), Some(millis(200)))
    );
    let plain = driver(&device("input", "pin = 4\n"));
    assert_eq!(plain, DriverConfig::Input(InputConfig::at(LineNumber::new(4))));
}

#[test]
fn mistakes_in_clicks() {
    let input = |lines: &str| device("input", &format!("pin = 4\n{lines}"));
    check(
        &input("clicks = [\"singel\", \"double\", \"double\"]\n"),
        &[
            (5, 11, "there is no `singel`", "did you mean \"single\"?"),
            (5, 31, "has `double` twice", "write it once"),
        ],
    );
    check(&input("clicks = []\n"), &[(5, 10, "`clicks` is empty", "clicks = [\"single\"")]);
    check(&input("clicks = \"single\"\n"), &[(5, 10, "`clicks` is a text", "write clicks = [")]);
    check(&input("long_after = \"1s\"\n"), &[(5, 14, "of no use without `clicks`", "write clicks = [")]);
    check(&input("clicks = [\"repeat\"]\n"), &[(5, 10, "belong together", "write both")]);
    check(
        &input("settle = \"50ms\"\ndebounce = \"20ms\"\n"),
        &[(5, 10, "`debounce` holds it back before", "only one of the two")],
    );
    check(&input("invert = \"yes\"\n"), &[(5, 10, "`invert` is a text", "invert = true")]);
}

#[test]
fn all_settings_of_a_counter_arrive() {
    let text = "pin = \"P11\"\nactive = \"high\"\npull = \"down\"\ndebounce = \"0ms\"\nunit = \"kWh\"\npulses_per_unit = 1000\n\
                reading = 1234.5\nwindow = \"30s\"\nzero_after = \"10m\"\nevery = \"5s\"\nsave_every = \"10s\"\n";
    let seconds = Duration::from_secs;
    let expected = CounterConfig {
        pull: Pull::Down,
        active: ActiveLevel::High,
        debounce: Duration::ZERO,
        unit: Metered::KilowattHours,
        per_pulse: 0.001,
        reading: Some(1_234.5),
        window: seconds(30),
        zero_after: seconds(600),
        every: seconds(5),
        save_every: seconds(10),
        ..CounterConfig::at(LineNumber::new(17))
    };
    assert_eq!(driver(&device("counter", text)), DriverConfig::Counter(expected));
    let plain = driver(&device("counter", "pin = 4\n"));
    assert_eq!(plain, DriverConfig::Counter(CounterConfig::at(LineNumber::new(4))));
}

#[test]
fn mistakes_in_counters() {
    let counter = |lines: &str| device("counter", &format!("pin = 4\n{lines}"));
    check(&counter("unit = \"L\"\n"), &[(1, 1, "`pulses_per_unit` is missing", "printed on the meter")]);
    check(
        &counter("unit = \"kwh\"\nper_pulse = 0.001\n"),
        &[(5, 8, "`unit` cannot be `kwh`", "did you mean \"kWh\"?")],
    );
    check(
        &counter("per_pulse = 0.5\npulses_per_unit = 2\n"),
        &[(6, 19, "say the same in two ways", "only one of the two")],
    );
    check(&counter("per_pulse = 0\n"), &[(5, 13, "must stand for something", "greater than zero")]);
    check(&counter("reading = -3\n"), &[(5, 11, "not what a meter can show", "what the meter shows")]);
    check(&counter("save_every = \"2h\"\n"), &[(5, 14, "`save_every` is too long", "1h")]);
    check(&counter("safe_every = \"1s\"\n"), &[(5, 1, "no setting of the driver `counter`", "save_every")]);
    check(
        &counter("calibrate.total = { scale = 2 }\n"),
        &[(5, 11, "has no number `total`", "no numbers that can be adjusted")],
    );
}

#[test]
fn encoders_and_ultrasonic_sensors() {
    let text = "pin = 5\nsecond_pin = 6\nquarters_per_detent = 2\nlowest = 0\nhighest = 100\n";
    let expected = EncoderConfig {
        quarters_per_detent: 2,
        range: Some((0, 100)),
        ..EncoderConfig::at(LineNumber::new(5), LineNumber::new(6))
    };
    assert_eq!(driver(&device("encoder", text)), DriverConfig::Encoder(expected));
    let text = "trigger = 5\necho = 6\nevery = \"1s\"\nair_temperature = 8\n";
    let expected = UltrasonicConfig {
        every: Duration::from_secs(1),
        air: 8.0,
        ..UltrasonicConfig::at(LineNumber::new(5), LineNumber::new(6))
    };
    assert_eq!(driver(&device("hc-sr04", text)), DriverConfig::Ultrasonic(expected));
    check(
        &device("encoder", "pin = 5\nsecond_pin = 5\nquarters_per_detent = 3\nlowest = 5\n"),
        &[
            (5, 14, "already used by `x` (line 4)", "choose another pin"),
            (6, 23, "no encoder has 3", "write 4, 2 or 1"),
            (7, 10, "belong together", "write both"),
        ],
    );
    check(
        &device("hc-sr04", "trigger = 50\nair_temperature = 300\n"),
        &[
            (1, 1, "`echo` is missing", "echo = 17"),
            (4, 11, "no GPIO 50", "BCM number"),
            (5, 19, "no temperature of air", "air_temperature = 20"),
        ],
    );
}

#[test]
fn an_interrupt_line_is_for_expanders_and_a_line_of_the_header() {
    let porch = |driver: &str, lines: &str| {
        format!("[[device]]\nid = \"porch\"\ndriver = \"{driver}\"\naddress = 0x20\n{lines}")
    };
    for word in ["mcp23017", "mcp23008", "pcf8574", "pcf8575", "pca9555"] {
        let DriverConfig::Chip(chip) = driver(&porch(word, "interrupt = \"P11\"\n")) else { panic!() };
        assert_eq!(chip.interrupt, Some(LineNumber::new(17).into()), "{word}");
        let DriverConfig::Chip(plain) = driver(&porch(word, "")) else { panic!() };
        assert_eq!(plain.interrupt, None, "{word}");
    }
    let pump = "[[device]]\nid = \"pump\"\ndriver = \"output\"\npin = 17\nsafe = \"off\"\nmax_on = \"5m\"\n";
    let both = format!("{pump}{}", porch("mcp23017", "interrupt = 17\n"));
    check(
        &both,
        &[(11, 13, "`porch`: GPIO 17, header pin 11 is already used by `pump` (line 4)", "another pin")],
    );
    check(
        &porch("mcp23017", "interrupt = \"attic:3\"\n"),
        &[(5, 13, "an interrupt line goes to the header", "interrupt = 17")],
    );
    let lamps = porch("pca9685", "interrupt = 17\n").replace("0x20", "0x40");
    check(&lamps, &[(5, 1, "`interrupt`", "")]);
}
