//! What can be derived, as data: names, units, and the inputs that it takes.

/// What an input is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Air temperature in °C.
    Temperature,
    /// Relative humidity in percent.
    Humidity,
    /// Air pressure in hPa.
    Pressure,
    /// Electric power in W.
    Power,
    /// The total of a pulse counter.
    Pulses,
    /// One of several of the same kind.
    Value,
}

/// All roles.
pub const ALL_ROLES: [Role; 6] =
    [Role::Temperature, Role::Humidity, Role::Pressure, Role::Power, Role::Pulses, Role::Value];

impl Role {
    /// Its word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::Humidity => "humidity",
            Self::Pressure => "pressure",
            Self::Power => "power",
            Self::Pulses => "pulses",
            Self::Value => "values",
        }
    }

    /// The unit that the input must have; nothing when any will do.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Self::Temperature => Some("°C"),
            Self::Humidity => Some("%"),
            Self::Pressure => Some("hPa"),
            Self::Power => Some("W"),
            Self::Pulses | Self::Value => None,
        }
    }
}

/// A value that can be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// The temperature at which dew begins to form.
    DewPoint,
    /// Grams of water in a cubic metre of air.
    AbsoluteHumidity,
    /// How much more vapour the air could hold.
    VapourPressureDeficit,
    /// What warm and damp air feels like.
    HeatIndex,
    /// Air pressure reduced to sea level.
    SeaLevelPressure,
    /// Altitude in the standard atmosphere.
    Altitude,
    /// Energy from power.
    Energy,
    /// Volume from the pulses of a meter.
    Volume,
    /// The lowest of several.
    Min,
    /// The highest of several.
    Max,
    /// The mean of several.
    Mean,
    /// The sum of several.
    Sum,
    /// The highest of several less the lowest.
    Difference,
}

/// All quantities.
pub const ALL_QUANTITIES: [Quantity; 13] = [
    Quantity::DewPoint,
    Quantity::AbsoluteHumidity,
    Quantity::VapourPressureDeficit,
    Quantity::HeatIndex,
    Quantity::SeaLevelPressure,
    Quantity::Altitude,
    Quantity::Energy,
    Quantity::Volume,
    Quantity::Min,
    Quantity::Max,
    Quantity::Mean,
    Quantity::Sum,
    Quantity::Difference,
];

/// Facts about a quantity: word and property id, name, unit (nothing: that of its inputs), digits, class in Home
/// Assistant's words (nothing: that of its inputs, for combinations).
struct Facts(&'static str, &'static str, Option<&'static str>, u8, Option<&'static str>);

impl Quantity {
    const fn facts(self) -> Facts {
        match self {
            Self::DewPoint => Facts("dew-point", "Dew point", Some("°C"), 1, Some("temperature")),
            Self::AbsoluteHumidity => {
                Facts("absolute-humidity", "Absolute humidity", Some("g/m³"), 2, Some("absolute_humidity"))
            }
            Self::VapourPressureDeficit => {
                Facts("vpd", "Vapour pressure deficit", Some("kPa"), 2, Some("pressure"))
            }
            Self::HeatIndex => Facts("heat-index", "Heat index", Some("°C"), 1, Some("temperature")),
            Self::SeaLevelPressure => Facts(
                "sea-level-pressure",
                "Sea level pressure",
                Some("hPa"),
                1,
                Some("atmospheric_pressure"),
            ),
            Self::Altitude => Facts("altitude", "Altitude", Some("m"), 0, Some("distance")),
            Self::Energy => Facts("energy", "Energy", Some("kWh"), 3, Some("energy")),
            Self::Volume => Facts("volume", "Volume", Some("m³"), 3, Some("water")),
            Self::Min => Facts("min", "Lowest", None, 2, None),
            Self::Max => Facts("max", "Highest", None, 2, None),
            Self::Mean => Facts("mean", "Mean", None, 2, None),
            Self::Sum => Facts("sum", "Sum", None, 2, None),
            Self::Difference => Facts("difference", "Difference", None, 2, None),
        }
    }

    /// Its word in the configuration, and the id of its property.
    pub const fn word(self) -> &'static str {
        self.facts().0
    }

    /// The quantity of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        ALL_QUANTITIES.into_iter().find(|quantity| quantity.word() == word)
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        self.facts().1
    }

    /// Its unit; nothing when it is that of its inputs.
    pub const fn unit(self) -> Option<&'static str> {
        self.facts().2
    }

    /// Digits behind the point that it deserves.
    pub const fn decimals(self) -> u8 {
        self.facts().3
    }

    /// What it is, in Home Assistant's words; nothing when it is what its inputs are.
    pub const fn class(self) -> Option<&'static str> {
        self.facts().4
    }

    /// The inputs without which there is no value.
    pub const fn needs(self) -> &'static [Role] {
        match self {
            Self::DewPoint | Self::AbsoluteHumidity | Self::VapourPressureDeficit | Self::HeatIndex => {
                &[Role::Temperature, Role::Humidity]
            }
            Self::SeaLevelPressure | Self::Altitude => &[Role::Pressure],
            Self::Energy => &[Role::Power],
            Self::Volume => &[Role::Pulses],
            Self::Min | Self::Max | Self::Mean | Self::Sum | Self::Difference => &[Role::Value],
        }
    }

    /// Inputs that make it better when they are configured.
    pub const fn can_use(self) -> &'static [Role] {
        match self {
            Self::SeaLevelPressure => &[Role::Temperature],
            _ => &[],
        }
    }
}
