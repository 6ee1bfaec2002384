//! Outputs that leave the configuration: they go to their safe level for the last time, and those that cannot are kept and
//! tried for as long as the bridge runs.

use std::collections::BTreeSet;

use gatehouse_control::OutputId;
use gatehouse_model::DeviceId;
use tokio::sync::oneshot;

use super::{Driven, OutputLoop, Target};
use crate::bridge::port::Port;
use crate::config::Pin;

/// A device that goes to its safe level for the last time.
pub(super) struct Leaving {
    pub(super) device: DeviceId,
    target: Option<Target>,
    pub(super) pins: Vec<OutputId>,
    /// Who waits for it; nobody once it was told that it takes longer.
    done: Option<oneshot::Sender<()>>,
}

impl OutputLoop {
    /// Drives the outputs of a device to their safe level for the last time. Word is sent when that is done, or when it was
    /// tried once.
    pub(super) fn remove(&mut self, device: DeviceId, done: oneshot::Sender<()>) {
        let target = self.targets.get(&device).copied();
        let is_it = |(id, pin): (&OutputId, &Driven)| {
            (pin.device == device && self.leaving.iter().all(|leaving| !leaving.pins.contains(id)))
                .then_some(*id)
        };
        let pins = self.pins.iter().filter_map(is_it).collect();
        let now = self.now();
        let last = match target {
            Some(Target::Output(id)) => self.control.remove(id, now),
            Some(Target::Cover(id)) => {
                self.travels.remove(&id);
                self.control.remove_cover(id, now)
            }
            None => Vec::new(),
        };
        self.perform(last);
        self.leaving.push(Leaving { device, target, pins, done: Some(done) });
        self.let_go();
    }

    /// This expander was made anew: what is kept of its lines goes through the new one.
    pub(super) fn reconnect(&mut self, expander: &DeviceId) {
        let parts = self.parts.clone();
        for id in self.leaving.iter().flat_map(|leaving| &leaving.pins) {
            if let Some(pin) = self.pins.get_mut(id)
                && matches!(&pin.connection.pin, Pin::Expander { device, .. } if device == expander)
            {
                pin.port = Port::start(*id, pin.connection.clone(), parts.clone());
            }
        }
    }

    /// Gives the pins back of those that have reached their safe level. Those that have said that they cannot are kept, and
    /// told as faults: a heater whose relay hangs does not stop to be dangerous when it is taken out of a file.
    pub(super) fn let_go(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        let (mut staying, mut gone) = (Vec::new(), Vec::new());
        for mut leaving in std::mem::take(&mut self.leaving) {
            let has_said = |id: &OutputId| self.pins.get(id).is_none_or(|pin| pin.errand.is_none());
            if !leaving.pins.iter().all(has_said) {
                staying.push(leaving);
                continue;
            }
            let rested: Vec<OutputId> =
                leaving.pins.extract_if(.., |id| self.control.is_at_rest(*id)).collect();
            let given_back = rested.into_iter().filter_map(|id| self.give_back(id)).collect();
            let device = &leaving.device;
            match (leaving.done.take(), leaving.pins.is_empty()) {
                (Some(done), true) => tell_when_done(given_back, done),
                (Some(done), false) => {
                    tracing::error!(
                        %device,
                        "it was taken out of the configuration and cannot be driven to its safe level: it may still be on; it is tried again and again"
                    );
                    tell_when_done(given_back, done);
                }
                (None, true) => {
                    tracing::info!(%device, "what was taken out of the configuration is at its safe level now");
                }
                (None, false) => {}
            }
            if leaving.pins.is_empty() { gone.push(leaving) } else { staying.push(leaving) }
        }
        self.leaving = staying;
        self.forget(&gone);
    }

    /// Gives the pins back that others need, whatever they do: their level is the business of those now.
    pub(super) fn yield_pins(&mut self, wanted: &BTreeSet<Pin>, done: oneshot::Sender<()>) {
        let (mut staying, mut gone, mut given_back) = (Vec::new(), Vec::new(), Vec::new());
        for mut leaving in std::mem::take(&mut self.leaving) {
            let is_wanted =
                |id: &mut OutputId| self.pins.get(id).is_none_or(|pin| wanted.contains(&pin.connection.pin));
            for id in leaving.pins.extract_if(.., is_wanted).collect::<Vec<_>>() {
                if let Some(pin) = self.pins.get(&id) {
                    tracing::warn!(
                        device = %leaving.device, pin = %pin.connection.pin,
                        "it could not be driven to its safe level, and its pin belongs to another device from now on"
                    );
                }
                given_back.extend(self.give_back(id));
            }
            if leaving.pins.is_empty() { gone.push(leaving) } else { staying.push(leaving) }
        }
        self.leaving = staying;
        self.forget(&gone);
        tell_when_done(given_back, done);
    }

    fn give_back(&mut self, id: OutputId) -> Option<Port> {
        let now = self.now();
        self.control.forget(id, now);
        self.kept_at.remove(&id);
        let pin = self.pins.remove(&id)?;
        if let Some(face) = self.faces.get_mut(&pin.device) {
            face.forget(id);
        }
        Some(pin.port)
    }

    /// Forgets devices that are gone, unless they are there again with other pins.
    fn forget(&mut self, gone: &[Leaving]) {
        for Leaving { device, target, .. } in gone {
            if self.targets.get(device).copied() == *target {
                self.targets.remove(device);
            }
            let is_leaving = self.leaving.iter().any(|leaving| leaving.device == *device);
            if !is_leaving && !self.targets.contains_key(device) {
                self.faces.remove(device);
            } else if let Some(face) = self.faces.get_mut(device) {
                face.works_again();
            }
        }
        if !gone.is_empty() {
            self.watched.want(self.control.sources(), self.control.effects());
        }
        let devices: BTreeSet<DeviceId> = self.leaving.iter().map(|leaving| leaving.device.clone()).collect();
        self.unsafe_still.send_if_modified(|said| {
            let is_news = *said != devices;
            *said = devices;
            is_news
        });
    }
}

/// Sends word once the pins are free: whoever requests them next must not find them in use.
fn tell_when_done(given_back: Vec<Port>, done: oneshot::Sender<()>) {
    let ends: Vec<_> = given_back.into_iter().map(Port::end).collect();
    tokio::spawn(async move {
        futures_util::future::join_all(ends).await;
        // Whoever asked may have given up.
        let _ = done.send(());
    });
}
