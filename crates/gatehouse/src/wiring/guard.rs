//! The command guard at the broker's door.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_board::config::DeviceConfig;
use gatehouse_broker::{PublishGuard, Refusal, RefusalCode};
use gatehouse_control::{CommandGuard, DeviceNotes, GuardRefusal, Now, RefusalKind};
use gatehouse_model::{
    Clock, CommandResult, DeviceId, DeviceInfo, Message, Origin, Properties, PropertyId, Qos, Scheme,
    TopicName,
};

/// What the guard at the door must know of devices.
pub(crate) fn notes(devices: &[DeviceConfig]) -> DeviceNotes {
    let those = |is_one: fn(&DeviceConfig) -> bool| {
        devices.iter().filter(|device| is_one(device)).map(|device| device.id.clone()).collect()
    };
    DeviceNotes {
        safe_when_on: those(DeviceConfig::is_safe_when_on),
        takes_text: those(DeviceConfig::takes_text),
    }
}

/// The broker's publish guard on top of the decisions of `gatehouse_control`.
pub(crate) struct DoorGuard {
    scheme: Scheme,
    clock: Arc<dyn Clock>,
    guard: Mutex<CommandGuard>,
    /// Topics of other schemes on which commands are taken.
    aliases: BTreeSet<TopicName>,
}

impl DoorGuard {
    /// A guard of these devices, which refuses commands until [`DoorGuard::admit`].
    pub(crate) fn new(
        scheme: Scheme,
        devices: &[DeviceInfo],
        notes: DeviceNotes,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let guard = Mutex::new(CommandGuard::new(scheme.clone(), devices, notes));
        Self { scheme, clock, guard, aliases: BTreeSet::new() }
    }

    /// The same guard, which also refuses retained commands on these topics of other schemes: they would be given again
    /// at every start. Who clears a retained message there may.
    #[must_use]
    pub(crate) fn with_aliases(self, aliases: BTreeSet<TopicName>) -> Self {
        Self { aliases, ..self }
    }

    /// Guards these devices from now on.
    pub(crate) fn expect(&self, devices: &[DeviceInfo], notes: DeviceNotes) {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).expect(devices, notes);
    }

    /// Lets commands pass from now on: somebody hears them.
    pub(crate) fn admit(&self) {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).admit();
    }

    /// Refuses every command from now on.
    pub(crate) fn refuse_all(&self) {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).refuse_all();
    }

    fn refusal(&self, message: &Message, refusal: GuardRefusal) -> Refusal {
        let answer = refusal.answer.as_ref();
        Refusal {
            code: code_of(refusal.kind),
            answer: answer
                .and_then(|(device, property, result)| self.answer(message, device, property, result)),
            reason: refusal.reason,
        }
    }

    /// The answer goes to the result topic, with what the asker wants to know it by.
    fn answer(
        &self,
        asked: &Message,
        device: &DeviceId,
        property: &PropertyId,
        result: &CommandResult,
    ) -> Option<Message> {
        let payload = serde_json::to_string(result).ok()?;
        let topic = self.scheme.result(device, property);
        let mut answer = Message::new(topic, payload, Qos::AtLeastOnce, false, Origin::part("command guard"));
        let correlation_data = asked.properties.correlation_data.clone();
        answer.properties = Properties { payload_is_utf8: true, correlation_data, ..Properties::default() };
        Some(answer)
    }
}

impl PublishGuard for DoorGuard {
    fn check(&self, message: &Message) -> Result<(), Refusal> {
        if message.retain && !message.payload.is_empty() && self.aliases.contains(&message.topic) {
            let reason = "a command must not be retained, or it would be repeated at every start: send it without the retain flag";
            return Err(Refusal {
                code: RefusalCode::Implementation,
                reason: reason.to_owned(),
                answer: None,
            });
        }
        let now = Now { clock: self.clock.now(), moment: self.clock.moment() };
        let decision = self.guard.lock().unwrap_or_else(PoisonError::into_inner).check(message, now);
        decision.map_err(|refusal| self.refusal(message, *refusal))
    }

    fn check_will(&self, will: &Message) -> Result<(), Refusal> {
        let decision = self.guard.lock().unwrap_or_else(PoisonError::into_inner).check_will(will);
        decision.map_err(|refusal| self.refusal(will, *refusal))
    }
}

fn code_of(kind: RefusalKind) -> RefusalCode {
    match kind {
        RefusalKind::Retained
        | RefusalKind::Stale
        | RefusalKind::Duplicate
        | RefusalKind::Starting
        | RefusalKind::Stopping => RefusalCode::Implementation,
        RefusalKind::NotYours | RefusalKind::UnsafeWill => RefusalCode::NotAuthorized,
        RefusalKind::UnknownTarget => RefusalCode::TopicNameInvalid,
        RefusalKind::Malformed => RefusalCode::PayloadFormatInvalid,
        RefusalKind::Flood => RefusalCode::QuotaExceeded,
    }
}
