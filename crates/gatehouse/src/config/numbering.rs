//! Whose lines the numbers of pins are.

/// How the labels of the chips that have a 40-pin header begin (`Soc::chip_label` has all of them).
const HEADER_LABELS: [&str; 2] = ["pinctrl-bcm2", "pinctrl-rp1"];

/// Whose lines the numbers are.
#[derive(Clone, Debug, Default)]
pub(super) enum Numbering {
    /// The 40-pin header's: BCM numbers.
    #[default]
    Header,
    /// Those of this chip, from 0. How many there are is only known where the chip is.
    Chip(String),
}

impl Numbering {
    /// What `[board] chip` makes of the numbers.
    pub(super) fn of(chip: Option<&str>) -> Self {
        match chip {
            Some(chip) if !HEADER_LABELS.iter().any(|label| chip.starts_with(label)) => {
                Self::Chip(chip.to_owned())
            }
            Some(_) | None => Self::Header,
        }
    }
}
