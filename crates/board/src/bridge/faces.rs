//! What outputs and covers say on their topics.

use std::collections::BTreeSet;

use gatehouse_control::outputs::CoverState;
use gatehouse_control::{Duty, OutputId, Scale};
use gatehouse_model::{Cause, DeviceId, PropertyId, Quality, Timestamp, Value};

use super::publication::Publication;

/// The properties of an output or a cover.
#[derive(Clone, Debug)]
pub(super) struct FaceProperties {
    /// On or off, or what a cover does; nothing for a servo.
    pub(super) power: Option<PropertyId>,
    /// The level, the angle or the position; nothing for what is on or off.
    pub(super) level: Option<PropertyId>,
}

/// The face of a device that is switched.
pub(super) struct Face {
    publication: Publication,
    properties: FaceProperties,
    quality: Quality,
    /// Which of its relays have a fault.
    faults: BTreeSet<OutputId>,
    has_warning: bool,
    /// It was said that nobody knows where it is.
    is_lost: bool,
}

impl Face {
    pub(super) fn new(publication: Publication, properties: FaceProperties, quality: Quality) -> Self {
        Self { publication, properties, quality, faults: BTreeSet::new(), has_warning: false, is_lost: false }
    }

    pub(super) fn device(&self) -> &DeviceId {
        self.publication.device()
    }

    pub(super) fn properties(&self) -> &FaceProperties {
        &self.properties
    }

    /// Publishes the level of an output.
    pub(super) fn level(&mut self, scale: Scale, level: Duty, cause: Cause, at: Timestamp) {
        if let Some(power) = self.properties.power.clone() {
            let on = Value::Switch(level.is_on());
            self.publication.value(&power, on, self.quality, at, Some(cause.clone()));
        }
        if let Some(property) = self.properties.level.clone() {
            let number = Value::Number(scale.number(level));
            self.publication.value(&property, number, self.quality, at, Some(cause));
        }
        self.said();
    }

    /// Publishes what a cover does and where it is. When nobody knows its place any more, the one that was published before is
    /// taken back.
    pub(super) fn cover(&mut self, state: CoverState, cause: Cause, at: Timestamp) {
        if let Some(power) = self.properties.power.clone() {
            let word = Value::Text(state.word.into());
            self.publication.value(&power, word, self.quality, at, Some(cause.clone()));
        }
        let is_news = !self.is_lost;
        self.is_lost = state.position.is_none();
        match (self.properties.level.clone(), state.position) {
            (Some(property), Some(position)) => {
                // Time tells the place no better than to a hundredth.
                let number = Value::Number(Scale::Percent.number(position).round());
                self.publication.value(&property, number, self.quality, at, Some(cause));
            }
            (Some(property), None) if is_news => self.publication.unknown(&property),
            _ => {}
        }
        self.said();
    }

    fn said(&mut self) {
        self.publication.report();
        if self.faults.is_empty() && !self.has_warning {
            self.publication.works();
        }
    }

    /// Publishes that one of its pins is faulty, or works again.
    pub(super) fn fault(&mut self, output: OutputId, sentence: Option<String>) {
        match sentence {
            Some(sentence) => {
                self.faults.insert(output);
                self.publication.fails(&sentence);
            }
            None => {
                self.faults.remove(&output);
                if self.faults.is_empty() {
                    self.has_warning = false;
                    self.publication.works();
                }
            }
        }
    }

    /// One of its pins is none of it any more, whatever it does. [`Face::works_again`] tells what that means for the device.
    pub(super) fn forget(&mut self, output: OutputId) {
        self.faults.remove(&output);
    }

    /// Says that the device works, if nothing is wrong with what it has left.
    pub(super) fn works_again(&mut self) {
        if self.faults.is_empty() && !self.has_warning {
            self.publication.works();
        }
    }

    /// Publishes that something is not as it should be, although the device does what it is told.
    pub(super) fn warning(&mut self, sentence: Option<&str>) {
        self.has_warning = sentence.is_some();
        if self.faults.is_empty() {
            self.publication.warns(sentence);
        }
    }
}
