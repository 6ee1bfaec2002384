//! What a chip can feel.

use gatehouse_model::Moment;

/// The world around a chip. A chip takes from it what it measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// In °C.
    pub temperature: f64,
    /// Relative humidity in %.
    pub humidity: f64,
    /// Air pressure at the chip in hPa.
    pub pressure: f64,
    /// Brightness in lx.
    pub light: f64,
    /// Carbon dioxide in ppm.
    pub carbon_dioxide: f64,
    /// Volatile organic compounds in ppb.
    pub organic_compounds: f64,
    /// Fine dust of up to 2.5 µm in µg/m³.
    pub fine_dust: f64,
    /// Distance to the next thing in front of it in mm.
    pub distance: f64,
    /// Voltage at the chip's input, or of the bus that a power meter measures, in V.
    pub voltage: f64,
    /// Current through a power meter in A.
    pub current: f64,
    /// A hand in front of it, and where: how far to the right and how far up, from -1 to 1.
    pub hand: Option<(f64, f64)>,
    /// The number of the tag that lies on it; empty when there is none.
    pub tag: Vec<u8>,
    /// When this is.
    pub now: Moment,
}

impl Default for Surroundings {
    /// A room by day.
    fn default() -> Self {
        Self {
            temperature: 21.0,
            humidity: 45.0,
            pressure: 1_013.25,
            light: 240.0,
            carbon_dioxide: 620.0,
            organic_compounds: 90.0,
            fine_dust: 6.0,
            distance: 850.0,
            voltage: 1.2,
            current: 0.35,
            hand: None,
            tag: Vec::new(),
            now: Moment::default(),
        }
    }
}
