//! The topic scheme: where readings, states, commands and answers live below the base topic.

use crate::{DeviceId, PropertyId, TopicError, TopicFilter, TopicName};

/// What a topic of the gateway means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `<base>/status`: whether the gateway's bridge runs.
    Status,
    /// `<base>/info`: the inventory.
    Info,
    /// `<base>/found`: what is connected and not used.
    Found,
    /// `<base>/<device>/availability`.
    Availability(DeviceId),
    /// `<base>/<device>/json`: all properties of a device in one object.
    Json(DeviceId),
    /// `<base>/<device>/event`: button presses.
    Event(DeviceId),
    /// `<base>/<device>/<property>`: the bare scalar.
    Property(DeviceId, PropertyId),
    /// `<base>/<device>/<property>/set`: a command.
    Set(DeviceId, PropertyId),
    /// `<base>/<device>/<property>/result`: the answer to a command.
    Result(DeviceId, PropertyId),
}

impl Place {
    /// The device that it is about, if it is about one.
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Availability(device)
            | Self::Json(device)
            | Self::Event(device)
            | Self::Property(device, _)
            | Self::Set(device, _)
            | Self::Result(device, _) => Some(device),
            _ => None,
        }
    }
}

/// The topics below one base. The base is valid and has no wildcards, and ids are plain, so every topic made here is
/// valid too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    base: TopicName,
}

/// Longest base topic in bytes, so that every topic below it stays far from the limit of MQTT.
pub const MAX_BASE_BYTES: usize = 256;

impl Scheme {
    /// The scheme below `base`, for example `home` or `casa/ático`.
    ///
    /// # Errors
    /// When the base is no valid topic name, is longer than [`MAX_BASE_BYTES`], or is so deep that topics below it
    /// would not be valid.
    pub fn new(base: &str) -> Result<Self, TopicError> {
        if base.len() > MAX_BASE_BYTES {
            return Err(TopicError::TooLong);
        }
        // The deepest topic below a base has three levels more.
        TopicName::new(format!("{base}/d/p/result"))?;
        Ok(Self { base: TopicName::new(base)? })
    }

    /// The base topic.
    pub fn base(&self) -> &str {
        self.base.as_str()
    }

    #[expect(
        clippy::expect_used,
        reason = "the base was checked with room for three levels, and the rest are ids and fixed words"
    )]
    fn below(&self, rest: &str) -> TopicName {
        TopicName::new(format!("{}/{rest}", self.base))
            .expect("base and ids were checked when they were made")
    }

    /// `<base>/status`
    pub fn status(&self) -> TopicName {
        self.below("status")
    }

    /// `<base>/info`
    pub fn info(&self) -> TopicName {
        self.below("info")
    }

    /// `<base>/found`
    pub fn found(&self) -> TopicName {
        self.below("found")
    }

    /// `<base>/<device>/availability`
    pub fn availability(&self, device: &DeviceId) -> TopicName {
        self.below(&format!("{device}/availability"))
    }

    /// `<base>/<device>/json`
    pub fn json(&self, device: &DeviceId) -> TopicName {
        self.below(&format!("{device}/json"))
    }

    /// `<base>/<device>/event`
    pub fn event(&self, device: &DeviceId) -> TopicName {
        self.below(&format!("{device}/event"))
    }

    /// `<base>/<device>/<property>`
    pub fn property(&self, device: &DeviceId, property: &PropertyId) -> TopicName {
        self.below(&format!("{device}/{property}"))
    }

    /// `<base>/<device>/<property>/set`
    pub fn set(&self, device: &DeviceId, property: &PropertyId) -> TopicName {
        self.below(&format!("{device}/{property}/set"))
    }

    /// `<base>/<device>/<property>/result`
    pub fn result(&self, device: &DeviceId, property: &PropertyId) -> TopicName {
        self.below(&format!("{device}/{property}/result"))
    }

    #[expect(
        clippy::expect_used,
        reason = "the base was checked, and the endings used here are valid filters"
    )]
    fn filter(&self, rest: &str) -> TopicFilter {
        TopicFilter::new(format!("{}/{rest}", self.base)).expect("base was checked when it was made")
    }

    /// `<base>/#`: everything of the gateway.
    pub fn everything(&self) -> TopicFilter {
        self.filter("#")
    }

    /// `<base>/+/+`: all states and readings (and availability, events and JSON, which [`Scheme::place`] tells apart).
    pub fn all_properties(&self) -> TopicFilter {
        self.filter("+/+")
    }

    /// `<base>/+/+/set`: all commands.
    pub fn all_commands(&self) -> TopicFilter {
        self.filter("+/+/set")
    }

    /// What `topic` means, or nothing when it is not one of the gateway's.
    pub fn place(&self, topic: &TopicName) -> Option<Place> {
        let rest = topic.as_str().strip_prefix(self.base.as_str())?.strip_prefix('/')?;
        let levels: Vec<&str> = rest.split('/').take(4).collect();
        match levels.as_slice() {
            ["status"] => Some(Place::Status),
            ["info"] => Some(Place::Info),
            ["found"] => Some(Place::Found),
            [device, "availability"] => Some(Place::Availability(DeviceId::new(device).ok()?)),
            [device, "json"] => Some(Place::Json(DeviceId::new(device).ok()?)),
            [device, "event"] => Some(Place::Event(DeviceId::new(device).ok()?)),
            [device, property] => {
                Some(Place::Property(DeviceId::new(device).ok()?, PropertyId::new(property).ok()?))
            }
            [device, property, "set"] => {
                Some(Place::Set(DeviceId::new(device).ok()?, PropertyId::new(property).ok()?))
            }
            [device, property, "result"] => {
                Some(Place::Result(DeviceId::new(device).ok()?, PropertyId::new(property).ok()?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_again() {
        let scheme = Scheme::new("home/garage").unwrap();
        let (device, property) = (DeviceId::new("boiler").unwrap(), PropertyId::new("power").unwrap());
        let check = |topic: TopicName, place: Place| assert_eq!(scheme.place(&topic), Some(place), "{topic}");
        check(scheme.status(), Place::Status);
        check(scheme.info(), Place::Info);
        check(scheme.found(), Place::Found);
        check(scheme.availability(&device), Place::Availability(device.clone()));
        check(scheme.json(&device), Place::Json(device.clone()));
        check(scheme.event(&device), Place::Event(device.clone()));
        check(scheme.property(&device, &property), Place::Property(device.clone(), property.clone()));
        check(scheme.set(&device, &property), Place::Set(device.clone(), property.clone()));
        check(scheme.result(&device, &property), Place::Result(device, property));
    }

    #[test]
    fn other_topics_have_no_place() {
        let scheme = Scheme::new("home").unwrap();
        for other in
            ["home", "homestead/status", "other/status", "home/x/y/z", "home/a/b/set/c", "home/Big/power"]
        {
            assert_eq!(scheme.place(&TopicName::new(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_base_leaves_room_for_what_is_below_it() {
        assert!(Scheme::new("casa/ático").is_ok());
        assert!(
            Scheme::new("").is_err() && Scheme::new("a/+").is_err() && Scheme::new(&"/".repeat(126)).is_err()
        );
        assert!(Scheme::new(&"a".repeat(257)).is_err());
    }
}
