//! What devices were found to give after the start: a device that only the kernel knows shows what it measures when it
//! appears.

use std::collections::BTreeMap;

use gatehouse_model::{DeviceId, DeviceInfo, PropertyInfo};
use tokio::sync::watch;

/// The properties of devices that give others than was known when they were prepared.
pub type Discovered = BTreeMap<DeviceId, Vec<PropertyInfo>>;

/// Brings what was discovered into an inventory. Whether that changed it.
pub fn take_over(devices: &mut [DeviceInfo], discovered: &Discovered) -> bool {
    let mut has_changed = false;
    for device in devices {
        if let Some(properties) = discovered.get(&device.id).filter(|found| **found != device.properties) {
            device.properties.clone_from(properties);
            has_changed = true;
        }
    }
    has_changed
}

/// Where discoveries are told.
#[derive(Clone, Debug)]
pub(super) struct Discoveries(watch::Sender<Discovered>);

impl Discoveries {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Discovered::new()))
    }

    /// Follows them; what is known now counts as seen.
    pub(super) fn follow(&self) -> watch::Receiver<Discovered> {
        self.0.subscribe()
    }

    /// A device gives these values from now on.
    pub(super) fn tell(&self, id: &DeviceId, properties: Vec<PropertyInfo>) {
        self.0.send_if_modified(|known| known.insert(id.clone(), properties.clone()) != Some(properties));
    }

    /// A device is served no more, or anew.
    pub(super) fn forget(&self, id: &DeviceId) {
        self.0.send_if_modified(|known| known.remove(id).is_some());
    }

    /// Brings them into an inventory.
    pub(super) fn bring_into(&self, device: &mut DeviceInfo) {
        take_over(std::slice::from_mut(device), &self.0.borrow());
    }
}
