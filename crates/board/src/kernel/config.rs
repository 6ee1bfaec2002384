//! Which of the kernel's sensors a device is.

use std::fmt;
use std::time::Duration;

/// A device that the kernel drives.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelConfig {
    /// The driver's word in the configuration.
    pub word: &'static str,
    /// Which device it is.
    pub device: KernelDevice,
    /// How often it is read.
    pub every: Duration,
}

/// Which of the kernel's devices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelDevice {
    /// A thermometer on 1-Wire.
    OneWire(ProbeId),
    /// A device of the industrial I/O subsystem.
    Iio(ChipChoice),
    /// A device of the hardware monitoring subsystem.
    Hwmon(ChipChoice),
}

impl fmt::Display for KernelDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneWire(probe) => write!(f, "1-Wire, {probe}"),
            Self::Iio(chip) => write!(f, "kernel (IIO), {chip}"),
            Self::Hwmon(chip) => write!(f, "kernel (hwmon), {chip}"),
        }
    }
}

/// The number of a 1-Wire thermometer as the kernel writes it: `28-0000055e2f3b`, the family and the serial number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(String);

/// Families of thermometers (kernel documentation, "Kernel driver w1_therm").
const THERMOMETERS: [(u8, &str); 5] =
    [(0x10, "DS18S20"), (0x22, "DS1822"), (0x28, "DS18B20"), (0x3B, "DS1825"), (0x42, "DS28EA00")];

impl ProbeId {
    /// A number as the kernel writes it, of a family of thermometers. Capital letters are taken too.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (family, serial) = text.split_once('-')?;
        let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_id = family.len() == 2 && serial.len() == 12 && is_hex(family) && is_hex(serial);
        let id = Self(text);
        (is_id && id.model().is_some()).then_some(id)
    }

    /// The number in the kernel's form of a ROM code as Arduino and ESPHome write it: family, serial number with its
    /// lowest byte first, checksum (DS18B20 datasheet, figure 8), with or without `0x` and separators.
    pub fn of_rom_code(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches("0x");
        let digits: String = text.chars().filter(|character| !matches!(character, ' ' | ':' | '-')).collect();
        let byte = |at: usize| digits.get(2 * at..2 * at + 2);
        if digits.len() != 16 {
            return None;
        }
        let serial: Option<String> = (1..7).rev().map(byte).collect();
        Self::new(&format!("{}-{}", byte(0)?, serial?))
    }

    /// As the kernel writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The family code.
    pub fn family(&self) -> u8 {
        self.0.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    /// The chip that has this family code.
    pub fn model(&self) -> Option<&'static str> {
        let family = self.family();
        THERMOMETERS.iter().find(|(code, _)| *code == family).map(|(_, name)| *name)
    }

    /// Whether the maker of the DS18B20 did not give out such a number: the two highest bytes of theirs are zero
    /// (collected in cpetrich/counterfeit_DS18B20; the datasheet promises nothing).
    pub fn is_probably_no_original(&self) -> bool {
        self.family() == 0x28 && self.0.get(3..7) != Some("0000")
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An IIO or hwmon device, by what stays the same over a restart as far as possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChipChoice {
    /// The name that its driver gives it (`bme280`; `dht11` also stands for `dht11@4`), or its directory
    /// (`iio:device0`, `hwmon2`), whose number can change.
    pub chip: String,
    /// Where it is connected, as the kernel says (`1-0048` is address 0x48 on I²C bus 1), when there are several of the
    /// same name.
    pub at: Option<String>,
}

impl fmt::Display for ChipChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chip)?;
        match &self.at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_probes_are_those_of_thermometers() {
        let probe = ProbeId::new("28-0000055E2F3B").unwrap();
        assert_eq!((probe.as_str(), probe.family()), ("28-0000055e2f3b", 0x28));
        assert_eq!((probe.model(), probe.is_probably_no_original()), (Some("DS18B20"), false));
        assert!(ProbeId::new("28-3c01d607a5bf").unwrap().is_probably_no_original());
        for other in
            ["", "28", "28-", "28-0000055e2f3", "28-0000055e2f3g", "00-400000000000", "01-000000000001"]
        {
            assert_eq!(ProbeId::new(other), None, "{other}");
        }
    }

    #[test]
    fn a_code_from_another_program_is_turned_round() {
        let expected = ProbeId::new("28-8c4f0f1e64ff");
        for code in
            ["28FF641E0F4F8C3D", "28 ff 64 1e 0f 4f 8c 3d", "0x28ff641e0f4f8c3d", "28-FF-64-1E-0F-4F-8C-3D"]
        {
            assert_eq!(ProbeId::of_rom_code(code), expected, "{code}");
        }
        assert_eq!(ProbeId::of_rom_code("28ff"), None);
        assert_eq!(ProbeId::of_rom_code("äöüäöüäö"), None);
    }
}
