//! Chips that people wire and Gatehouse does not drive by itself: known, so that a scan can name them, and so that it does
//! not take them for others at the same address.
//!
//! Each row names the datasheet where its facts stand. Compared so far, with the source of public libraries and not with the
//! datasheets themselves: the identities of BMP388, BMP390, ENS160, ENS161 and LTR-390UV, and the number of TSL2561's
//! register. The other rows wait for that; a wrong one gives a wrong name in a scan, and drives nothing.

use crate::catalogue::{Expect, Recognition, Step};

/// A chip that is only known.
pub(super) struct Chip {
    pub(super) name: &'static str,
    pub(super) addresses: &'static [u8],
    /// Empty: it has nothing to tell it by.
    pub(super) recognition: &'static [Recognition],
}

/// A chip that is told by one register.
macro_rules! by_register {
    ($register:literal, $value:expr, $mask:expr, $certainty:literal) => {
        &[Recognition {
            steps: &[Step { select: &[$register], expect: Expect::Bytes { value: &$value, mask: &$mask } }],
            certainty: $certainty,
            or_else: &[],
        }]
    };
}

pub(super) const CHIPS: &[Chip] = &[
    // Bosch, BST-BMP388-DS001, section 4.3.1: register 0x00 is 0x50.
    Chip {
        name: "Bosch BMP388",
        addresses: &[0x76, 0x77],
        recognition: by_register!(0x00, [0x50], [0xFF], 95),
    },
    // Bosch, BST-BMP390-DS002, section 4.3.1: register 0x00 is 0x60 (Bosch's bmp3_defs.h).
    Chip {
        name: "Bosch BMP390",
        addresses: &[0x76, 0x77],
        recognition: by_register!(0x00, [0x60], [0xFF], 95),
    },
    // TE Connectivity, MS5611-01BA03: no identity, and its calibration has only four bits of checksum.
    Chip { name: "TE MS5611", addresses: &[0x76, 0x77], recognition: &[] },
    // ScioSense, ENS160 datasheet, section 16.2.1: PART_ID, register 0x00, is 0x0160, low byte first.
    Chip {
        name: "ScioSense ENS160",
        addresses: &[0x52, 0x53],
        recognition: by_register!(0x00, [0x60, 0x01], [0xFF, 0xFF], 95),
    },
    // ScioSense, ENS161: the same with 0x0161 (ESPEasy).
    Chip {
        name: "ScioSense ENS161",
        addresses: &[0x52, 0x53],
        recognition: by_register!(0x00, [0x61, 0x01], [0xFF, 0xFF], 95),
    },
    // Analog Devices, ADXL345 rev. G, register 0x00 DEVID: 0xE5.
    Chip {
        name: "Analog Devices ADXL345",
        addresses: &[0x1D, 0x53],
        recognition: by_register!(0x00, [0xE5], [0xFF], 90),
    },
    // Lite-On, LTR-390UV-01, PART_ID (0x06): part number 0xB in the upper half (the kernel's ltr390.c).
    Chip {
        name: "Lite-On LTR-390UV",
        addresses: &[0x53],
        recognition: by_register!(0x06, [0xB0], [0xF0], 70),
    },
    // TAOS, TSL2560/TSL2561, ID register (0x0A, with the command bit 0x8A): part 0001 or 0101 in the upper half. Its
    // third address, 0x39, is one that is not asked.
    Chip {
        name: "TAOS TSL2561",
        addresses: &[0x29, 0x39, 0x49],
        recognition: by_register!(0x8A, [0x10], [0xB0], 60),
    },
    // Vishay, VEML6070 rev. 1.7: one of its two addresses takes a command byte, so it must not be asked anyway.
    Chip { name: "Vishay VEML6070", addresses: &[0x38, 0x39], recognition: &[] },
    // Vishay, VEML6075 rev. 1.2, register 0x0C: 0x0026, low byte first.
    Chip {
        name: "Vishay VEML6075",
        addresses: &[0x10],
        recognition: by_register!(0x0C, [0x26, 0x00], [0xFF, 0xFF], 90),
    },
    // Microchip, EMC1412/EMC1413/EMC1414, registers 0xFD and 0xFE: the product, and the maker 0x5D.
    Chip {
        name: "Microchip EMC1413",
        addresses: &[0x1C, 0x3C, 0x4C, 0x4D, 0x5C, 0x6C, 0x7C],
        recognition: by_register!(0xFE, [0x5D], [0xFF], 80),
    },
    // Melexis, MLX90614 rev. 13: no identity.
    Chip { name: "Melexis MLX90614", addresses: &[0x5A], recognition: &[] },
    // Aosong, AM2320: it sleeps, and only answers when it was woken by a first try.
    Chip { name: "Aosong AM2320", addresses: &[0x5C], recognition: &[] },
    // Maxim, DS1307: a clock without an identity, most often the kernel's.
    Chip { name: "Maxim DS1307 clock", addresses: &[0x68], recognition: &[] },
    // Microchip, 24AA and others.
    Chip {
        name: "24C memory (EEPROM)",
        addresses: &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        recognition: &[],
    },
    // NXP, PCF8591 rev. 7.
    Chip {
        name: "NXP PCF8591",
        addresses: &[0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F],
        recognition: &[],
    },
    // Holtek, HT16K33 rev. 1.51.
    Chip {
        name: "Holtek HT16K33 display",
        addresses: &[0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77],
        recognition: &[],
    },
    // NXP, PCF8574 and PCF8574A rev. 5, table 5; character displays have one behind them.
    Chip {
        name: "NXP PCF8574 (expander, or a character display)",
        addresses: &[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27],
        recognition: &[],
    },
    Chip {
        name: "NXP PCF8574A (expander, or a character display)",
        addresses: &[0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F],
        recognition: &[],
    },
];
