//! Outputs with levels, covers, and what watches over them.

use gatehouse_board::config::{DeadMan, OutputConfig, OutputKind, PowerOn, Source};

use super::*;

#[test]
fn every_example_of_the_page_of_outputs_can_be_used() {
    let page = include_str!("../../../../../docs/outputs.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        let config = loaded(block);
        assert!(config.warnings.is_empty() && !config.devices.is_empty(), "{block}\n{}", config.warnings);
    }
}

fn of(text: &str) -> OutputConfig {
    let config = loaded(text);
    let DriverConfig::Output(output) = config.devices[0].driver.clone() else { panic!("{text}") };
    output
}

#[test]
fn all_settings_of_an_output_arrive() {
    let plain = of(&output(
        "power_on = \"last\"\nlast_within = \"5m\"\ninterlock = \"a\"\ndead_time = \"3s\"\ncommand_every = \"1s\"\n\
         dead_man = { client = \"thermostat\", within = \"1m\" }\n",
    ));
    assert_eq!(plain.power_on, PowerOn::Last(Duration::from_secs(300)));
    assert_eq!((plain.dead_time, plain.command_every), (Duration::from_secs(3), Duration::from_secs(1)));
    let within = Duration::from_secs(60);
    assert_eq!(plain.dead_man, Some(DeadMan { source: Source::Client("thermostat".into()), within }));
    assert!(!plain.holds_over_upgrade && of(&output("upgrade = \"hold\"\n")).holds_over_upgrade);
    let lamp = of(&device("pwm", "pin = 18\nsafe = 20\nmax_on = \"1h\"\nfrequency = 1000\nramp = \"2s\"\n"));
    assert_eq!(lamp.kind, OutputKind::Pwm { period: Duration::from_millis(1) });
    assert_eq!((lamp.safe, lamp.ramp), (Duty::from_share(0.2), Duration::from_secs(2)));
    let servo = of(&device("servo", "pin = 18\nsafe = 45\nmax_on = \"1h\"\nangles = [-45, 135]\n"));
    assert_eq!(servo.safe, Duty::from_share(0.5));
}

#[test]
fn mistakes_in_what_watches_over_outputs() {
    check(
        &output("dead_man = { topic = \"a\", client = \"b\", within = \"5m\" }\n"),
        &[(7, 12, "needs one of `topic`, `client` and `sensor`", "dead_man = {")],
    );
    check(&output("dead_man = { topic = \"a\" }\n"), &[(7, 12, "`within` is missing", "dead_man = {")]);
    check(
        &output("dead_man = { sensor = \"kichen/temperature\", within = \"5m\" }\n"),
        &[(7, 23, "there is no device `kichen`", "kitchen/temperature")],
    );
    check(
        &output("effect = { sensor = \"kitchen\", rises = 1, within = \"5m\" }\n"),
        &[(7, 21, "not a device and a property", "living-room/temperature")],
    );
    check(
        &output("effect = { sensor = \"living-room/temperature\", within = \"5m\" }\n"),
        &[
            (7, 10, "either `rises` or `falls`", "effect = {"),
            (7, 21, "there is no device `living-room`", "kitchen/temperature"),
        ],
    );
    check(&output("last_within = \"5m\"\n"), &[(7, 15, "belongs to `power_on`", "power_on = \"last\"")]);
    check(&output("power_on = \"lst\"\n"), &[(7, 12, "cannot be `lst`", "did you mean \"last\"?")]);
    check(&output("upgrade = \"hld\"\n"), &[(7, 11, "cannot be `hld`", "did you mean \"hold\"?")]);
    check(
        &output("upgrade = \"hold\"\ninterlock = \"water\"\n"),
        &[
            (7, 11, "not for an output with an `interlock`", "upgrade = \"safe\""),
            (8, 13, "alone in the interlock group", ""),
        ],
    );
    check(
        &output("upgrade = \"hold\"\ndead_man = { topic = \"a\", within = \"5m\" }\n"),
        &[(7, 11, "not for an output with a `dead_man`", "upgrade = \"safe\"")],
    );
    check(&output("interlock = \"two words\"\n"), &[(7, 13, "not the name of a group", "one word")]);
}

/// A misspelt property of a device that exists was taken in silence, and the heater could never be switched on.
#[test]
fn what_an_output_watches_must_be_a_number_of_its_device() {
    let others = "
[[device]]
id = \"kitchen\"
driver = \"simulated-climate\"
[[device]]
id = \"meter\"
driver = \"counter\"
pin = 5
unit = \"L\"
pulses_per_unit = 10
[[device]]
id = \"knob\"
driver = \"encoder\"
pin = 6
second_pin = 13
[[device]]
id = \"dimmer\"
driver = \"pwm\"
pin = 12
safe = \"off\"
max_on = \"1h\"
[[device]]
id = \"machine\"
driver = \"host\"
";
    let dead_man =
        |path: &str| output(&format!("dead_man = {{ sensor = \"{path}\", within = \"5m\" }}\n")) + others;
    for good in
        ["kitchen/humidity", "meter/total", "meter/flow", "knob/position", "dimmer/level", "machine/x"]
    {
        check(&dead_man(good), &[]);
    }
    check(
        &dead_man("kitchen/temprature"),
        &[(7, 23, "`kitchen` has no number `temprature`", "did you mean \"kitchen/temperature\"?")],
    );
    check(&dead_man("meter/totl"), &[(7, 23, "no number `totl`", "did you mean \"meter/total\"?")]);
    check(&dead_man("meter/power"), &[(7, 23, "no number `power`", "its numbers are")]);
    check(&dead_man("dimmer/power"), &[(7, 23, "no number `power`", "")]);
    check(
        &(output("effect = { sensor = \"knob/positon\", rises = 1, within = \"5m\" }\n") + others),
        &[(7, 21, "`knob` has no number `positon`", "did you mean \"knob/position\"?")],
    );
}

/// A relay at a pin of the bus that its own house uses kills the bus, or is switched by it.
#[test]
fn an_output_cannot_have_a_pin_of_a_bus_that_is_used() {
    let relay = |pin: &str| device("output", &format!("pin = {pin}\nsafe = \"off\"\nmax_on = \"1h\"\n"));
    let air = "[[device]]\nid = \"air\"\ndriver = \"bh1750\"\naddress = 0x23\n";
    let i2c =
        (4, 7, "GPIO 2, header pin 3 belongs to i2c-1, where `air` is connected (line 10)", "another pin");
    check(&(relay("2") + air), &[i2c]);
    check(&(relay("\"P5\"") + air), &[(4, 7, "GPIO 3, header pin 5 belongs to i2c-1", "another pin")]);
    check(&(relay("2") + air + "bus = \"i2c-3\"\n"), &[]);
    let tank = "[[device]]\nid = \"tank\"\ndriver = \"mcp3008\"\nbus = \"spi-0.0\"\n";
    check(&(relay("7") + tank), &[(4, 7, "belongs to SPI 0, where `tank`", "another pin")]);
    check(&relay("7"), &[]);
    let dust = |port: &str| format!("[[device]]\nid = \"dust\"\ndriver = \"pms5003\"\nport = \"{port}\"\n");
    check(&(relay("14") + &dust("/dev/ttyAMA0")), &[(4, 7, "belongs to /dev/ttyAMA0", "another pin")]);
    check(&(relay("15") + &dust("/dev/ttyUSB0")), &[]);
    let probe = "[[device]]\nid = \"floor\"\ndriver = \"ds18b20\"\nprobe = \"28-0000055e2f3b\"\n";
    check(&(relay("4") + probe), &[(4, 7, "where 1-Wire is unless its overlay names another", "gpiopin")]);
    let elsewhere = "[board]\nchip = \"pinctrl-rk3399\"\n";
    check(&(relay("2") + air + elsewhere), &[]);
}

#[test]
fn mistakes_in_levels_and_covers() {
    let pwm = |lines: &str| device("pwm", &format!("pin = 18\nmax_on = \"1h\"\n{lines}"));
    check(&pwm("safe = 120\n"), &[(6, 8, "not between 0 and 100 %", "safe = 0")]);
    check(&pwm("safe = \"off\"\nfrequency = 0\n"), &[(7, 13, "cannot be that", "frequency = 500")]);
    let servo = |lines: &str| device("servo", &format!("pin = 18\nmax_on = \"1h\"\n{lines}"));
    check(&servo("safe = 90\nangles = [180, 0]\n"), &[(7, 10, "not a range", "angles = [0, 180]")]);
    check(&servo("safe = 90\nmin_on = \"1m\"\n"), &[(7, 1, "`min_on` is no setting", "")]);
    let cover = |lines: &str| device("cover", &format!("open_pin = 5\nclose_pin = 6\n{lines}"));
    check(
        &cover(""),
        &[
            (1, 1, "`open_time` is missing", "open_time = \"25s\""),
            (1, 1, "`close_time` is missing", "close_time = \"25s\""),
        ],
    );
    check(
        &cover("open_time = \"20s\"\nclose_time = \"20s\"\nmax_on = \"1h\"\n"),
        &[(8, 10, "a cover has no `max_on`", "remove it")],
    );
    check(
        &cover("open_time = \"20s\"\nclose_time = \"20s\"\n").replace("close_pin = 6", "close_pin = 5"),
        &[(5, 13, "is already used by", "another pin")],
    );
}
