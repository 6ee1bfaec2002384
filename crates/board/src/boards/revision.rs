//! Revision codes: the number that every Raspberry Pi says of itself.
//!
//! Source: Raspberry Pi documentation, "Raspberry Pi revision codes"
//! (`documentation/asciidoc/computers/raspberry-pi/revision-codes.adoc`).

use super::{BoardModel, MODELS, Soc};

/// A revision code, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    code: u32,
}

/// Bit 23: the code is one of the new kind, whose bits each mean something.
const NEW_STYLE: u32 = 1 << 23;

/// Old codes count up; bit 24 above them says that the warranty is void.
const OLD_CODE_MASK: u32 = 0xffff;

/// The old codes: the code, the type that the new codes give the same board, and the revision of the board.
const OLD_CODES: [(u32, u8, u8); 17] = [
    (0x02, 0x01, 1),
    (0x03, 0x01, 1),
    (0x04, 0x01, 2),
    (0x05, 0x01, 2),
    (0x06, 0x01, 2),
    (0x07, 0x00, 2),
    (0x08, 0x00, 2),
    (0x09, 0x00, 2),
    (0x0d, 0x01, 2),
    (0x0e, 0x01, 2),
    (0x0f, 0x01, 2),
    (0x10, 0x03, 1),
    (0x11, 0x06, 1),
    (0x12, 0x02, 1),
    (0x13, 0x03, 1),
    (0x14, 0x06, 1),
    (0x15, 0x02, 1),
];

impl Revision {
    /// The revision with this code.
    pub const fn new(code: u32) -> Self {
        Self { code }
    }

    /// The one in a text such as `c03111`, as `/proc/cpuinfo` shows it.
    pub fn parse(text: &str) -> Option<Self> {
        u32::from_str_radix(text.trim(), 16).ok().filter(|code| *code != 0).map(Self::new)
    }

    /// The code itself.
    pub const fn code(self) -> u32 {
        self.code
    }

    const fn is_new_style(self) -> bool {
        self.code & NEW_STYLE != 0
    }

    fn old(self) -> Option<(u8, u8)> {
        let code = self.code & OLD_CODE_MASK;
        OLD_CODES.iter().find(|(known, ..)| *known == code).map(|(_, kind, revision)| (*kind, *revision))
    }

    /// The board's type as the new codes number them (bits 4 to 11); nothing for a code that is not known.
    pub fn board_type(self) -> Option<u8> {
        if self.is_new_style() {
            return u8::try_from((self.code >> 4) & 0xff).ok();
        }
        self.old().map(|(kind, _)| kind)
    }

    /// Memory in MB (bits 20 to 22); nothing for old codes, some of which were used for two sizes, and for sizes that
    /// the code cannot say.
    pub const fn memory_mb(self) -> Option<u32> {
        match (self.code >> 20) & 0x7 {
            size @ 0..=6 if self.is_new_style() => Some(256 << size),
            _ => None,
        }
    }

    /// The processor (bits 12 to 15); old codes are all of the first one.
    pub const fn soc(self) -> Option<Soc> {
        if !self.is_new_style() {
            return Some(Soc::Bcm2835);
        }
        match (self.code >> 12) & 0xf {
            0 => Some(Soc::Bcm2835),
            1 => Some(Soc::Bcm2836),
            2 => Some(Soc::Bcm2837),
            3 => Some(Soc::Bcm2711),
            4 => Some(Soc::Bcm2712),
            _ => None,
        }
    }

    /// The board that says this; nothing when it is newer than this list.
    pub fn model(self) -> Option<&'static BoardModel> {
        let kind = self.board_type()?;
        // The first Model B has three lines elsewhere on its header.
        let is_first_b = !self.is_new_style() && self.old() == Some((0x01, 1));
        MODELS.iter().find(|model| model.board_type == kind && model.is_first_b == is_first_b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of the documentation's own list, with what it says of them.
    #[test]
    fn codes_of_the_documentation_are_read_as_it_says() {
        for (text, name, memory) in [
            ("0002", "Raspberry Pi Model B Rev 1", None),
            ("1000002", "Raspberry Pi Model B Rev 1", None),
            ("000e", "Raspberry Pi Model B", None),
            ("0010", "Raspberry Pi Model B+", None),
            ("900032", "Raspberry Pi Model B+", Some(512)),
            ("a01041", "Raspberry Pi 2 Model B", Some(1024)),
            ("a02082", "Raspberry Pi 3 Model B", Some(1024)),
            ("9000c1", "Raspberry Pi Zero W", Some(512)),
            ("902120", "Raspberry Pi Zero 2 W", Some(512)),
            ("a02100", "Raspberry Pi Compute Module 3+", Some(1024)),
            ("c03111", "Raspberry Pi 4 Model B", Some(4096)),
            ("c03130", "Raspberry Pi 400", Some(4096)),
            ("d04170", "Raspberry Pi 5 Model B", Some(8192)),
            ("c04180", "Raspberry Pi Compute Module 5", Some(4096)),
            ("d04190", "Raspberry Pi 500", Some(8192)),
            ("b041a0", "Raspberry Pi Compute Module 5 Lite", Some(2048)),
        ] {
            let revision = Revision::parse(text).unwrap();
            assert_eq!(revision.model().map(|model| model.name), Some(name), "{text}");
            assert_eq!(revision.memory_mb(), memory, "{text}");
        }
    }

    /// The Pi 2 was made with two processors under one type.
    #[test]
    fn the_processor_is_that_of_the_code() {
        for (text, soc) in [
            ("a01041", Soc::Bcm2836),
            ("a02042", Soc::Bcm2837),
            ("0002", Soc::Bcm2835),
            ("902120", Soc::Bcm2837),
            ("e04171", Soc::Bcm2712),
        ] {
            assert_eq!(Revision::parse(text).and_then(Revision::soc), Some(soc), "{text}");
        }
    }

    #[test]
    fn a_code_that_is_not_known_is_no_board() {
        for text in ["", "xyz", "0000", "0019", "c03ff1"] {
            assert_eq!(Revision::parse(text).and_then(Revision::model), None, "{text}");
        }
    }
}
