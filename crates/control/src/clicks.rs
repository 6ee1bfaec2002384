//! A button: single, double and triple clicks, and what is held.

use std::time::Duration;

use gatehouse_model::Moment;

/// How long after a release another press belongs to the same click, when nobody says.
pub const DEFAULT_GAP: Duration = Duration::from_millis(300);

/// How long a press is until it is a long one, when nobody says.
pub const DEFAULT_LONG_AFTER: Duration = Duration::from_millis(600);

/// What somebody did with a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Click {
    /// One click.
    Single,
    /// Two clicks, one shortly after the other.
    Double,
    /// Three clicks.
    Triple,
    /// It is held; told while it still is.
    Long,
    /// It is still held.
    Repeat,
    /// What was held is let go.
    LongRelease,
}

impl Click {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Single, Self::Double, Self::Triple, Self::Long, Self::Repeat, Self::LongRelease];

    /// The word for it in events and in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Double => "double",
            Self::Triple => "triple",
            Self::Long => "long",
            Self::Repeat => "repeat",
            Self::LongRelease => "long_release",
        }
    }
}

/// What is told apart. What nobody waits for costs no time: with single clicks alone, a click is told when the button is
/// let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClickRules {
    /// Most clicks that belong together: 1, 2 or 3.
    pub most: u8,
    /// How long after a release another press belongs to the same click.
    pub gap: Duration,
    /// How long a press is until it is a long one; nothing when a press that is held is a click like any other.
    pub long_after: Option<Duration>,
    /// How often a press that is held is told again, after it has become a long one.
    pub repeat_every: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is going on.
    Idle,
    /// It was held when this began: nobody knows since when, so its release is no click.
    HeldAtStart,
    /// It is held, after this many clicks.
    Pressed { since: Moment, clicks: u8 },
    /// It is held for long, and was told so.
    Long { repeat_at: Option<Moment> },
    /// It was let go after this many clicks, and another one may come.
    Released { at: Moment, clicks: u8 },
}

/// Watches one button.
#[derive(Clone, Debug)]
pub struct Clicks {
    rules: ClickRules,
    state: State,
}

impl Clicks {
    /// A button that is pressed now, or is not.
    pub fn new(rules: ClickRules, pressed: bool) -> Self {
        Self { rules, state: if pressed { State::HeldAtStart } else { State::Idle } }
    }

    /// Takes a change of the button, with its time, and gives what it turned out to be until then.
    pub fn handle_change(&mut self, pressed: bool, at: Moment, clicks: &mut Vec<(Click, Moment)>) {
        self.handle_timeout(at, clicks);
        self.state = match (self.state, pressed) {
            (State::Idle, true) => State::Pressed { since: at, clicks: 0 },
            (State::Released { clicks, .. }, true) => State::Pressed { since: at, clicks },
            (State::HeldAtStart, false) => State::Idle,
            (State::Long { .. }, false) => {
                clicks.push((Click::LongRelease, at));
                State::Idle
            }
            (State::Pressed { clicks: before, .. }, false) => {
                let count = before.saturating_add(1);
                if count >= self.rules.most.clamp(1, 3) {
                    clicks.push((several(count), at));
                    State::Idle
                } else {
                    State::Released { at, clicks: count }
                }
            }
            // The same again is no change.
            (state, _) => state,
        };
    }

    /// When it has to be asked again.
    pub fn next_deadline(&self) -> Option<Moment> {
        match self.state {
            State::Idle | State::HeldAtStart => None,
            State::Pressed { since, .. } => self.rules.long_after.map(|after| since + after),
            State::Long { repeat_at } => repeat_at,
            State::Released { at, .. } => Some(at + self.rules.gap),
        }
    }

    /// Gives what became clear by the time that passed.
    pub fn handle_timeout(&mut self, now: Moment, clicks: &mut Vec<(Click, Moment)>) {
        while let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= now) {
            self.state = match self.state {
                State::Pressed { clicks: before, .. } => {
                    if before > 0 {
                        clicks.push((several(before), deadline));
                    }
                    clicks.push((Click::Long, deadline));
                    State::Long { repeat_at: self.repeat_after(deadline) }
                }
                State::Long { .. } => {
                    clicks.push((Click::Repeat, deadline));
                    // Repetitions that nobody asked for in time are not made up for.
                    let next = self.repeat_after(deadline).map(|next| next.max(now));
                    State::Long { repeat_at: next.filter(|next| *next > now).or(self.repeat_after(now)) }
                }
                State::Released { clicks: count, .. } => {
                    clicks.push((several(count), deadline));
                    State::Idle
                }
                state @ (State::Idle | State::HeldAtStart) => state,
            };
        }
    }

    fn repeat_after(&self, at: Moment) -> Option<Moment> {
        // A repetition without a pause would never end.
        self.rules.repeat_every.filter(|every| !every.is_zero()).map(|every| at + every)
    }
}

const fn several(clicks: u8) -> Click {
    match clicks {
        0 | 1 => Click::Single,
        2 => Click::Double,
        _ => Click::Triple,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    const RULES: ClickRules = ClickRules {
        most: 3,
        gap: DEFAULT_GAP,
        long_after: Some(DEFAULT_LONG_AFTER),
        repeat_every: Some(Duration::from_millis(250)),
    };

    /// Presses and releases in turn, at these milliseconds.
    fn events(rules: ClickRules, times: &[u64], until: u64) -> Vec<(Click, u64)> {
        let mut button = Clicks::new(rules, false);
        let mut clicks = Vec::new();
        for (number, time) in times.iter().enumerate() {
            button.handle_change(number % 2 == 0, at(*time), &mut clicks);
        }
        button.handle_timeout(at(until), &mut clicks);
        clicks
            .into_iter()
            .map(|(click, at)| (click, at.since_start().as_millis().try_into().unwrap()))
            .collect()
    }

    #[test]
    fn one_two_and_three_clicks() {
        assert_eq!(events(RULES, &[0, 80], 2_000), [(Click::Single, 380)]);
        assert_eq!(events(RULES, &[0, 80, 200, 260], 2_000), [(Click::Double, 560)]);
        assert_eq!(events(RULES, &[0, 80, 200, 260, 400, 470], 2_000), [(Click::Triple, 470)]);
        let two = [(Click::Single, 380), (Click::Single, 780)];
        assert_eq!(events(RULES, &[0, 80, 400, 480], 2_000), two, "too far apart for a double click");
    }

    #[test]
    fn what_nobody_waits_for_costs_no_time() {
        let single = ClickRules { most: 1, long_after: None, ..RULES };
        assert_eq!(events(single, &[0, 80, 100, 900], 2_000), [(Click::Single, 80), (Click::Single, 900)]);
        let double = ClickRules { most: 2, ..RULES };
        assert_eq!(events(double, &[0, 80, 200, 260], 2_000), [(Click::Double, 260)]);
    }

    #[test]
    fn a_button_that_is_held_says_so_while_it_is() {
        let expected =
            [(Click::Long, 700), (Click::Repeat, 950), (Click::Repeat, 1_200), (Click::LongRelease, 1_300)];
        let mut button = Clicks::new(RULES, false);
        let mut clicks = Vec::new();
        button.handle_change(true, at(100), &mut clicks);
        while let Some(deadline) = button.next_deadline().filter(|deadline| *deadline < at(1_300)) {
            button.handle_timeout(deadline, &mut clicks);
        }
        button.handle_change(false, at(1_300), &mut clicks);
        let expected = expected.map(|(click, millis)| (click, at(millis)));
        assert_eq!(clicks, expected);
    }

    #[test]
    fn a_click_before_it_is_held_is_told_too() {
        let quiet = ClickRules { repeat_every: None, ..RULES };
        let expected = [(Click::Single, 800), (Click::Long, 800), (Click::LongRelease, 2_000)];
        assert_eq!(events(quiet, &[0, 80, 200, 2_000], 3_000), expected);
    }

    #[test]
    fn a_button_that_was_held_at_the_start_is_no_click() {
        let mut button = Clicks::new(RULES, true);
        let mut clicks = Vec::new();
        button.handle_change(false, at(50), &mut clicks);
        button.handle_timeout(at(5_000), &mut clicks);
        assert_eq!(clicks, []);
        button.handle_change(true, at(6_000), &mut clicks);
        button.handle_change(false, at(6_050), &mut clicks);
        button.handle_timeout(at(7_000), &mut clicks);
        assert_eq!(clicks, [(Click::Single, at(6_350))]);
    }

    #[test]
    fn hours_without_being_asked_are_no_flood_of_repetitions() {
        let mut button = Clicks::new(RULES, false);
        let mut clicks = Vec::new();
        button.handle_change(true, at(0), &mut clicks);
        button.handle_timeout(at(3_600_000), &mut clicks);
        assert_eq!(clicks.len(), 2, "{clicks:?}");
    }

    proptest! {
        /// Every press that ends is in exactly one event: clicks add up, and each long press is let go once.
        #[test]
        fn no_press_is_lost_or_counted_twice(
            presses in proptest::collection::vec((1u64..700, 1u64..900), 0..30),
            most in 1u8..4,
        ) {
            let rules = ClickRules { most, ..RULES };
            let (mut time, mut times, mut long) = (0, Vec::new(), 0);
            for (pause, length) in &presses {
                times.push(time + pause);
                times.push(time + pause + length);
                time += pause + length;
                long += u64::from(*length >= 600);
            }
            let (mut short_told, mut long_told, mut released) = (0, 0, 0);
            let events = events(rules, &times, time + 10_000);
            for (click, _) in &events {
                match click {
                    Click::Single => short_told += 1,
                    Click::Double => short_told += 2,
                    Click::Triple => short_told += 3,
                    Click::Long => long_told += 1,
                    Click::LongRelease => released += 1,
                    Click::Repeat => {}
                }
            }
            prop_assert_eq!(short_told + long_told, presses.len() as u64);
            prop_assert_eq!((long_told, released), (long, long));
            prop_assert!(events.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        }
    }
}
