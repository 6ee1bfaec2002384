//! Covers: where they are, and that their motor is never asked for both ways.

use super::*;

struct Blind {
    bench: Bench,
    id: CoverId,
}

impl Blind {
    fn new(memory: Option<CoverMemory>) -> Self {
        let mut bench = Bench::empty();
        let rules = CoverRules::new("Blind", 20 * SECOND, 10 * SECOND);
        let (id, relays, actions) = bench.outputs.add_cover(rules, memory, bench.now);
        bench.ids.extend(relays);
        bench.carry_out(actions);
        // After the start the other way is taken to have ended just then.
        bench.pass(crate::interlock::DEAD_TIME);
        Self { bench, id }
    }

    fn known(position: Duty) -> Self {
        let blind = Self::new(Some(CoverMemory { position: Some(position) }));
        assert_eq!(blind.state().position, Some(position));
        blind
    }

    fn send(&mut self, aspect: Aspect, action: Action) -> Result<(), String> {
        let cause = Cause::direct(Origin::Page { user: "ana".into() });
        self.bench.said.clear();
        let (command, now) = (Command::new(action), self.bench.now);
        let actions = self.bench.outputs.handle_cover_command(self.id, aspect, &command, cause, Ask(7), now);
        self.bench.carry_out(actions);
        self.bench.answer()
    }

    fn go(&mut self, percent: f64) {
        self.send(Aspect::Level, Action::Set(Value::Number(percent))).unwrap();
    }

    fn state(&self) -> CoverState {
        self.bench.outputs.cover_state(self.id, self.bench.now).unwrap()
    }

    fn percent(&self) -> Option<f64> {
        self.state().position.map(|position| (position.share() * 100.0).round())
    }

    /// Which relays are on.
    fn relays(&self) -> (bool, bool) {
        (self.bench.is_on(0), self.bench.is_on(1))
    }

    fn kept(&self) -> Option<Option<Duty>> {
        self.bench.said.iter().rev().find_map(|action| match action {
            OutputAction::RememberCover { memory, .. } => Some(memory.position),
            _ => None,
        })
    }
}

#[test]
fn nobody_knows_where_it_is_until_it_was_at_an_end() {
    let mut blind = Blind::new(None);
    assert_eq!(blind.state(), CoverState { word: "stopped", position: None });
    blind.send(Aspect::Power, Action::Open).unwrap();
    assert_eq!((blind.relays(), blind.state().word), ((true, false), "opening"));
    blind.bench.pass(20 * SECOND);
    assert_eq!((blind.relays().0, blind.percent()), (true, Some(100.0)), "the overrun finds the end switch");
    blind.bench.pass(DEFAULT_OVERRUN);
    assert_eq!(blind.relays(), (false, false));
    assert_eq!(blind.state(), CoverState { word: "open", position: Some(Duty::FULL) });
    assert_eq!(blind.kept(), Some(Some(Duty::FULL)));
}

#[test]
fn a_position_is_reached_by_the_time_it_takes_and_told_on_the_way() {
    let mut blind = Blind::known(Duty::OFF);
    blind.go(50.0);
    assert_eq!(blind.kept(), Some(None), "while it moves nobody knows where it would be found");
    blind.bench.pass(5 * SECOND);
    assert_eq!(blind.percent(), Some(25.0));
    let told = blind.bench.said.iter().filter(|action| matches!(action, OutputAction::Cover { .. })).count();
    assert!((4..=6).contains(&told), "{told} in five seconds");
    blind.bench.pass(5 * SECOND);
    assert_eq!(
        (blind.relays(), blind.percent(), blind.state().word),
        ((false, false), Some(50.0), "stopped")
    );
    blind.go(25.0);
    blind.bench.pass(SECOND);
    assert_eq!(blind.relays(), (false, true), "closing takes half the time of opening");
    blind.bench.pass(2 * SECOND);
    assert_eq!((blind.relays(), blind.percent()), ((false, false), Some(25.0)));
}

#[test]
fn from_nowhere_to_a_place_between_leads_over_an_end() {
    let mut blind = Blind::new(None);
    blind.go(50.0);
    assert_eq!(blind.relays(), (false, true));
    blind.bench.pass(12 * SECOND + SECOND / 10);
    assert_eq!(blind.relays(), (false, false), "the other way waits for its dead time");
    blind.bench.pass(SECOND);
    assert_eq!(blind.relays(), (true, false));
    blind.bench.pass(10 * SECOND);
    assert_eq!((blind.relays(), blind.percent()), ((false, false), Some(50.0)));
}

#[test]
fn turning_round_waits_and_never_has_both_relays_on() {
    let mut blind = Blind::known(Duty::OFF);
    blind.send(Aspect::Power, Action::Open).unwrap();
    blind.bench.pass(10 * SECOND);
    blind.send(Aspect::Power, Action::Close).unwrap();
    assert_eq!(blind.relays(), (false, false));
    blind.bench.pass(DEAD_TIME - SECOND / 10);
    assert_eq!(blind.relays(), (false, false));
    blind.bench.pass(SECOND / 5);
    assert_eq!(blind.relays(), (false, true));
    blind.bench.pass(4 * SECOND);
    blind.send(Aspect::Power, Action::Stop).unwrap();
    assert_eq!(blind.relays(), (false, false));
    assert!(blind.percent().is_some_and(|percent| (9.0..=13.0).contains(&percent)), "{:?}", blind.percent());
    blind.bench.pass(60 * SECOND);
    assert_eq!(blind.relays(), (false, false));
}

#[test]
fn another_place_in_the_same_direction_only_moves_the_end() {
    let mut blind = Blind::known(Duty::OFF);
    blind.go(50.0);
    blind.bench.pass(5 * SECOND);
    blind.go(75.0);
    assert_eq!(blind.relays(), (true, false), "the motor does not pause");
    blind.bench.pass(10 * SECOND);
    assert_eq!((blind.relays(), blind.percent()), ((false, false), Some(75.0)));
}

#[test]
fn a_relay_that_sticks_stops_everything_and_the_place_is_unknown() {
    let mut blind = Blind::known(Duty::OFF);
    blind.send(Aspect::Power, Action::Open).unwrap();
    blind.bench.set_stuck(0, true);
    blind.bench.pass(10 * SECOND);
    let refused = blind.send(Aspect::Power, Action::Close);
    assert_eq!(refused, Ok(()), "it is taken, and waits for the other way to be off");
    blind.bench.pass(30 * SECOND);
    assert!(!blind.relays().1, "the other way stays off while this one is on");
    assert_eq!(blind.state().position, None);
    assert!(blind.send(Aspect::Power, Action::Close).unwrap_err().contains("until STOP"));
    blind.bench.set_stuck(0, false);
    blind.send(Aspect::Power, Action::Stop).unwrap();
    assert_eq!(blind.relays(), (false, false));
    blind.bench.pass(SECOND);
    assert_eq!(blind.send(Aspect::Power, Action::Close), Ok(()));
    blind.bench.pass(SECOND);
    assert_eq!(blind.relays(), (false, true));
}

#[test]
fn a_stop_of_the_gateway_stops_it_where_it_is() {
    let mut blind = Blind::known(Duty::OFF);
    blind.send(Aspect::Power, Action::Open).unwrap();
    blind.bench.pass(10 * SECOND);
    blind.bench.said.clear();
    let actions = blind.bench.outputs.stop(blind.bench.now);
    blind.bench.carry_out(actions);
    assert_eq!((blind.relays(), blind.percent()), ((false, false), Some(50.0)));
    assert_eq!(blind.kept(), Some(blind.state().position));
    assert!(blind.send(Aspect::Power, Action::Open).unwrap_err().contains("stopping"));
}

#[test]
fn what_is_no_command_for_a_cover_says_so() {
    let mut blind = Blind::known(Duty::OFF);
    assert!(blind.send(Aspect::Power, Action::Toggle).unwrap_err().contains("OPEN, CLOSE or STOP"));
    assert!(blind.send(Aspect::Level, Action::Set(Value::Number(101.0))).unwrap_err().contains("from 0"));
}

/// Whoever repeated CLOSE while it pushed against its end switch made it push for the overrun again, each time.
#[test]
fn a_command_that_is_repeated_at_the_end_does_not_prolong_the_overrun() {
    let mut blind = Blind::known(Duty::from_share(0.5));
    blind.send(Aspect::Power, Action::Close).unwrap();
    blind.bench.pass(5 * SECOND);
    for _ in 0..3 {
        blind.bench.pass(DEFAULT_OVERRUN / 4);
        blind.send(Aspect::Power, Action::Close).unwrap();
        assert_eq!((blind.relays(), blind.percent()), ((false, true), Some(0.0)));
    }
    blind.bench.pass(DEFAULT_OVERRUN / 4);
    assert_eq!(blind.relays(), (false, false));
}
