//! Simulated weeks against the safety rules as a person would check them: with a stop-watch, a list of what was said to
//! whom, and a look at the pins. Nothing here asks the code what it thinks; what it keeps is only the pins' past.

use std::collections::BTreeMap;

use super::*;
use crate::duty::Scale;

const HOUR: u64 = 3_600;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A command to an output: which, what, for how long, over how long.
    Command(usize, u8, Option<u64>, Option<u64>),
    Cover(u8),
    /// A pin sticks, comes loose, is mute, speaks again, or is changed by somebody else.
    Pin(usize, u8),
    /// The dead-man's source speaks.
    Alive,
    /// It fails.
    Lost,
    /// The room is so warm.
    Room(i8),
    Wait(u64),
    /// The process dies without a word and starts again after some seconds, with a clock that is right or not.
    Crash(u64, bool),
    /// An orderly stop, then a start.
    Restart(u64, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![
        4 => 0u64..3,
        4 => 1u64..60,
        3 => 60u64..2 * HOUR,
        1 => 2 * HOUR..24 * HOUR,
    ];
    let step = prop_oneof![
        10 => (0usize..OUTPUTS, 0u8..9, proptest::option::of(1u64..400), proptest::option::of(0u64..20))
            .prop_map(|(output, what, duration, over)| Step::Command(output, what, duration, over)),
        3 => (0u8..5).prop_map(Step::Cover),
        2 => (0usize..OUTPUTS + 2, 0u8..6).prop_map(|(pin, what)| Step::Pin(pin, what)),
        3 => Just(Step::Alive),
        1 => Just(Step::Lost),
        2 => (10i8..30).prop_map(Step::Room),
        10 => pause.prop_map(Step::Wait),
        1 => (0u64..2 * HOUR, any::<bool>()).prop_map(|(away, clock)| Step::Crash(away, clock)),
        1 => (0u64..2 * HOUR, any::<bool>()).prop_map(|(away, clock)| Step::Restart(away, clock)),
    ];
    proptest::collection::vec(step, 1..120)
}

const OUTPUTS: usize = 6;

fn room() -> gatehouse_model::PropertyPath {
    "room/temperature".parse().unwrap()
}

fn thermostat() -> gatehouse_model::PropertyPath {
    "thermostat/temperature".parse().unwrap()
}

/// A heater with everything, a pair of valves, a fridge, a lamp, a servo.
fn rules() -> Vec<OutputRules> {
    let slow = |rules: OutputRules| OutputRules { check_every: Some(300 * SECOND), ..rules };
    let valve = |name| OutputRules {
        interlock: Some("water".to_owned()),
        ..OutputRules::new(name, Some(600 * SECOND))
    };
    let effect = Effect { sensor: room(), change: 0.5, within: 1_800 * SECOND, goes_safe: true };
    let servo = Scale::Degrees { least: 0.0, most: 180.0 };
    [
        OutputRules {
            dead_man: Some(DeadMan { source: Source::Sensor(thermostat()), within: 900 * SECOND }),
            effect: Some(effect),
            power_on: PowerOn::Last(LAST_WITHIN),
            ..OutputRules::new("Heater", Some(2 * HOUR as u32 * SECOND))
        },
        valve("Hot"),
        OutputRules { dead_time: 5 * SECOND, ..valve("Cold") },
        OutputRules {
            min_on: 60 * SECOND,
            min_off: 180 * SECOND,
            power_on: PowerOn::On,
            ..OutputRules::new("Fridge", Some(4 * HOUR as u32 * SECOND))
        },
        OutputRules {
            scale: Scale::Percent,
            power_on: PowerOn::Last(LAST_WITHIN),
            ..OutputRules::new("Lamp", Some(HOUR as u32 * SECOND))
        },
        OutputRules {
            scale: servo,
            safe: Duty::from_share(0.5),
            ..OutputRules::new("Flap", Some(300 * SECOND))
        },
    ]
    .map(slow)
    .to_vec()
}

/// What is known of one pin by looking at it.
#[derive(Clone, Debug, Default)]
struct Seen {
    level: Duty,
    /// Since when it has not been at its safe level, and does not blink through it.
    away_since: Option<Duration>,
    went_on: Option<Duration>,
    went_off: Option<Duration>,
    /// For how long it has been on since somebody commanded it or it had rested, over all restarts, and since when it is not.
    used: Duration,
    rests_since: Option<Duration>,
    /// Whether it was broken since it last changed: what it does then is not the rules' fault.
    is_excused: bool,
    /// Whether somebody else changed it: the gateway cannot know when that began or ended, so its rivals are not blamed.
    is_meddled: bool,
}

/// The house, and the observer with a stop-watch that no restart sets back.
struct Week {
    bench: Bench,
    cover: CoverId,
    rules: Vec<OutputRules>,
    seen: Vec<Seen>,
    /// Time before this process started.
    before: Duration,
    alive_at: Option<Duration>,
    /// When it was looked last.
    looked: Duration,
    /// Pins of which at most one is on.
    groups: Vec<Vec<usize>>,
}

/// The outputs with the same word.
fn groups(rules: &[OutputRules]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (pin, rules) in rules.iter().enumerate() {
        if let Some(group) = &rules.interlock {
            groups.entry(group).or_default().push(pin);
        }
    }
    groups.into_values().collect()
}

fn start(rules: &[OutputRules], kept: &[Option<Recollection>]) -> (Bench, CoverId) {
    let mut bench = Bench::empty();
    for (rules, kept) in rules.iter().zip(kept) {
        bench.add(rules.clone(), *kept);
    }
    let cover = CoverRules { dead_time: 2 * SECOND, ..CoverRules::new("Blind", 20 * SECOND, 15 * SECOND) };
    let (cover, relays, actions) = bench.outputs.add_cover(cover, None, bench.now);
    bench.ids.extend(relays);
    bench.carry_out(actions);
    (bench, cover)
}

impl Week {
    fn new() -> Self {
        let mut rules = rules();
        let (bench, cover) = start(&rules, &vec![None; rules.len()]);
        // The relays of the cover: travel, overrun and spare.
        let relay = |name| OutputRules {
            interlock: Some("cover".to_owned()),
            dead_time: 2 * SECOND,
            ..OutputRules::new(name, Some(24 * SECOND))
        };
        rules.extend([relay("Opening"), relay("Closing")]);
        let seen = rules.iter().map(|rules| Seen { level: rules.safe, ..Seen::default() }).collect();
        let groups = groups(&rules);
        Self {
            bench,
            cover,
            rules,
            seen,
            before: Duration::ZERO,
            alive_at: None,
            looked: Duration::ZERO,
            groups,
        }
    }

    fn now(&self) -> Duration {
        self.before + self.bench.now.saturating_since(Moment::default())
    }

    fn is_broken(&self, pin: usize) -> bool {
        self.bench.is_broken(pin)
    }

    /// Looks at all pins, and complains about what must not be.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        for pin in 0..self.rules.len() {
            let rules = &self.rules[pin];
            let level = self.bench.level(pin);
            let broken = self.bench.is_broken(pin);
            let seen = &mut self.seen[pin];
            seen.is_excused |= broken;
            let name = &rules.name;
            if level.is_on() && !seen.level.is_on() && !rules.scale.is_angle() {
                if let Some(off) = seen.went_off.filter(|_| !seen.is_excused) {
                    let rest = rules.min_off.max(MIN_SAFE);
                    prop_assert!(now - off >= rest, "{name} was off for {:?} only", now - off);
                }
                seen.went_on = Some(now);
            }
            if !level.is_on() && seen.level.is_on() {
                seen.went_off = (!seen.is_meddled).then_some(now);
            }
            match seen.away_since.filter(|_| level != rules.safe) {
                // Nobody has broken it, so its longest on-time holds to the instant.
                Some(since) => {
                    let longest = rules.max_on.unwrap();
                    prop_assert!(
                        seen.is_excused || now - since < longest,
                        "{name} is on for {:?}",
                        now - since
                    );
                }
                None => seen.away_since = (level != rules.safe).then_some(now),
            }
            if level == rules.safe && !broken {
                (seen.is_excused, seen.is_meddled) = (false, false);
            }
            seen.level = level;
        }
        self.look_at_use(now)?;
        self.look_at_groups(now)?;
        self.look_at_dead_man(now)
    }

    /// No number of restarts lets an output be on for longer than its longest time, but for a command or a rest between.
    fn look_at_use(&mut self, now: Duration) -> Result<(), TestCaseError> {
        let passed = now - std::mem::replace(&mut self.looked, now);
        for (rules, seen) in self.rules.iter().zip(&mut self.seen) {
            let longest = rules.max_on.unwrap();
            let rest = (longest / REST_SHARE).min(MAX_REST);
            if seen.is_excused || seen.rests_since.is_some_and(|since| now - since >= rest) {
                seen.used = Duration::ZERO;
            }
            if seen.level == rules.safe {
                seen.rests_since.get_or_insert(now);
            } else {
                // What came on at this very instant was not on before.
                seen.used += if seen.rests_since.take().is_some() { Duration::ZERO } else { passed };
                prop_assert!(seen.used <= longest, "{} was on for {:?} in all", rules.name, seen.used);
            }
        }
        Ok(())
    }

    fn look_at_groups(&self, now: Duration) -> Result<(), TestCaseError> {
        for members in &self.groups {
            if members.iter().any(|pin| self.seen[*pin].is_excused) {
                continue;
            }
            let on: Vec<usize> =
                members.iter().copied().filter(|pin| self.seen[*pin].level.is_on()).collect();
            prop_assert!(on.len() <= 1, "{:?} are on together", on);
            let Some(on) = on.first() else { continue };
            let began = self.seen[*on].went_on.unwrap_or(now);
            for other in members.iter().filter(|other| *other != on) {
                if let Some(off) = self.seen[*other].went_off.filter(|off| *off <= began) {
                    let dead = self.rules[*on].dead_time;
                    prop_assert!(
                        began - off >= dead,
                        "{} came {:?} after its rival",
                        self.rules[*on].name,
                        began - off
                    );
                }
            }
        }
        Ok(())
    }

    fn look_at_dead_man(&self, now: Duration) -> Result<(), TestCaseError> {
        let heater = &self.seen[0];
        if heater.level.is_on() && !heater.is_excused {
            let silent = self.alive_at.map(|at| now - at);
            prop_assert!(
                silent.is_some_and(|silent| silent < 900 * SECOND),
                "the heater is on although its thermostat is silent for {silent:?}"
            );
        }
        Ok(())
    }

    /// Lets time pass from deadline to deadline, and looks at each of them, and just before.
    fn pass(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        let end = self.bench.now + Duration::from_secs(seconds);
        let mut idle = 0;
        while let Some(deadline) = self.bench.outputs.next_deadline().filter(|deadline| *deadline <= end) {
            idle = if deadline <= self.bench.now { idle + 1 } else { 0 };
            prop_assert!(idle < 20, "a deadline is not dealt with");
            self.bench.now = self.bench.now.max(deadline);
            let actions = self.bench.outputs.handle_timeout(self.bench.now);
            self.bench.carry_out(actions);
            self.look()?;
        }
        self.bench.now = end;
        self.look()
    }

    fn command(&mut self, output: usize, what: u8, duration: Option<u64>, over: Option<u64>) {
        let set = |on| Action::Set(Value::Switch(on));
        let (aspect, action) = match what {
            0 | 1 => (Aspect::Power, set(true)),
            2 => (Aspect::Power, set(false)),
            3 => (Aspect::Power, Action::Toggle),
            4 => (Aspect::Level, Action::Set(Value::Number(30.0))),
            5 => (Aspect::Level, Action::Set(Value::Number(90.0))),
            6 => (Aspect::Level, Action::Set(Value::Number(0.0))),
            7 => (Aspect::Power, Action::Blink { on: SECOND, off: 2 * SECOND }),
            _ => (Aspect::Power, Action::Stop),
        };
        let over = over.map(Duration::from_secs);
        let duration = duration.map(Duration::from_secs);
        let command = Command { duration, over, ..Command::new(action) };
        // Somebody has a look.
        self.seen[output].used = Duration::ZERO;
        // Whether it is granted is not the matter here.
        let _ = self.bench.command_of("ana", output, aspect, &command);
    }

    fn restart(&mut self, away: u64, clock_is_right: bool) {
        let gone = Duration::from_secs(away);
        let recall = |id: &OutputId| self.bench.remembered(*id, gone, clock_is_right);
        let kept: Vec<Option<Recollection>> = self.bench.ids.iter().take(OUTPUTS).map(recall).collect();
        // A pin that was on goes off by the restart, on both kinds of kernel: what runs after the end sees to that. It is
        // on again only if the new process says so.
        let was_broken: Vec<bool> = (0..self.rules.len()).map(|pin| self.is_broken(pin)).collect();
        let ended = self.now();
        for (pin, seen) in self.seen.iter_mut().enumerate() {
            let safe = self.rules[pin].safe;
            if seen.level.is_on() && !safe.is_on() {
                seen.went_off = Some(ended);
            }
            seen.level = safe;
            seen.rests_since.get_or_insert(ended);
            seen.away_since = None;
            seen.is_excused |= was_broken[pin];
        }
        self.before = ended + gone;
        self.alive_at = None;
        let rules: Vec<OutputRules> = self.rules.iter().take(OUTPUTS).cloned().collect();
        (self.bench, self.cover) = start(&rules, &kept);
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Command(output, what, duration, over) => self.command(*output, *what, *duration, *over),
            Step::Cover(what) => {
                let (aspect, action) = match what {
                    0 => (Aspect::Power, Action::Open),
                    1 => (Aspect::Power, Action::Close),
                    2 => (Aspect::Power, Action::Stop),
                    3 => (Aspect::Level, Action::Set(Value::Number(35.0))),
                    _ => (Aspect::Level, Action::Set(Value::Number(80.0))),
                };
                let cause = Cause::direct(Origin::Page { user: "ana".into() });
                // Who commands a cover anew has a look, as with the other outputs.
                self.seen.iter_mut().skip(OUTPUTS).for_each(|relay| relay.used = Duration::ZERO);
                let (command, now) = (Command::new(action), self.bench.now);
                let actions =
                    self.bench.outputs.handle_cover_command(self.cover, aspect, &command, cause, Ask(9), now);
                self.bench.carry_out(actions);
            }
            Step::Pin(pin, what) => match what {
                0 => self.bench.set_stuck(*pin, true),
                1 => self.bench.set_mute(*pin, true),
                2 => {
                    let level = Duty::from_on(!self.bench.level(*pin).is_on());
                    self.bench.meddle(*pin, level);
                    // What somebody else does is not the rules' fault: neither that change nor how long it lasts. (A lamp
                    // that was switched off from outside in the middle of a fade was blamed for its next step.)
                    let seen = &mut self.seen[*pin];
                    (seen.is_excused, seen.is_meddled) = (true, true);
                    (seen.level, seen.went_off) = (level, None);
                }
                _ => {
                    self.bench.set_stuck(*pin, false);
                    self.bench.set_mute(*pin, false);
                }
            },
            Step::Alive => {
                self.alive_at = Some(self.now());
                let actions = self.bench.outputs.handle_reading(&thermostat(), 20.0, self.bench.now);
                self.bench.carry_out(actions);
            }
            Step::Lost => {
                self.alive_at = None;
                let actions = self.bench.outputs.handle_source_lost(&thermostat(), self.bench.now);
                self.bench.carry_out(actions);
            }
            Step::Room(degrees) => {
                let actions = self.bench.outputs.handle_reading(&room(), f64::from(*degrees), self.bench.now);
                self.bench.carry_out(actions);
            }
            Step::Wait(seconds) => self.pass(*seconds)?,
            Step::Crash(away, clock) => self.restart(*away, *clock),
            Step::Restart(away, clock) => {
                let actions = self.bench.outputs.stop(self.bench.now);
                self.bench.carry_out(actions);
                self.look()?;
                self.restart(*away, *clock);
            }
        }
        self.look()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_at_every_instant_of_any_week(steps in steps()) {
        let mut week = Week::new();
        for step in &steps {
            week.step(step)?;
        }
        // Whatever was broken: once it obeys, the stop leaves nothing on.
        for pin in 0..week.rules.len() {
            week.bench.set_stuck(pin, false);
            week.bench.set_mute(pin, false);
        }
        let actions = week.bench.outputs.stop(week.bench.now);
        week.bench.carry_out(actions);
        for (pin, rules) in week.rules.iter().enumerate() {
            prop_assert_eq!(week.bench.level(pin), rules.safe, "{} after the stop", &rules.name);
        }
    }
}
