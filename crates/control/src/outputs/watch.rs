//! Who must be alive while an output is on, and what its being on must bring about.

use std::time::Duration;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Cause, Moment, Origin, PropertyPath};

use super::rules::{DeadMan, Source};
use super::state::{Fault, Output, Since};
use super::{OutputAction, OutputId, Outputs};

impl Output {
    /// When its dead-man ends what it does, if nobody is heard until then.
    pub(crate) fn dead_man_ends(&self) -> Option<Moment> {
        let dead_man = self.rules.dead_man.as_ref().filter(|_| self.left_safe.is_some())?;
        // It cannot leave its safe level unheard; if it did, that ends at once.
        Some(self.heard_at.map_or_else(Moment::default, |heard| heard + dead_man.within))
    }

    /// Whether a silent source stands in the way of leaving the safe level.
    pub(crate) fn check_dead_man(&self, now: Moment) -> Result<(), String> {
        let Some(dead_man) = &self.rules.dead_man else { return Ok(()) };
        if self.heard_at.is_some_and(|heard| now.saturating_since(heard) < dead_man.within) {
            return Ok(());
        }
        let since = match self.heard_at {
            None if self.source_is_lost => "failed".to_owned(),
            Some(heard) => {
                let silent = Duration::from_secs(now.saturating_since(heard).as_secs());
                format!("has been silent for {}", format_duration(silent))
            }
            None => "was not heard yet".to_owned(),
        };
        let (name, source, safe) = (&self.rules.name, &dead_man.source, self.describe(self.rules.safe));
        Err(format!("{source} {since}: {name} stays {safe} until it is heard (dead-man)"))
    }

    /// Begins to watch for the effect: the output has left its safe level.
    pub(crate) fn expect_effect(&mut self, now: Moment) {
        let Some(effect) = &self.rules.effect else { return };
        let is_fresh = |at: Moment| now.saturating_since(at) < effect.within;
        self.effect.from = self.effect.latest.filter(|(_, at)| is_fresh(*at)).map(|(value, _)| value);
        // An output that was away before this process started gets the whole time: nobody watched until now.
        self.effect.ends = Some(now + effect.within);
    }

    /// Forgets what a sensor said that failed: it shows neither life nor an effect any more.
    fn lose(&mut self, sensor: &PropertyPath) {
        let is_alive_by_it =
            |dead_man: &DeadMan| matches!(&dead_man.source, Source::Sensor(path) if path == sensor);
        if self.rules.dead_man.as_ref().is_some_and(is_alive_by_it) {
            self.heard_at = None;
            self.source_is_lost = true;
        }
        if self.rules.effect.as_ref().is_some_and(|effect| effect.sensor == *sensor) {
            self.effect.latest = None;
        }
    }

    fn see(&mut self, value: f64, now: Moment) -> bool {
        let Some(effect) = &self.rules.effect else { return false };
        self.effect.latest = Some((value, now));
        if self.left_safe.is_none() {
            return false;
        }
        let from = self
            .effect
            .from
            .map_or(value, |from| if effect.change > 0.0 { from.min(value) } else { from.max(value) });
        self.effect.from = Some(from);
        let shows = (value - from).abs() >= effect.change.abs();
        if shows {
            self.effect.ends = None;
        }
        shows && std::mem::take(&mut self.effect.is_warned)
    }

    /// The output is safe again: nothing is expected of it. Gives whether a warning ends with that.
    pub(crate) fn expect_nothing(&mut self) -> bool {
        self.effect.ends = None;
        self.effect.from = None;
        std::mem::take(&mut self.effect.is_warned)
    }

    fn missing_effect(&self) -> Option<String> {
        let effect = self.rules.effect.as_ref()?;
        let (name, within) = (&self.rules.name, format_duration(effect.within));
        let place = &effect.sensor;
        let verb = if effect.change > 0.0 { "rise" } else { "fall" };
        Some(match (self.effect.from, self.effect.latest) {
            (Some(from), Some((latest, _))) => format!(
                "{name} has been away from its safe level for {within}, but {place} did not {verb} by {} (from {from} to {latest}). Check what it switches, and the sensor.",
                effect.change.abs(),
            ),
            _ => format!(
                "{name} has been away from its safe level for {within}, and {place} gave no value that shows an effect. Check the sensor."
            ),
        })
    }
}

impl Outputs {
    /// Takes a sign of life: a message on a topic, a client that is connected.
    pub fn handle_sign_of_life(&mut self, source: &Source, now: Moment) {
        for output in self.outputs.values_mut() {
            if output.rules.dead_man.as_ref().is_some_and(|dead_man| dead_man.source == *source) {
                output.heard_at = Some(now);
                output.source_is_lost = false;
            }
        }
    }

    /// Takes a number of a sensor that can be trusted: it is fresh, in its range and believable. It is a sign of life of
    /// the sensor, and may be the effect that somebody waits for.
    pub fn handle_reading(&mut self, sensor: &PropertyPath, value: f64, now: Moment) -> Vec<OutputAction> {
        self.handle_sign_of_life(&Source::Sensor(sensor.clone()), now);
        let mut actions = Vec::new();
        for (id, output) in &mut self.outputs {
            let is_it = |effect: &super::Effect| effect.sensor == *sensor;
            if output.rules.effect.as_ref().is_some_and(is_it) && output.see(value, now) {
                actions.push(OutputAction::Warning { output: *id, sentence: None });
            }
        }
        actions
    }

    /// Takes that a sensor failed, or that its last value is stale: whatever it said before is no sign of life any more.
    /// What depends on it goes to its safe level at once; it need not wait until the silence is as long as its dead-man
    /// allows, since it is known that nobody measures.
    pub fn handle_source_lost(&mut self, sensor: &PropertyPath, now: Moment) -> Vec<OutputAction> {
        let mut orphans = Vec::new();
        for (id, output) in &mut self.outputs {
            output.lose(sensor);
            if output.source_is_lost && output.dead_man_ends().is_some_and(|end| end <= now) {
                orphans.push(*id);
            }
        }
        orphans.into_iter().flat_map(|id| self.fall_silent(id, now)).collect()
    }

    /// What outputs listen to.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.outputs.values().filter_map(|output| output.rules.dead_man.as_ref()).map(|dead| &dead.source)
    }

    /// The values in which an effect must show.
    pub fn effects(&self) -> impl Iterator<Item = &PropertyPath> {
        self.outputs.values().filter_map(|output| output.rules.effect.as_ref()).map(|effect| &effect.sensor)
    }

    /// The source of an output's dead-man is silent.
    pub(super) fn fall_silent(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get(&id) else { return Vec::new() };
        let Some(dead_man) = &output.rules.dead_man else { return Vec::new() };
        let reason = match &dead_man.source {
            Source::Sensor(path) if output.source_is_lost => format!("its sensor {path} failed"),
            source => format!("{source} has been silent for {}", format_duration(dead_man.within)),
        };
        let cause = Cause::because(Origin::fail_safe(&reason), &output.cause);
        self.end(id, cause, now)
    }

    /// The effect did not show in time.
    pub(super) fn miss_effect(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.effect.ends = None;
        let goes_safe = output.rules.effect.as_ref().is_some_and(|effect| effect.goes_safe);
        let Some(sentence) = output.missing_effect() else { return Vec::new() };
        if !goes_safe {
            output.effect.is_warned = true;
            return vec![OutputAction::Warning { output: id, sentence: Some(sentence) }];
        }
        output.fault = Some(Fault { sentence: sentence.clone(), is_latched: true });
        let cause = Cause::because(Origin::fail_safe(&sentence), &output.cause);
        let mut actions = vec![OutputAction::Fault { output: id, sentence: Some(sentence) }];
        actions.extend(self.end(id, cause, now));
        actions
    }

    /// An output left its safe level, or came back to it.
    pub(super) fn note_safe_level(output: &mut Output, id: OutputId, now: Moment) -> Option<OutputAction> {
        if output.is_safe() && output.blink.is_none() {
            output.left_safe = None;
            output.count_at = None;
            let was_warned = output.expect_nothing();
            return was_warned.then_some(OutputAction::Warning { output: id, sentence: None });
        }
        if output.left_safe.is_none() {
            output.left_safe = Some(Since::at(now));
            output.used = None;
            output.count_at = output.rules.count_every().map(|every| now + every);
            output.expect_effect(now);
        }
        None
    }
}
