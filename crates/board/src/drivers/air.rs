//! What sensors of the air have in common: their properties and their settings.

use crate::catalogue::{MeasuredProperty, Setting, SettingKind};

/// Carbon dioxide, measured, up to so much, in ppm.
pub(super) const fn co2(highest: f64) -> MeasuredProperty {
    MeasuredProperty::new("co2", "Carbon dioxide", "ppm", 0, (0.0, highest), Some("carbon_dioxide"))
}

/// Carbon dioxide as organic compounds suggest it, from that of fresh air on, in ppm.
pub(super) const fn estimated_co2(highest: f64) -> MeasuredProperty {
    MeasuredProperty::new("eco2", "Estimated CO₂", "ppm", 0, (400.0, highest), Some("carbon_dioxide"))
}

/// Volatile organic compounds, up to so much, in ppb.
pub(super) const fn tvoc(highest: f64) -> MeasuredProperty {
    let class = Some("volatile_organic_compounds_parts");
    MeasuredProperty::new("tvoc", "Organic compounds", "ppb", 0, (0.0, highest), class)
}

/// Where a meter of carbon dioxide stands.
pub(super) const ALTITUDE: Setting = Setting {
    key: "altitude",
    what: "Height above the sea, for the air pressure.",
    kind: SettingKind::Number { lowest: 0.0, highest: 3_000.0, default: 0.0, unit: "m" },
};

/// How much its own warmth adds to the temperature.
pub(super) const fn warmth(default: f64) -> Setting {
    Setting {
        key: "warmth",
        what: "How much warmer the chip is than the air, because of itself and its case.",
        kind: SettingKind::Number { lowest: 0.0, highest: 20.0, default, unit: "°C" },
    }
}

/// Whether it finds fresh air by itself.
pub(super) const fn self_calibration(default: bool) -> Setting {
    Setting {
        key: "self_calibration",
        what: "Whether it takes the lowest value of each week for fresh air (400 ppm).",
        kind: SettingKind::Flag { default },
    }
}

/// What a gas sensor without a hygrometer is told of the humidity.
pub(super) const USUAL_HUMIDITY: Setting = Setting {
    key: "humidity",
    what: "Usual humidity at the sensor, for the compensation.",
    kind: SettingKind::Number { lowest: 0.0, highest: 100.0, default: 50.0, unit: "%" },
};

/// What a gas sensor without a thermometer is told of the temperature, within what it takes.
pub(super) const fn usual_temperature(lowest: f64, highest: f64) -> Setting {
    Setting {
        key: "temperature",
        what: "Usual temperature at the sensor, for the compensation.",
        kind: SettingKind::Number { lowest, highest, default: 25.0, unit: "°C" },
    }
}
