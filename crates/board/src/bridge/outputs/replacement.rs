//! Outputs that stay as they are while one release of the gateway takes the place of another: what is handed over at the end,
//! and taken up at the start.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::outputs::{Holdable, Resumption};
use gatehouse_control::{Duty, OutputAction, OutputId, OutputRules};
use gatehouse_model::DeviceId;
use tokio::time::timeout;

use super::{OutputLoop, Target};
use crate::config::{ActiveLevel, OutputConfig, Pin};
use crate::held::{HeldOutput, Holder, ReturnedOutput};
use crate::traits::LineNumber;

/// Longest time that handing over may take: what is not taken by then goes to its safe level.
pub(super) const HAND_OVER_LIMIT: Duration = Duration::from_millis(500);

/// What comes back of a replacement, and who is there for the next one.
#[derive(Debug, Default)]
pub(in crate::bridge) struct Replacement {
    returned: BTreeMap<DeviceId, ReturnedOutput>,
    holder: Option<Arc<dyn Holder>>,
    /// Something that came back could not be driven safe.
    has_failed: bool,
}

impl Replacement {
    pub(in crate::bridge) fn new(returned: Vec<ReturnedOutput>, holder: Arc<dyn Holder>) -> Self {
        let returned = returned.into_iter().map(|output| (output.output.device.clone(), output)).collect();
        Self { returned, holder: Some(holder), has_failed: false }
    }
}

/// What becomes of an output when it is added after a replacement.
pub(super) enum Resumed {
    /// It goes on as it was.
    GoesOn(OutputId, Vec<OutputAction>),
    /// It starts like any other.
    No,
    /// It starts like any other, and rests: its longest on-time is over.
    MustRest,
}

/// An output that is on its way to its holder.
type Lent = (HeldOutput, OwnedFd);

fn active_level(output: &HeldOutput) -> ActiveLevel {
    if output.is_active_low { ActiveLevel::Low } else { ActiveLevel::High }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl OutputLoop {
    /// The same loop, with what comes back of a replacement and whoever is there for the next one.
    pub(in crate::bridge) fn replacing(self, replacement: Replacement) -> Self {
        Self { replacement, ..self }
    }

    /// Adds an output that was held, if that is still the same one and nothing has ended it. Otherwise its line goes to its safe
    /// level, and is free.
    pub(super) fn resume(&mut self, id: &DeviceId, config: &OutputConfig, rules: &OutputRules) -> Resumed {
        let Some(returned) = self.replacement.returned.remove(id) else { return Resumed::No };
        let ReturnedOutput { output, age, .. } = &returned;
        let is_same = config.pin == Pin::Header(LineNumber::new(output.line))
            && config.active == active_level(output)
            && config.safe == Duty::from_on(output.is_safe_on)
            && self.parts.lines.chip_name().as_ref() == Some(&output.chip);
        let memory = self.keeper.recall(id).map(|kept| kept.recollection.memory);
        let level = Duty::from_on(output.is_on);
        let timer = output.timer_ms.map(Duration::from_millis);
        let away = Duration::from_millis(output.away_ms);
        let resumption = memory.map(|memory| Resumption { memory, age: *age, away, level, timer });
        let Some(resumption) = resumption.filter(|_| is_same) else {
            self.make_safe(&returned);
            return Resumed::No;
        };
        if !resumption.goes_on(rules) || !self.parts.lines.take_over(&returned, config.active) {
            self.make_safe(&returned);
            return if resumption.has_had_its_time(rules) { Resumed::MustRest } else { Resumed::No };
        }
        tracing::info!(device = %id, "it was held over the upgrade, and goes on");
        let (id, actions) = self.control.resume(rules.clone(), &resumption, self.now());
        Resumed::GoesOn(id, actions)
    }

    /// Ends the replacement, once all outputs are added and before any line is requested. What was held of devices that are
    /// not there any more goes to its safe level; and the holder may end, since everything that it gave is safe or in the hands
    /// of this process. The pins of what is safe are free then, for whoever has them now. Where something could not be driven
    /// safe, the holder is not told: it ends that in its time, and tries again and again.
    pub(in crate::bridge) async fn end_replacement(&mut self) {
        for returned in std::mem::take(&mut self.replacement.returned).into_values() {
            self.make_safe(&returned);
        }
        if let Some(holder) = self.replacement.holder.clone().filter(|_| !self.replacement.has_failed)
            && tokio::task::spawn_blocking(move || holder.let_go()).await.is_err()
        {
            tracing::error!("whoever held outputs over the upgrade was not told that they are driven");
        }
    }

    /// Drives what was held to its safe level.
    fn make_safe(&mut self, returned: &ReturnedOutput) {
        let ReturnedOutput { output, line, .. } = returned;
        match line.set(output.is_safe_on) {
            Ok(()) => {
                tracing::info!(device = %output.device, "it was held over the upgrade, and is safe now");
            }
            Err(problem) => {
                self.replacement.has_failed = true;
                tracing::error!(device = %output.device, "it was held over the upgrade and cannot be driven safe: {problem}");
            }
        }
    }

    /// What may be handed over, if somebody is there to take it.
    pub(super) fn lend(&self) -> BTreeMap<OutputId, Lent> {
        if !self.replacement.holder.as_ref().is_some_and(|holder| holder.is_there()) {
            return BTreeMap::new();
        }
        let lent = |holdable: &Holdable| Some((holdable.output, self.lend_one(holdable)?));
        self.control.holdable(self.now()).iter().filter_map(lent).collect()
    }

    fn lend_one(&self, holdable: &Holdable) -> Option<Lent> {
        let driven = self.pins.get(&holdable.output)?;
        // A cover moves by itself, and is not asked for here.
        if self.targets.get(&driven.device) != Some(&Target::Output(holdable.output)) {
            return None;
        }
        let connection = &driven.connection;
        let Some((chip, line, descriptor)) = self.parts.lines.lend(&connection.pin) else {
            tracing::warn!(device = %driven.device, "it goes safe over the upgrade: nobody else can hold {}", connection.pin);
            return None;
        };
        let output = HeldOutput {
            device: driven.device.clone(),
            chip,
            line: line.number(),
            is_active_low: connection.active == ActiveLevel::Low,
            is_safe_on: connection.safe.is_on(),
            is_on: holdable.level.is_on(),
            at_most_ms: holdable.at_most.map(millis),
            timer_ms: holdable.timer.map(millis),
            away_ms: millis(holdable.away),
        };
        Some((output, descriptor))
    }

    /// Hands outputs over, and tells whether they were taken.
    pub(super) async fn hand_over(&self, lent: Vec<Lent>) -> bool {
        let Some(holder) = self.replacement.holder.clone().filter(|_| !lent.is_empty()) else { return false };
        let names: Vec<String> = lent.iter().map(|(output, _)| format!("`{}`", output.device)).collect();
        let names = names.join(", ");
        let handing = tokio::task::spawn_blocking(move || holder.hold(lent));
        match timeout(HAND_OVER_LIMIT, handing).await {
            Ok(Ok(Ok(()))) => {
                tracing::info!("{names}: held as they are until the gateway is back");
                true
            }
            Ok(Ok(Err(problem))) => {
                tracing::warn!("{names}: not held over the upgrade: {problem}");
                false
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("{names}: not held over the upgrade: whoever holds them did not answer");
                false
            }
        }
    }
}

impl super::Lines {
    fn chip_name(&self) -> Option<String> {
        self.board().chip_name()
    }

    /// The chip and the line of an output that this process drives, and another descriptor of it.
    fn lend(&self, pin: &Pin) -> Option<(String, LineNumber, OwnedFd)> {
        let line = pin.header_line()?;
        Some((self.chip_name()?, line, self.board().lend_output(line)?))
    }

    /// Whether the board goes on with what was held.
    fn take_over(&self, returned: &ReturnedOutput, active: ActiveLevel) -> bool {
        let line = LineNumber::new(returned.output.line);
        let descriptor = returned.line.descriptor();
        descriptor.is_ok_and(|descriptor| self.board().take_over_output(line, active, descriptor).is_ok())
    }
}
