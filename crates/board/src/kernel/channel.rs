//! One value that the kernel shows, the same for IIO and hwmon: its files, and what it is to people.

use std::path::PathBuf;

use gatehouse_model::{PropertyId, PropertyInfo, PropertyKind, Value};

use super::{attribute, number};
use crate::traits::SensorProperty;

/// One value of a device, and how its file becomes that.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Channel {
    pub(super) property: SensorProperty,
    /// The file with the number.
    pub(super) file: PathBuf,
    /// The files with a number to add first, and one to multiply with then; 0 and 1 where there are none.
    pub(super) offset: Option<PathBuf>,
    pub(super) scale: Option<PathBuf>,
    /// From the kernel's unit to the property's.
    pub(super) factor: f64,
    /// A file that says `1` while the value means nothing.
    pub(super) fault: Option<PathBuf>,
}

impl Channel {
    /// The value, in the property's unit.
    pub(super) fn read(&self) -> std::io::Result<Value> {
        let other = |what: &str| std::io::Error::other(what.to_owned());
        if self.fault.as_ref().is_some_and(|file| number(file) == Some(1.0)) {
            return Err(other("the chip says that nothing is connected there"));
        }
        let text = attribute(&self.file)?;
        let raw: f64 = text.parse().map_err(|_| other("the kernel shows no number"))?;
        let optional = |file: &Option<PathBuf>, default: f64| match file {
            Some(file) => number(file).ok_or_else(|| other("its scale cannot be read")),
            None => Ok(default),
        };
        let value = (raw + optional(&self.offset, 0.0)?) * optional(&self.scale, 1.0)? * self.factor;
        Value::number(value).ok_or_else(|| other("it is no finite number"))
    }
}

/// What a kind of value is to people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) decimals: u8,
    pub(super) class: Option<&'static str>,
    /// What is believable, in the unit.
    pub(super) range: (f64, f64),
    /// From the kernel's unit.
    pub(super) factor: f64,
}

impl Shape {
    /// The property of this kind. `number` tells it from others of its kind, `label` is what the kernel calls it.
    pub(super) fn property(&self, number: &str, label: Option<&str>) -> Option<SensorProperty> {
        let id = if number.is_empty() { self.word.to_owned() } else { format!("{}-{number}", self.word) };
        let name = match label {
            Some(label) => label.to_owned(),
            None if number.is_empty() => self.name.to_owned(),
            None => format!("{} {number}", self.name),
        };
        let kind = PropertyKind::Number { unit: self.unit.to_owned(), decimals: self.decimals };
        let class = self.class.map(str::to_owned);
        let info =
            PropertyInfo { id: PropertyId::new(&id).ok()?, name, kind, settable: false, class, range: None };
        Some(SensorProperty::new(info, Some(self.range)))
    }
}
