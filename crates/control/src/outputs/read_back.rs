//! What the pins say after a drive, and between drives.

use gatehouse_model::{Cause, Moment, Origin};

use super::rules::{CHECK_RETRY, CHECKS_BEFORE_FAULT, SAFE_RETRY, STATE_EVERY};
use super::state::{Fault, Pending, Since};
use super::{OutputAction, OutputId, Outputs, Ticket, answer_to};
use crate::duty::Duty;

impl Outputs {
    /// Takes what the pin said after a drive or a check: its level, or why it could not be driven or read. What an older
    /// drive than the newest one reports is ignored.
    pub fn handle_read_back(
        &mut self,
        id: OutputId,
        ticket: Ticket,
        measured: Result<Duty, String>,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        if ticket != output.ticket || !output.in_flight {
            return Vec::new();
        }
        output.in_flight = false;
        let is_check = std::mem::take(&mut output.is_check);
        output.check_at = output.rules.check_every.map(|every| now + every);
        if is_check && measured.is_err() {
            output.failed_checks += 1;
            if output.failed_checks < CHECKS_BEFORE_FAULT {
                output.check_at = Some(now + CHECK_RETRY);
                return Vec::new();
            }
        }
        output.failed_checks = 0;
        // What was driven off is off for its group when it was seen to be, and not before.
        if let Some(group) = &output.rules.interlock {
            self.interlocks.note(group, id, measured != Ok(Duty::OFF), now);
        }
        let pending = output.pending.take();
        let (name, driven) = (&output.rules.name, output.level);
        let problem = match &measured {
            Ok(level) if driven.is_shown_by(*level) => None,
            Ok(level) => Some(format!(
                "{name} was switched {} but its pin reads {}. Check the wiring.",
                output.describe(driven),
                output.describe(*level)
            )),
            Err(problem) if is_check => Some(format!("{name} cannot be read: {problem}.")),
            Err(problem) => Some(format!("{name} cannot be switched: {problem}.")),
        };
        let mut actions = match problem {
            None => self.accept(id, pending, now),
            Some(problem) => self.latch(id, pending, (measured.ok(), is_check), &problem, now),
        };
        actions.extend(self.tend_covers(now));
        actions
    }

    /// The pin does what it was told.
    fn accept(&mut self, id: OutputId, pending: Option<Pending>, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.retry_at = None;
        let mut actions = Vec::new();
        let was_asked = pending.as_ref().is_some_and(|pending| pending.answer.is_some());
        let is_mended = output.fault.as_ref().is_some_and(|fault| was_asked || !fault.is_latched);
        if output.is_safe() && is_mended {
            output.fault = None;
            // Only now was it seen there: while it was faulty it may have been on. A fridge that obeyed again was once let
            // on ten seconds after it went off.
            output.changed = Some(Since::at(now));
            actions.push(OutputAction::Remember { output: id, memory: output.memory(now) });
            actions.push(OutputAction::Fault { output: id, sentence: None });
        }
        let Some(pending) = pending else {
            // A step on the way to a level: the last one is told, and of the others one now and then.
            let is_due = output.said_at.is_none_or(|said| now.saturating_since(said) >= STATE_EVERY);
            if output.is_news || (output.ramp.is_some() && is_due) {
                output.is_news = false;
                output.said_at = Some(now);
                let (level, cause) = (output.level, output.cause.clone());
                actions.push(OutputAction::State { output: id, level, cause });
            }
            return actions;
        };
        output.cause = pending.cause.clone();
        output.is_news = false;
        output.said_at = Some(now);
        actions.push(OutputAction::State { output: id, level: output.level, cause: pending.cause.clone() });
        actions.extend(pending.answer.map(|asked| answer_to(asked, None, pending.cause)));
        actions
    }

    /// The pin does not do what it was told: that is a fault, and the output goes safe. When even that fails it is
    /// tried again from time to time. A pin that was found elsewhere by a check goes back at once: nothing failed yet.
    fn latch(
        &mut self,
        id: OutputId,
        pending: Option<Pending>,
        (measured, is_check): (Option<Duty>, bool),
        problem: &str,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let mut actions = Vec::new();
        let is_new = output.fault.is_none();
        if is_new {
            let is_latched = measured.is_some() && !output.is_leaving;
            output.fault = Some(Fault { sentence: problem.to_owned(), is_latched });
            output.commanded = Some((output.rules.safe, Since::at(now)));
            actions.push(OutputAction::Remember { output: id, memory: output.memory(now) });
            actions.push(OutputAction::Fault { output: id, sentence: Some(problem.to_owned()) });
        }
        let asked_by = pending.as_ref().map_or_else(|| output.cause.clone(), |pending| pending.cause.clone());
        if let Some(Pending { cause, answer: Some(asked) }) = pending {
            actions.push(answer_to(asked, Some(problem.to_owned()), cause));
        }
        let cause = Cause::because(Origin::fail_safe(problem), &asked_by);
        if output.is_safe() {
            output.retry_at = Some(now + SAFE_RETRY);
            output.check_at = None;
            // What the pin really does is what is published, and once.
            if let Some(level) = measured.filter(|_| is_new) {
                actions.push(OutputAction::State { output: id, level, cause: cause.clone() });
            }
            if is_check {
                actions.extend(self.drive_safe(id, cause, now));
            }
        } else {
            actions.extend(self.drive_safe(id, cause, now));
        }
        actions
    }
}
