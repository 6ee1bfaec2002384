//! One value of the house by its address: `kitchen/temperature`.

use std::fmt;
use std::str::FromStr;

use crate::{DeviceId, IdError, PropertyId};

/// A property of a device, written as in the topics: `kitchen/temperature`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyPath {
    /// Whose value it is.
    pub device: DeviceId,
    /// Which of its values.
    pub property: PropertyId,
}

/// Why a text is not the address of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There are not exactly two ids with a slash between them.
    #[error("`{0}` is not a device and a property with a slash between them, such as kitchen/temperature")]
    Shape(String),
    /// One of the two is not an id.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl PropertyPath {
    /// The address of this property of this device.
    pub const fn new(device: DeviceId, property: PropertyId) -> Self {
        Self { device, property }
    }
}

impl FromStr for PropertyPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match text.split_once('/') {
            Some((device, property)) if !property.contains('/') => {
                Ok(Self::new(DeviceId::new(device)?, PropertyId::new(property)?))
            }
            _ => Err(PathError::Shape(text.to_owned())),
        }
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.device, self.property)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_what_it_writes_and_refuses_the_rest() {
        let path: PropertyPath = "kitchen/temperature".parse().unwrap();
        assert_eq!((path.device.as_str(), path.property.as_str()), ("kitchen", "temperature"));
        assert_eq!(path.to_string(), "kitchen/temperature");
        for wrong in
            ["kitchen", "home/kitchen/temperature", "", "Kitchen/temperature", "kitchen/", "kitchen/json"]
        {
            assert!(wrong.parse::<PropertyPath>().is_err(), "{wrong}");
        }
    }
}
