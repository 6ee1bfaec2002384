//! The command guard at the broker's door.

use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_broker::{PublishGuard, Refusal, RefusalCode};
use gatehouse_control::{CommandGuard, GuardRefusal, RefusalKind};
use gatehouse_model::{Clock, DeviceInfo, Message, Origin, Place, Properties, Qos, Scheme, TopicFilter};

/// The broker's publish guard on top of the decisions of `gatehouse_control`. Messages that are no commands pass.
pub(crate) struct DoorGuard {
    scheme: Scheme,
    commands: TopicFilter,
    clock: Arc<dyn Clock>,
    guard: Mutex<CommandGuard>,
}

impl DoorGuard {
    pub(crate) fn new(scheme: Scheme, devices: &[DeviceInfo], clock: Arc<dyn Clock>) -> Self {
        Self { commands: scheme.all_commands(), scheme, clock, guard: Mutex::new(CommandGuard::new(devices)) }
    }

    /// Refuses every command from now on.
    pub(crate) fn refuse_all(&self) {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).refuse_all();
    }

    /// The answer goes to the result topic, with what the asker wants to know it by.
    fn answer(
        &self,
        asked: &Message,
        place: (&gatehouse_model::DeviceId, &gatehouse_model::PropertyId),
        refusal: &GuardRefusal,
    ) -> Option<Message> {
        let payload = serde_json::to_string(&refusal.result).ok()?;
        let topic = self.scheme.result(place.0, place.1);
        let mut answer = Message::new(topic, payload, Qos::AtLeastOnce, false, Origin::part("command guard"));
        let correlation_data = asked.properties.correlation_data.clone();
        answer.properties = Properties { payload_is_utf8: true, correlation_data, ..Properties::default() };
        Some(answer)
    }
}

impl PublishGuard for DoorGuard {
    fn check(&self, message: &Message) -> Result<(), Refusal> {
        let (device, property) = match self.scheme.place(&message.topic) {
            Some(Place::Set(device, property)) => (device, property),
            // It looks like a command, but to what no device can be called: whoever sent it should hear of it.
            None if self.commands.matches(&message.topic) => {
                let reason =
                    "ids of devices and properties are made of a-z, 0-9 and -: there is no such device"
                        .to_owned();
                return Err(Refusal { code: RefusalCode::TopicNameInvalid, reason, answer: None });
            }
            _ => return Ok(()),
        };
        let now = self.clock.moment();
        let decision =
            self.guard.lock().unwrap_or_else(PoisonError::into_inner).check(message, &device, &property, now);
        decision.map_err(|refusal| Refusal {
            code: code_of(refusal.kind),
            answer: self.answer(message, (&device, &property), &refusal),
            reason: refusal.reason,
        })
    }
}

fn code_of(kind: RefusalKind) -> RefusalCode {
    match kind {
        RefusalKind::Retained | RefusalKind::Stopping => RefusalCode::Implementation,
        RefusalKind::UnknownTarget => RefusalCode::TopicNameInvalid,
        RefusalKind::Malformed => RefusalCode::PayloadFormatInvalid,
        RefusalKind::Flood => RefusalCode::QuotaExceeded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{ManualClock, Timestamp, TopicName};

    #[test]
    fn a_command_to_what_cannot_be_is_refused_and_other_messages_pass() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let guard = DoorGuard::new(Scheme::new("home").unwrap(), &[], clock);
        let check = |topic: &str| {
            let origin = Origin::Client { client_id: "phone".into(), user: "ana".into() };
            let topic = TopicName::new(topic).unwrap();
            guard
                .check(&Message::new(topic, "ON", Qos::AtLeastOnce, true, origin))
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(check("home/Kitchen/power/set"), Err(RefusalCode::TopicNameInvalid));
        assert_eq!(check("home/temperature"), Ok(()));
        assert_eq!(check("casa/ático/luz/set"), Ok(()), "another base is not ours to guard");
        assert_eq!(check("home/kitchen/power/set"), Err(RefusalCode::Implementation), "it is retained");
    }
}
