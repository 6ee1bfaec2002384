//! The guard at the broker's door: what may not even reach an output, and who may speak for a device.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{
    Action, Cause, Command, CommandError, CommandResult, DeviceId, DeviceInfo, Message, Moment, Origin,
    PROPERTY_TIME, Place, PropertyId, PropertyInfo, PropertyKind, Scheme, Timestamp, Value,
};

/// Commands that one sender may give to one property in a burst: somebody who plays with a switch stays below. A sender is
/// a user, a page's user or a part of the gateway: the number of client ids does not matter, since they cost nothing.
pub const BURST: u32 = 10;

/// Time after which one more command is allowed: five a second are more than any relay should do.
pub const REFILL: Duration = Duration::from_millis(200);

/// Most pairs of sender and property whose commands are counted. When there are more, those that have been quiet are
/// forgotten, and when none has, commands are refused: that many at once are a flood.
pub const MAX_TRACKED: usize = 4_096;

/// Oldest command that is done, when it says when it was asked for (`ts`) and not how long it holds (the message expiry of
/// MQTT 5): a phone that was without network must not switch the heater with what somebody wished an hour ago.
pub const MAX_AGE: Duration = Duration::from_secs(60);

/// How far the asker's clock may be ahead of ours. When it is further, one of the two is wrong, and nobody can say how old
/// the command is.
pub const MAX_AHEAD: Duration = Duration::from_secs(60);

/// A clock that shows an earlier time (2026-01-01) has not been set since the machine started, and judges no age.
pub const CLOCK_IS_SET_FROM: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// For how long a command that was done is not done again when it comes once more with the same id: longer than a client
/// takes to connect again and repeat what was not acknowledged.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(30);

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// A retained command would be repeated at every reconnect.
    Retained,
    /// No such device, no such property, or one that takes no commands.
    UnknownTarget,
    /// The payload is not a command.
    Malformed,
    /// Too many commands.
    Flood,
    /// Asked for too long ago, or at a time that cannot be judged.
    Stale,
    /// Done already.
    Duplicate,
    /// A last will that commands something else than the safe level.
    UnsafeWill,
    /// The gateway is starting: nobody would hear the command yet.
    Starting,
    /// The gateway is stopping.
    Stopping,
    /// What only the gateway says: its own state, and what its devices report.
    NotYours,
}

/// Why a message does not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GuardRefusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// Why, in a sentence for people.
    pub reason: String,
    /// The answer to publish, for commands to something that can have a result topic.
    pub answer: Option<(DeviceId, PropertyId, CommandResult)>,
}

/// Stands before the outputs. It guards the gateway's own devices; other devices may live below the same base topic,
/// and their messages pass.
#[derive(Debug)]
pub struct CommandGuard {
    scheme: Scheme,
    devices: BTreeSet<DeviceId>,
    targets: BTreeMap<(DeviceId, PropertyId), bool>,
    /// The properties that are on or off, for which 0 and 1 are words for that; for an angle they are numbers.
    switches: BTreeSet<(DeviceId, PropertyId)>,
    notes: DeviceNotes,
    done: VecDeque<Done>,
    senders: HashMap<(Sender, DeviceId, PropertyId), Bucket>,
    phase: Phase,
}

/// Whether there is somebody who would do a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Serving,
    Stopping,
}

/// What the inventory does not say of devices, and the guard must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceNotes {
    /// Outputs whose safe level is on.
    pub safe_when_on: BTreeSet<DeviceId>,
    /// Devices whose commands are texts of any kind, which go out as they are.
    pub takes_text: BTreeSet<DeviceId>,
}

/// A command with an id that has passed.
#[derive(Debug)]
struct Done {
    at: Moment,
    what: u64,
}

/// The two clocks, read at the same time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The wall clock, which may be wrong.
    pub clock: Timestamp,
    /// The time that never steps.
    pub moment: Moment,
}

/// Who is counted as one.
type Sender = Arc<str>;

fn sender_of(origin: &Origin) -> Sender {
    match origin {
        Origin::Client { user, .. } | Origin::Page { user } => user.clone(),
        Origin::Part { name } => format!("part {name}").into(),
        Origin::FailSafe { .. } => "fail-safe".into(),
    }
}

/// Commands that a sender may still give; one more with each [`REFILL`].
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Moment,
}

impl CommandGuard {
    /// A guard of these devices. It refuses every command until [`CommandGuard::admit`] says that there is somebody who
    /// does them: one that is acknowledged must not be lost because it came too early.
    pub fn new(scheme: Scheme, devices: &[DeviceInfo], notes: DeviceNotes) -> Self {
        let mut guard = Self {
            scheme,
            devices: Default::default(),
            targets: Default::default(),
            switches: BTreeSet::new(),
            notes: DeviceNotes::default(),
            done: VecDeque::new(),
            senders: HashMap::new(),
            phase: Phase::Starting,
        };
        guard.expect(devices, notes);
        guard
    }

    /// Guards these devices from now on. What is known of senders and of commands that were done stays.
    pub fn expect(&mut self, devices: &[DeviceInfo], notes: DeviceNotes) {
        self.targets = devices
            .iter()
            .flat_map(|device| device.properties.iter().map(|property| (device.id.clone(), property)))
            .map(|(device, property)| ((device, property.id.clone()), property.settable))
            .collect();
        let switches = devices.iter().flat_map(|device| {
            let is_switch = |property: &&PropertyInfo| matches!(property.kind, PropertyKind::Switch);
            let switches = device.properties.iter().filter(is_switch);
            switches.map(|property| (device.id.clone(), property.id.clone()))
        });
        self.switches = switches.collect();
        self.devices = devices.iter().map(|device| device.id.clone()).collect();
        self.notes = notes;
    }

    /// Lets commands pass from now on: whoever does them is there. After [`CommandGuard::refuse_all`] it is too late for that.
    pub fn admit(&mut self) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Serving;
        }
    }

    /// Refuses every command from now on.
    pub fn refuse_all(&mut self) {
        self.phase = Phase::Stopping;
    }

    /// Decides whether a client may leave this message as its last will. A will is published when nobody is there to see
    /// what it does, perhaps hours after it was thought of, so the only command that it can be is the one to the output's
    /// safe level, without a time for which it holds: a controller that dies may leave the heater off, and not on.
    ///
    /// # Errors
    /// Why not; nothing is published because of it.
    pub fn check_will(&self, message: &Message) -> Result<(), Box<GuardRefusal>> {
        let Some(Place::Set(device, property)) = self.scheme.place(&message.topic) else { return Ok(()) };
        if !self.devices.contains(&device) {
            return Ok(());
        }
        if self.notes.takes_text.contains(&device) {
            let reason = format!(
                "a last will to {} is refused: nobody knows what the text would do then",
                message.topic
            );
            return Err(Box::new(GuardRefusal { kind: RefusalKind::UnsafeWill, reason, answer: None }));
        }
        let safe_on = self.notes.safe_when_on.contains(&device);
        let is_switch = self.switches.contains(&(device, property));
        let is_safe = match Command::parse(&message.payload) {
            Ok(Command { action: Action::Set(value), duration: None, over: None, .. }) => match value {
                Value::Switch(on) => on == safe_on,
                Value::Number(number) => is_switch && number == if safe_on { 1.0 } else { 0.0 },
                Value::Text(_) => false,
            },
            _ => false,
        };
        if is_safe && !message.retain {
            return Ok(());
        }
        let level = if safe_on { "ON" } else { "OFF" };
        let reason = format!(
            "a last will to {} may only command the safe level, {level}, and not be retained",
            message.topic
        );
        Err(Box::new(GuardRefusal { kind: RefusalKind::UnsafeWill, reason, answer: None }))
    }

    /// Decides whether a message may pass. Most are none of the guard's business.
    ///
    /// # Errors
    /// Why not, and the answer to publish.
    pub fn check(&mut self, message: &Message, now: Now) -> Result<(), Box<GuardRefusal>> {
        match self.scheme.place(&message.topic) {
            Some(Place::Set(device, property)) if self.devices.contains(&device) => {
                self.check_command(message, device, property, now)
            }
            Some(place) if self.is_ours(&place) && !matches!(message.origin, Origin::Part { .. }) => {
                let reason = format!(
                    "{} is what the gateway itself says: send commands to the device's set topic, or use a topic of your own",
                    message.topic
                );
                Err(Box::new(GuardRefusal { kind: RefusalKind::NotYours, reason, answer: None }))
            }
            _ => Ok(()),
        }
    }

    /// Whether only the gateway speaks there. A client that may publish everywhere could otherwise say that the heater
    /// is off, and every phone would believe it.
    fn is_ours(&self, place: &Place) -> bool {
        match place {
            Place::Status | Place::Info | Place::Found => true,
            Place::Availability(device) | Place::Json(device) | Place::Event(device) => {
                self.devices.contains(device)
            }
            Place::Property(device, _) | Place::Result(device, _) => self.devices.contains(device),
            Place::Set(..) => false,
        }
    }

    fn check_command(
        &mut self,
        message: &Message,
        device: DeviceId,
        property: PropertyId,
        now: Now,
    ) -> Result<(), Box<GuardRefusal>> {
        let command = if self.notes.takes_text.contains(&device) {
            Command::parse_text(&message.payload)
        } else {
            Command::parse(&message.payload)
        };
        let id = command.as_ref().ok().and_then(|command| command.id.clone());
        self.decide(message, command, &device, &property, now).map_err(|(kind, reason)| {
            let cause = Cause::direct(message.origin.clone());
            let result = CommandResult { id, ok: false, reason: Some(reason.as_str().into()), cause };
            Box::new(GuardRefusal { kind, reason, answer: Some((device, property, result)) })
        })
    }

    fn decide(
        &mut self,
        message: &Message,
        command: Result<Command, CommandError>,
        device: &DeviceId,
        property: &PropertyId,
        now: Now,
    ) -> Result<(), (RefusalKind, String)> {
        match self.phase {
            Phase::Serving => {}
            Phase::Starting => {
                let reason = "the gateway is still starting: send the command again in a moment".to_owned();
                return Err((RefusalKind::Starting, reason));
            }
            Phase::Stopping => {
                let reason = "the gateway is stopping: its outputs stay at their safe level".to_owned();
                return Err((RefusalKind::Stopping, reason));
            }
        }
        if message.retain {
            let reason = "a command must not be retained, or it would be repeated at every reconnect: send it without the retain flag";
            return Err((RefusalKind::Retained, reason.to_owned()));
        }
        match self.targets.get(&(device.clone(), property.clone())) {
            Some(true) => {}
            Some(false) => {
                let reason = format!("{device}/{property} is a reading and takes no commands");
                return Err((RefusalKind::UnknownTarget, reason));
            }
            None => {
                let reason = format!("there is no property {property} of a device {device} here");
                return Err((RefusalKind::UnknownTarget, reason));
            }
        }
        // Malformed commands count too, or they could be sent without end.
        if !self.may_pass((sender_of(&message.origin), device.clone(), property.clone()), now.moment) {
            let reason = format!(
                "too many commands: at most {BURST} at once and one more every {} ms",
                REFILL.as_millis()
            );
            return Err((RefusalKind::Flood, reason));
        }
        let command = command.map_err(|error| (RefusalKind::Malformed, error.to_string()))?;
        check_age(message, &command, now.clock).map_err(|reason| (RefusalKind::Stale, reason))?;
        self.check_repeated(message, &command, now.moment)
    }

    /// Whether the command is no repetition of one that was done. It is one when the same client sends the same payload
    /// with the same id, or without an id the same correlation data, within [`DUPLICATE_WINDOW`]. The DUP flag of MQTT
    /// alone does not tell: a client may use the packet identifier of an acknowledged command for the next one, and the
    /// first transmission of that one may have been lost.
    fn check_repeated(
        &mut self,
        message: &Message,
        command: &Command,
        now: Moment,
    ) -> Result<(), (RefusalKind, String)> {
        let correlation_data = message.properties.correlation_data.as_ref();
        if command.id.is_none() && correlation_data.is_none() {
            return Ok(());
        }
        while self.done.pop_front_if(|done| now.saturating_since(done.at) >= DUPLICATE_WINDOW).is_some() {}
        let mut hasher = DefaultHasher::new();
        let client_id = match &message.origin {
            Origin::Client { client_id, .. } => &**client_id,
            _ => "",
        };
        (sender_of(&message.origin), client_id, message.topic.as_str()).hash(&mut hasher);
        (&command.id, correlation_data.filter(|_| command.id.is_none()), &message.payload).hash(&mut hasher);
        let what = hasher.finish();
        if self.done.iter().any(|done| done.what == what) {
            let reason = format!(
                "this command was taken less than {} s ago and is not done twice: a new command needs a new id",
                DUPLICATE_WINDOW.as_secs()
            );
            return Err((RefusalKind::Duplicate, reason));
        }
        if self.done.len() >= MAX_TRACKED {
            self.done.pop_front();
        }
        self.done.push_back(Done { at: now, what });
        Ok(())
    }

    fn may_pass(&mut self, sender: (Sender, DeviceId, PropertyId), now: Moment) -> bool {
        if self.senders.len() >= MAX_TRACKED && !self.senders.contains_key(&sender) {
            self.senders.retain(|_, bucket| bucket.at(now).left < BURST);
            if self.senders.len() >= MAX_TRACKED {
                return false;
            }
        }
        let bucket = self.senders.entry(sender).or_insert(Bucket { left: BURST, since: now });
        *bucket = bucket.at(now);
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

/// Whether a command that says when it was asked for is still wished: in its payload (`ts`), or as the user property `ts`
/// of MQTT 5. One that does not say so is as old as its way through the network, which nobody knows.
fn check_age(message: &Message, command: &Command, clock: Timestamp) -> Result<(), String> {
    let stated = message.properties.user_property(PROPERTY_TIME).map(Timestamp::parse).transpose();
    let stated = stated
        .map_err(|_| "the user property `ts` is no time: write it as in 2026-11-21T09:14:00Z".to_owned())?;
    let Some(asked) = command.at.or(stated) else { return Ok(()) };
    if clock < CLOCK_IS_SET_FROM {
        return Ok(());
    }
    let ahead = asked.saturating_since(clock);
    if ahead > MAX_AHEAD {
        return Err(format!(
            "the command was asked for in {} s by the gateway's clock ({clock}): one of the two clocks is wrong",
            ahead.as_secs()
        ));
    }
    let holds = message.properties.message_expiry_seconds;
    let holds = holds.map_or(MAX_AGE, |seconds| Duration::from_secs(u64::from(seconds)));
    let age = clock.saturating_since(asked);
    if age > holds {
        return Err(format!(
            "the command is {} s old and held for {} s: send it anew if it is still wished",
            age.as_secs(),
            holds.as_secs()
        ));
    }
    Ok(())
}

impl Bucket {
    /// The bucket with what has been refilled until `now`.
    fn at(self, now: Moment) -> Self {
        let refills = now.saturating_since(self.since).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        let left = self.left.saturating_add(refills).min(BURST);
        // A full bucket starts to count anew; another keeps the rest of the time that has not refilled anything.
        let since = if left == BURST { now } else { self.since + REFILL.saturating_mul(refills) };
        Self { left, since }
    }
}

#[cfg(test)]
mod tests;
