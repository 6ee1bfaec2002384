//! What is known of the house, message by message. It reads no clock and sends nothing: it answers with the event.

use std::collections::HashMap;

use gatehouse_model::{
    CommandResult, DeviceId, GatewayInfo, Message, Place, PropertyId, PropertyInfo, PropertyKind, Reading,
    Scheme, Timestamp, Value,
};
use serde::Deserialize;

use super::early::Early;
use super::{Event, Lookup};
use crate::wire::{
    AvailabilityEvent, AvailabilityWord, Device, OnlineEvent, Property, ReadingEvent, ResultEvent, Warning,
};

/// Longest payload that is read as JSON here, in bytes: an inventory of thousands of devices fits.
const MAX_JSON_BYTES: usize = 1_048_576;

/// Most devices that are taken over from an inventory; the page draws each of them.
const MAX_DEVICES: usize = 1_024;

/// Longest sentence that is shown, in characters.
const MAX_SENTENCE_LENGTH: usize = 1_000;

/// What is known of the house.
pub(crate) struct State {
    info: GatewayInfo,
    online: bool,
    warnings: Vec<Warning>,
    devices: HashMap<DeviceId, DeviceState>,
    /// What was said before the inventory named who says it.
    early: Early,
}

/// What is known of one device.
struct DeviceState {
    availability: AvailabilityWord,
    fault: Option<String>,
    readings: HashMap<PropertyId, Reading>,
}

impl DeviceState {
    fn new() -> Self {
        Self { availability: AvailabilityWord::Unknown, fault: None, readings: HashMap::new() }
    }

    fn event(&self, device: &DeviceId, now: Timestamp) -> Option<Event> {
        let (availability, fault) = (self.availability, self.fault.clone());
        Event::frame(
            "availability",
            &AvailabilityEvent { now, device: device.to_string(), availability, fault },
        )
    }
}

impl State {
    pub(super) fn new(info: GatewayInfo) -> Self {
        let devices = HashMap::new();
        let mut state = Self { info, online: false, warnings: Vec::new(), devices, early: Early::default() };
        state.fit_to_inventory();
        state
    }

    pub(crate) fn info(&self) -> &GatewayInfo {
        &self.info
    }

    pub(crate) fn online(&self) -> bool {
        self.online
    }

    /// What people should know of the gateway's condition.
    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Takes these warnings for those that hold now. Tells whether they are others than before.
    pub(super) fn warn(&mut self, warnings: Vec<Warning>) -> bool {
        let changed = self.warnings != warnings;
        self.warnings = warnings;
        changed
    }

    /// All devices with their state, in the order of the inventory.
    pub(crate) fn devices(&self) -> Vec<Device> {
        let unheard = DeviceState::new();
        let view = |info: &gatehouse_model::DeviceInfo| {
            let state = self.devices.get(&info.id).unwrap_or(&unheard);
            let property = |info: &PropertyInfo| Property::new(info, state.readings.get(&info.id));
            let properties = info.properties.iter().map(property).collect();
            Device::new(info, state.availability, state.fault.as_deref(), properties)
        };
        self.info.devices.iter().map(view).collect()
    }

    pub(super) fn look_up(&self, device: &DeviceId, property: &PropertyId) -> Lookup {
        match self.info.devices.iter().find(|info| info.id == *device) {
            None => Lookup::UnknownDevice,
            Some(info) => match info.properties.iter().find(|info| info.id == *property) {
                None => Lookup::UnknownProperty,
                Some(info) => Lookup::Found(info.clone()),
            },
        }
    }

    /// Takes in one message, received at `now`. The answer is what the pages have to hear of it.
    pub(super) fn take(&mut self, scheme: &Scheme, message: &Message, now: Timestamp) -> Option<Event> {
        match scheme.place(&message.topic)? {
            Place::Status => self.take_status(&message.payload, now),
            Place::Info => self.take_info(scheme, &message.payload),
            Place::Availability(device) | Place::Json(device) if !self.devices.contains_key(&device) => {
                self.early.keep(message, now);
                None
            }
            Place::Availability(device) => self.take_availability(&device, &message.payload, now),
            Place::Json(device) => self.take_fault(&device, &message.payload, now),
            Place::Property(device, property) => self.take_reading(scheme, &device, &property, message, now),
            // A retained result would be the answer to a command that nobody remembers.
            Place::Result(device, property) if !message.retain => {
                self.take_result(&device, &property, &message.payload, now)
            }
            Place::Found | Place::Result(..) | Place::Set(..) | Place::Event(..) => None,
        }
    }

    fn take_status(&mut self, payload: &[u8], now: Timestamp) -> Option<Event> {
        let online = payload == b"online";
        if online == self.online {
            return None;
        }
        self.online = online;
        Event::frame("online", &OnlineEvent { now, online })
    }

    fn take_info(&mut self, scheme: &Scheme, payload: &[u8]) -> Option<Event> {
        if payload.len() > MAX_JSON_BYTES {
            tracing::warn!(bytes = payload.len(), "an inventory is too long and is not taken over");
            return None;
        }
        let info: GatewayInfo = match serde_json::from_slice(payload) {
            Ok(info) => info,
            Err(error) => {
                tracing::warn!(%error, "an inventory cannot be read and is not taken over");
                return None;
            }
        };
        if info == self.info {
            return None;
        }
        self.info = info;
        self.fit_to_inventory();
        // The whole house is told, so what these have to say is told with it. Who is not named now either is nobody of ours.
        for (message, now) in self.early.take() {
            self.take(scheme, &message, now);
        }
        self.early = Early::default();
        Some(Event::House)
    }

    /// Forgets what is not in the inventory (any more), and makes room for what is.
    fn fit_to_inventory(&mut self) {
        if self.info.devices.len() > MAX_DEVICES {
            let left_out = self.info.devices.len() - MAX_DEVICES;
            tracing::warn!(left_out, limit = MAX_DEVICES, "the page shows only the first devices");
            self.info.devices.truncate(MAX_DEVICES);
        }
        let mut earlier = std::mem::take(&mut self.devices);
        for info in &self.info.devices {
            let mut state = earlier.remove(&info.id).unwrap_or_else(DeviceState::new);
            state.readings.retain(|id, reading| {
                info.properties
                    .iter()
                    .any(|property| property.id == *id && fits(&property.kind, &reading.value))
            });
            self.devices.insert(info.id.clone(), state);
        }
    }

    fn take_availability(&mut self, device: &DeviceId, payload: &[u8], now: Timestamp) -> Option<Event> {
        let state = self.devices.get_mut(device)?;
        let availability = match payload {
            b"online" => AvailabilityWord::Online,
            b"offline" => AvailabilityWord::Offline,
            _ => AvailabilityWord::Unknown,
        };
        if state.availability == availability {
            return None;
        }
        state.availability = availability;
        state.event(device, now)
    }

    /// The report of a device repeats its values; the page takes the fault from it.
    fn take_fault(&mut self, device: &DeviceId, payload: &[u8], now: Timestamp) -> Option<Event> {
        #[derive(Deserialize)]
        struct Report {
            fault: Option<String>,
        }
        let state = self.devices.get_mut(device)?;
        let fault = if payload.is_empty() {
            None
        } else {
            let report = (payload.len() <= MAX_JSON_BYTES).then(|| serde_json::from_slice::<Report>(payload));
            report?.ok()?.fault.map(shorten)
        };
        if state.fault == fault {
            return None;
        }
        state.fault = fault;
        state.event(device, now)
    }

    fn take_reading(
        &mut self,
        scheme: &Scheme,
        device: &DeviceId,
        property: &PropertyId,
        message: &Message,
        now: Timestamp,
    ) -> Option<Event> {
        let Lookup::Found(info) = self.look_up(device, property) else {
            self.early.keep(message, now);
            return None;
        };
        let state = self.devices.get_mut(device)?;
        if message.payload.is_empty() {
            // Somebody cleared the retained value: nothing is known of it any more.
            return state.readings.remove(property).map(|_| Event::House);
        }
        let mut reading = message.to_reading(scheme, now)?;
        if info.kind == PropertyKind::Text {
            // A word may look like a number or a switch.
            let word = std::str::from_utf8(&message.payload).ok()?;
            reading.value = Value::Text(shorten(word.to_owned()).into());
        }
        if !fits(&info.kind, &reading.value) {
            tracing::debug!(%device, %property, "a value of another kind than its property is passed over");
            return None;
        }
        let event = ReadingEvent {
            now,
            device: device.to_string(),
            property: property.to_string(),
            reading: (&reading).into(),
        };
        state.readings.insert(property.clone(), reading);
        Event::frame("reading", &event)
    }

    fn take_result(
        &mut self,
        device: &DeviceId,
        property: &PropertyId,
        payload: &[u8],
        now: Timestamp,
    ) -> Option<Event> {
        if !matches!(self.look_up(device, property), Lookup::Found(_)) || payload.len() > MAX_JSON_BYTES {
            return None;
        }
        let result: CommandResult = serde_json::from_slice(payload).ok()?;
        let event = ResultEvent {
            now,
            device: device.to_string(),
            property: property.to_string(),
            id: result.id.map(|id| id.to_string()),
            ok: result.ok,
            reason: result.reason.map(|reason| shorten(reason.to_string())),
        };
        Event::frame("result", &event)
    }
}

fn fits(kind: &PropertyKind, value: &Value) -> bool {
    matches!(
        (kind, value),
        (PropertyKind::Number { .. }, Value::Number(_))
            | (PropertyKind::Switch, Value::Switch(_))
            | (PropertyKind::Text, Value::Text(_))
    )
}

fn shorten(sentence: String) -> String {
    match sentence.char_indices().nth(MAX_SENTENCE_LENGTH) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence,
    }
}
