//! `gatehouse pins`: what the configured outputs do between power-on and the start of the gateway, which pins would be
//! better, and what the firmware can do about it.

use std::path::Path;

use anyhow::bail;
use gatehouse_board::boards::{Header, PowerOn, Recognised, at_power_on, boot_line, recognise};
use gatehouse_board::bridge::safe::header_outputs;
use gatehouse_board::config::{DeviceConfig, Pull};
use gatehouse_board::pinout::{Firing, firing};
use gatehouse_board::traits::{LineNumber, Pin};

use crate::answer::{self, answer};
use crate::cli::PinsArguments;
use crate::config::{self, Config};
use crate::config_txt::{self, OUTPUTS, Written};
use crate::exit::Exit;
use crate::mistakes;

/// Prints what there is to say, and writes the firmware's file when asked to.
pub(crate) fn run(arguments: &PinsArguments) -> anyhow::Result<Exit> {
    let config = match config::load_file(&arguments.config) {
        Ok(config) => config,
        Err(problems) => return Ok(mistakes::report_problems(&problems)),
    };
    if config.board.chip.is_some() {
        answer!("[board] chip names a chip of its own: what holds its lines at power-on is not known.");
        return Ok(if arguments.write { Exit::Failure } else { Exit::Success });
    }
    let machine = recognise(&config.board.places(Path::new("/")));
    let advice = Advice::of(&config, &machine);
    answer::print(format_args!("{}", advice.text));
    if arguments.write {
        write(arguments, &advice.lines)?;
    }
    Ok(Exit::Success)
}

fn write(arguments: &PinsArguments, lines: &[String]) -> anyhow::Result<()> {
    let found = arguments.config_txt.clone().or_else(config_txt::file_of_this_machine);
    let Some(path) = found else {
        bail!("this machine has no config.txt in /boot/firmware or /boot: name the file with --config-txt");
    };
    answer!("");
    match config_txt::write(&path, OUTPUTS, &config_txt::block(OUTPUTS, lines))? {
        Written::Unchanged => answer!("{} has these lines already.", path.display()),
        Written::Changed { backup } => answer!(
            "Written to {}. The file of before is {}.\nRestart the machine to let it take effect.",
            path.display(),
            backup.display()
        ),
    }
    Ok(())
}

/// Lines that devices use.
fn taken_lines(devices: &[DeviceConfig]) -> Vec<LineNumber> {
    devices.iter().flat_map(|device| device.driver.pins()).filter_map(Pin::header_line).collect()
}

/// Outputs that fire at power-on, unless the firmware was told otherwise: one sentence each.
pub(crate) fn power_on_warnings(config: &Config) -> Vec<String> {
    if config.board.chip.is_some() {
        return Vec::new();
    }
    let machine = recognise(&config.board.places(Path::new("/")));
    warnings(config, &machine, &firmware_text())
}

fn warnings(config: &Config, machine: &Recognised, firmware: &str) -> Vec<String> {
    let warning = |Firing { device, planned, found }: Firing| {
        let (pulled, wrong) = (pulled(found.pull), on_or_off(!planned.safe_on));
        format!(
            "`{device}` at {} is {pulled} at power-on, so it is {wrong} until the gateway starts: `gatehouse pins` tells what helps",
            planned.line
        )
    };
    firing(&config.devices, machine, firmware, &[]).into_iter().map(warning).collect()
}

/// The firmware's `config.txt`; empty when there is none that can be read.
pub(crate) fn firmware_text() -> String {
    config_txt::file_of_this_machine().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

/// What is said, and the lines for the firmware.
#[derive(Debug, Default)]
struct Advice {
    text: String,
    lines: Vec<String>,
}

impl Advice {
    fn of(config: &Config, machine: &Recognised) -> Self {
        let mut advice = Self::default();
        advice.say(&match machine.soc() {
            Some(soc) => format!("{} ({})", machine.name, soc.name()),
            None => format!(
                "{}: not a board that is known here; what follows holds for a Raspberry Pi",
                machine.name
            ),
        });
        let taken = taken_lines(&config.devices);
        let header = machine.header().unwrap_or(Header::Pins40);
        let (mut outputs, mut fires) = (0, false);
        for device in &config.devices {
            for planned in header_outputs(device) {
                outputs += 1;
                let safe = on_or_off(planned.safe_on);
                let level = if planned.is_safe_high() { "high" } else { "low" };
                advice.say(&format!(
                    "\n`{}` at {}: {safe} when safe, which is {level}",
                    device.id, planned.line
                ));
                let Some(found) = at_power_on(planned, &taken, machine.soc(), header) else {
                    advice.say("  what holds this pin at power-on is not known");
                    continue;
                };
                advice.lines.push(boot_line(planned).to_string());
                advice.say_power_on(&found, planned.safe_on);
                fires |= found.fires;
            }
        }
        if outputs == 0 {
            advice.say("No output of the configuration is at a pin of the header.");
            return advice;
        }
        advice.say_remedies(fires);
        advice
    }

    fn say(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn say_power_on(&mut self, found: &PowerOn, safe_on: bool) {
        let pulled = pulled(found.pull);
        if !found.fires {
            self.say(&format!("  at power-on it is {pulled}: {} from the beginning", on_or_off(safe_on)));
            return;
        }
        let wrong = on_or_off(!safe_on).to_uppercase();
        self.say(&format!("  at power-on it is {pulled}: {wrong} until something drives the pin"));
        if found.is_fixed {
            self.say("  a resistor on the board holds this pin up, stronger than any setting");
        }
        if !found.better.is_empty() {
            let better: Vec<String> = found.better.iter().map(ToString::to_string).collect();
            self.say(&format!("  better pins: {}", better.join("; ")));
        }
    }

    fn say_remedies(&mut self, fires: bool) {
        if fires {
            self.say("\nThe surest remedy is another pin, or a resistor of 4.7 to 10 kΩ from the pin to its safe level.");
        }
        self.say("\nThe firmware can drive the pins to their safe level before Linux starts. The lines for its config.txt:\n");
        for line in self.lines.clone() {
            self.say(&format!("  {line}"));
        }
        self.say("\n`sudo gatehouse pins --write` writes them, between two marks. They take effect at the next start of the");
        self.say("machine. A short window stays: between power-on and the moment the firmware reads the file, a few seconds");
        self.say("(longer when it starts from USB or the network), only the pull holds the pins.");
    }
}

const fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

const fn pulled(pull: Pull) -> &'static str {
    match pull {
        Pull::Up => "pulled up",
        Pull::Down => "pulled down",
        Pull::None => "held by nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str) -> Advice {
        let config = config::load(text, "test.toml").unwrap();
        let machine = Recognised { name: "a test".to_owned(), model: None, revision: None };
        Advice::of(&config, &machine)
    }

    #[test]
    fn a_relay_that_would_fire_is_told_with_better_pins() {
        let advice = advice(concat!(
            "[[device]]\nid = \"heater\"\ndriver = \"output\"\npin = 17\nactive = \"low\"\nsafe = \"off\"\nmax_on = \"2h\"\n",
            "[[device]]\nid = \"lamp\"\ndriver = \"output\"\npin = 22\nsafe = \"off\"\nmax_on = \"2h\"\n",
            "[[device]]\nid = \"door\"\ndriver = \"input\"\npin = 4\n",
        ));
        let text = advice.text;
        for words in [
            "`heater` at GPIO 17, header pin 11: off when safe, which is high",
            "pulled down: ON until something drives the pin",
            "better pins: GPIO 5, header pin 29; GPIO 6, header pin 31",
            "`lamp` at GPIO 22, header pin 15: off when safe, which is low",
            "pulled down: off from the beginning",
            "a few seconds",
        ] {
            assert!(text.contains(words), "{words} is missing in:\n{text}");
        }
        assert_eq!(advice.lines, ["gpio=17=op,dh,pu", "gpio=22=op,dl,pd"]);
    }

    #[test]
    fn what_the_firmware_was_told_is_no_warning() {
        let text = "[[device]]\nid = \"heater\"\ndriver = \"output\"\npin = 17\nactive = \"low\"\nsafe = \"off\"\nmax_on = \"2h\"\n";
        let config = config::load(text, "test.toml").unwrap();
        let machine = Recognised { name: "a test".to_owned(), model: None, revision: None };
        let found = warnings(&config, &machine, "");
        assert!(found[0].contains("`heater` at GPIO 17, header pin 11 is pulled down"), "{found:?}");
        assert_eq!(warnings(&config, &machine, "[all]\ngpio=17=op,dh,pu\n"), Vec::<String>::new());
        assert_eq!(warnings(&config, &machine, "# gpio=17=op,dh,pu\n").len(), 1, "a remark tells nothing");
    }

    #[test]
    fn without_outputs_there_is_nothing_to_write() {
        let advice = advice("[[device]]\nid = \"this-machine\"\ndriver = \"host\"\n");
        assert!(advice.text.contains("No output"), "{}", advice.text);
        assert!(advice.lines.is_empty());
    }
}
