//! The command guard at the broker's door.

use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_broker::{PublishGuard, Refusal, RefusalCode};
use gatehouse_control::{CommandGuard, RefusalKind};
use gatehouse_model::{
    Clock, CommandResult, DeviceId, DeviceInfo, Message, Origin, Properties, PropertyId, Qos, Scheme,
};

/// The broker's publish guard on top of the decisions of `gatehouse_control`.
pub(crate) struct DoorGuard {
    scheme: Scheme,
    clock: Arc<dyn Clock>,
    guard: Mutex<CommandGuard>,
}

impl DoorGuard {
    pub(crate) fn new(scheme: Scheme, devices: &[DeviceInfo], clock: Arc<dyn Clock>) -> Self {
        let guard = Mutex::new(CommandGuard::new(scheme.clone(), devices));
        Self { scheme, clock, guard }
    }

    /// Refuses every command from now on.
    pub(crate) fn refuse_all(&self) {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).refuse_all();
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
        let now = self.clock.moment();
        let decision = self.guard.lock().unwrap_or_else(PoisonError::into_inner).check(message, now);
        decision.map_err(|refusal| Refusal {
            code: code_of(refusal.kind),
            answer: refusal
                .answer
                .as_ref()
                .and_then(|(device, property, result)| self.answer(message, device, property, result)),
            reason: refusal.reason,
        })
    }
}

fn code_of(kind: RefusalKind) -> RefusalCode {
    match kind {
        RefusalKind::Retained | RefusalKind::Stopping => RefusalCode::Implementation,
        RefusalKind::NotYours => RefusalCode::NotAuthorized,
        RefusalKind::UnknownTarget => RefusalCode::TopicNameInvalid,
        RefusalKind::Malformed => RefusalCode::PayloadFormatInvalid,
        RefusalKind::Flood => RefusalCode::QuotaExceeded,
    }
}
