//! Devices that the kernel drives: 1-Wire thermometers, IIO, hwmon.

use std::time::Duration;

use gatehouse_board::config::{ChipChoice, DEFAULT_PERIOD, KernelConfig, KernelDevice, MIN_PERIOD, ProbeId};

use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};

/// The words of these drivers.
pub(super) const DRIVERS: [&str; 4] = ["ds18b20", "hwmon", "iio", "one-wire"];

/// Shortest period of a 1-Wire thermometer: a conversion takes 0.75 s.
const SHORTEST_ONE_WIRE: Duration = Duration::from_secs(1);

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Longest name of a kernel's device: names of devices of the kernel are far shorter.
const MAX_NAME_BYTES: usize = 64;

/// Reads such a device; nothing when the word is none of [`DRIVERS`], or what follows it is wrong.
pub(super) fn read(
    word: &str,
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<KernelConfig> {
    let word = DRIVERS.into_iter().find(|known| *known == word)?;
    let is_one_wire = !matches!(word, "iio" | "hwmon");
    let shortest = if is_one_wire { SHORTEST_ONE_WIRE } else { MIN_PERIOD };
    let every = section
        .duration_within("every", (shortest, LONGEST_PERIOD), "10s", findings)
        .unwrap_or(DEFAULT_PERIOD);
    let device = match word {
        "iio" => chip("iio:device0", section, findings)?.map(KernelDevice::Iio),
        "hwmon" => chip("hwmon0", section, findings)?.map(KernelDevice::Hwmon),
        _ => probe(section, findings)?.map(KernelDevice::OneWire),
    };
    places.kernel = Some(device.clone());
    Some(KernelConfig { word, device: device.value, every })
}

/// `probe = "28-0000055e2f3b"`.
fn probe(section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<ProbeId>> {
    let example = "28-0000055e2f3b";
    let Some(text) = section.text("probe", example, findings) else {
        if section.item("probe").is_none() {
            let hint = format!(
                "write its number, as `gatehouse scan` and /sys/bus/w1/devices show it: probe = \"{example}\""
            );
            findings.push(section.missing("probe", hint));
        }
        return None;
    };
    if let Some(probe) = ProbeId::new(text.value) {
        return Some(Spanned { value: probe, span: text.span });
    }
    let is_phantom = text.value.starts_with("00-");
    let hint = match ProbeId::of_rom_code(text.value) {
        Some(meant) => format!("other programs write the bytes the other way round: probe = \"{meant}\""),
        None if is_phantom => {
            "this is what the bus shows while data and 3.3 V are not joined by 4.7 kΩ: mend that, and run `gatehouse scan`"
                .to_owned()
        }
        None => format!(
            "write two digits of the family, a dash and twelve digits, as `gatehouse scan` shows them: probe = \"{example}\""
        ),
    };
    let what = format!("`{}` is not the number of a 1-Wire thermometer", text.value);
    findings.push(section.error(text.span, what, hint));
    None
}

/// `chip = "bme280"`, and `at = "1-0076"` when there are several.
fn chip(directory: &str, section: &mut Section<'_>, findings: &mut Findings) -> Option<Spanned<ChipChoice>> {
    let at = name("at", "1-0048", section, findings);
    if section.item("chip").is_none() {
        let hint = format!(
            "write the name that `gatehouse scan` shows, chip = \"bme280\", or its directory, \"{directory}\""
        );
        findings.push(section.missing("chip", hint));
        return None;
    }
    let chip = name("chip", "bme280", section, findings)?;
    let numbered = directory.trim_end_matches('0');
    if chip.value.strip_prefix(numbered).is_some_and(|rest| rest.parse::<u32>().is_ok()) {
        let what = format!("`{}` may be another device after the next start", chip.value);
        let hint = "write its name instead, and `at` when there are several of the same name; `gatehouse scan` shows both";
        findings.push(section.warning(chip.span.clone(), what, hint));
    }
    Some(chip.map(|chip| ChipChoice { chip, at: at.map(|at| at.value) }))
}

fn name(
    key: &'static str,
    example: &str,
    section: &mut Section<'_>,
    findings: &mut Findings,
) -> Option<Spanned<String>> {
    let text = section.text(key, example, findings)?;
    let is_plain = !text.value.is_empty()
        && text.value.len() <= MAX_NAME_BYTES
        && text.value.chars().all(|letter| letter.is_ascii_graphic() && letter != '/');
    if is_plain {
        return Some(text.map(str::to_owned));
    }
    let hint = format!("write it as `gatehouse scan` shows it: {key} = \"{example}\"");
    findings.push(section.error(text.span, format!("`{key}` is no name of the kernel's"), hint));
    None
}

#[cfg(test)]
mod tests {
    use gatehouse_board::config::{DriverConfig, KernelDevice};

    use crate::config::load;

    fn found(text: &str) -> Vec<String> {
        let problems = match load(text, "test.toml") {
            Ok(config) => config.warnings,
            Err(problems) => problems,
        };
        problems.listed().iter().map(|(_, _, what, hint)| format!("{what}: {hint}")).collect()
    }

    const GATEWAY: &str = "[gateway]\nname = \"Home\"\n";

    fn device(rest: &str) -> String {
        format!("{GATEWAY}[[device]]\nid = \"a\"\n{rest}\n")
    }

    #[test]
    fn devices_of_the_kernel_arrive() {
        let text = format!(
            "{}{}{}",
            device("driver = \"ds18b20\"\nprobe = \"28-0000055E2F3B\"\nevery = \"30s\""),
            "[[device]]\nid = \"b\"\ndriver = \"iio\"\nchip = \"bme280\"\nat = \"1-0076\"\ncalibrate.temperature.offset = -0.3\n",
            "[[device]]\nid = \"c\"\ndriver = \"hwmon\"\nchip = \"ina219\"\n",
        );
        let config = load(&text, "test.toml").unwrap();
        assert!(config.warnings.is_empty(), "{}", config.warnings);
        let devices: Vec<String> = config
            .devices
            .iter()
            .map(|device| match &device.driver {
                DriverConfig::Kernel(kernel) => {
                    format!("{} {} {:?}", kernel.word, kernel.device, kernel.every)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            devices,
            [
                "ds18b20 1-Wire, 28-0000055e2f3b 30s",
                "iio kernel (IIO), bme280 at 1-0076 10s",
                "hwmon kernel (hwmon), ina219 10s"
            ]
        );
        let DriverConfig::Kernel(kernel) = &config.devices[0].driver else { panic!() };
        assert!(matches!(kernel.device, KernelDevice::OneWire(_)));
    }

    #[test]
    fn slips_are_told_with_what_can_be() {
        for (rest, words) in [
            ("driver = \"one-wire\"", "`probe` is missing"),
            ("driver = \"ds18b20\"\nprobe = \"28FF641E0F4F8C3D\"", "probe = \"28-8c4f0f1e64ff\""),
            ("driver = \"ds18b20\"\nprobe = \"00-400000000000\"", "4.7 kΩ"),
            ("driver = \"ds18b20\"\nprobe = \"kitchen\"", "not the number of a 1-Wire thermometer"),
            ("driver = \"ds18b20\"\nprobe = \"28-0000055e2f3b\"\nevery = \"100ms\"", "`every` is too short"),
            (
                "driver = \"ds18b20\"\nprobe = \"28-0000055e2f3b\"\ncalibrate.humidity.offset = 1",
                "no number `humidity`",
            ),
            ("driver = \"iio\"", "`chip` is missing"),
            ("driver = \"iio\"\nchip = 0", "`chip` is a whole number"),
            ("driver = \"iio\"\nchip = \"iio:device0\"", "may be another device after the next start"),
            ("driver = \"hwmon\"\nchip = \"../x\"", "is no name of the kernel's"),
            ("driver = \"hwmon\"\nchip = \"x\"\nprobe = \"y\"", "`probe` is no setting of"),
            ("driver = \"ds18b21\"", "did you mean \"ds18b20\"?"),
        ] {
            let found = found(&device(rest)).join("\n");
            assert!(found.contains(words), "{rest}:\n{found}");
        }
    }

    #[test]
    fn one_device_is_configured_once() {
        let probe = "driver = \"ds18b20\"\nprobe = \"28-0000055e2f3b\"";
        let text = format!("{}[[device]]\nid = \"b\"\n{probe}\n", device(probe));
        let found = found(&text).join("\n");
        assert!(found.contains("already used by `a`"), "{found}");
    }
}
