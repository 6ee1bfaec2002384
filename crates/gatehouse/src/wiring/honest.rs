//! History and the page believe a device's readings only when they come from the bridge.
//!
//! A user who may publish everywhere may also publish to `home/heater/power`. Other clients see that message with its
//! sender's origin as MQTT lets them; what the house records and shows as the heater's state stays what the bridge
//! read back.

use std::collections::HashSet;
use std::future::ready;

use futures_util::{Stream, StreamExt as _};
use gatehouse_model::{DeviceId, Message, Origin, Place, Scheme};

/// Leaves out messages that speak for the gateway or for one of `devices` and are not from a part of the gateway.
pub(crate) fn honest_readings(
    messages: impl Stream<Item = Message> + Send + Unpin,
    scheme: Scheme,
    devices: HashSet<DeviceId>,
) -> impl Stream<Item = Message> + Send + Unpin {
    messages.filter(move |message| ready(is_honest(message, &scheme, &devices)))
}

fn is_honest(message: &Message, scheme: &Scheme, devices: &HashSet<DeviceId>) -> bool {
    if matches!(message.origin, Origin::Part { .. }) {
        return true;
    }
    match scheme.place(&message.topic) {
        None | Some(Place::Set(..)) => true,
        Some(Place::Status | Place::Info) => false,
        Some(Place::Availability(device) | Place::Json(device) | Place::Event(device)) => {
            !devices.contains(&device)
        }
        Some(Place::Property(device, _) | Place::Result(device, _)) => !devices.contains(&device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Qos, TopicName};

    #[test]
    fn a_client_cannot_speak_for_a_device() {
        let scheme = Scheme::new("home").unwrap();
        let devices = HashSet::from([DeviceId::new("heater").unwrap()]);
        let client = Origin::Client { client_id: "phone".into(), user: "ana".into() };
        let check = |topic: &str, origin: &Origin| {
            let topic = TopicName::new(topic).unwrap();
            is_honest(&Message::new(topic, "ON", Qos::AtMostOnce, true, origin.clone()), &scheme, &devices)
        };
        assert!(!check("home/heater/power", &client));
        assert!(!check("home/heater/availability", &client));
        assert!(!check("home/status", &client));
        assert!(check("home/heater/power/set", &client));
        assert!(check("home/phone/battery", &client), "a client may bring devices of its own");
        assert!(check("garden/heater/power", &client));
        assert!(check("home/heater/power", &Origin::part("bridge")));
    }
}
