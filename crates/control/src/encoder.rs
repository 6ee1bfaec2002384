//! A rotary encoder: two contacts that open and close a quarter of a step apart.

/// Quarter steps from one pair of levels to the next, by `before * 4 + after`, where a pair is `2 * a + b`: the Gray code
/// 0, 2, 3, 1 forwards. 2 stands for both levels at once, which no encoder does: an edge was lost.
const QUARTER_STEPS: [i8; 16] = [0, -1, 1, 2, 1, 0, 2, -1, -1, 2, 0, 1, 2, 1, -1, 0];

/// How far an encoder goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderRules {
    /// Quarter steps from one detent to the next: 4 for most, 2 and 1 exist.
    pub quarters_per_detent: u8,
    /// The lowest and the highest position, in detents.
    pub range: (i64, i64),
}

impl Default for EncoderRules {
    fn default() -> Self {
        Self { quarters_per_detent: 4, range: (i64::MIN, i64::MAX) }
    }
}

/// One detent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The first contact went before the second one.
    Forwards,
    /// The other way.
    Backwards,
}

/// Watches two contacts.
#[derive(Clone, Debug)]
pub struct Encoder {
    rules: EncoderRules,
    levels: (bool, bool),
    /// Quarter steps since the last detent.
    quarters: i8,
    position: i64,
    illegal: u64,
}

impl Encoder {
    /// An encoder at this position (in detents) whose contacts have these levels.
    pub fn new(rules: EncoderRules, levels: (bool, bool), position: i64) -> Self {
        let position = position.clamp(rules.range.0, rules.range.1);
        Self { rules, levels, quarters: 0, position, illegal: 0 }
    }

    /// The position, in detents.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// How often both contacts changed at once: edges were lost, or the contacts are worn.
    pub fn illegal(&self) -> u64 {
        self.illegal
    }

    /// Takes the levels after an edge and gives the detent that was reached. At the end of its range it still turns, and
    /// the position stays.
    pub fn handle_levels(&mut self, levels: (bool, bool)) -> Option<Turn> {
        let number = |(a, b): (bool, bool)| usize::from(a) * 2 + usize::from(b);
        let step = QUARTER_STEPS.get(number(self.levels) * 4 + number(levels)).copied().unwrap_or(0);
        self.levels = levels;
        if step == 2 {
            self.illegal += 1;
        } else {
            self.quarters += step;
        }
        let whole = i8::try_from(self.rules.quarters_per_detent.clamp(1, 4)).unwrap_or(4);
        let turn = match self.quarters {
            quarters if quarters >= whole => Some(Turn::Forwards),
            quarters if quarters <= -whole => Some(Turn::Backwards),
            _ => None,
        };
        // At a detent of four quarters both contacts are open. Whatever was lost on the way does not shift the next one.
        if turn.is_some() || (whole == 4 && levels == (false, false)) {
            self.quarters = 0;
        }
        let by = match turn? {
            Turn::Forwards => 1,
            Turn::Backwards => -1,
        };
        self.position = self.position.saturating_add(by).clamp(self.rules.range.0, self.rules.range.1);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The levels on the way through one detent forwards.
    const FORWARDS: [(bool, bool); 4] = [(true, false), (true, true), (false, true), (false, false)];

    fn backwards() -> impl Iterator<Item = (bool, bool)> {
        [(false, true), (true, true), (true, false), (false, false)].into_iter()
    }

    #[test]
    fn a_turn_forth_and_back() {
        let mut encoder = Encoder::new(EncoderRules::default(), (false, false), 7);
        let turns: Vec<_> = FORWARDS.map(|levels| encoder.handle_levels(levels)).to_vec();
        assert_eq!(turns, [None, None, None, Some(Turn::Forwards)]);
        assert_eq!(encoder.position(), 8);
        let turns: Vec<_> = backwards().filter_map(|levels| encoder.handle_levels(levels)).collect();
        assert_eq!((turns, encoder.position()), (vec![Turn::Backwards], 7));
    }

    #[test]
    fn contacts_that_bounce_and_hands_that_waver_move_nothing() {
        let mut encoder = Encoder::new(EncoderRules::default(), (false, false), 0);
        for levels in
            [(true, false), (false, false), (true, false), (true, true), (true, false), (false, false)]
        {
            assert_eq!(encoder.handle_levels(levels), None);
        }
        assert_eq!((encoder.position(), encoder.illegal()), (0, 0));
    }

    #[test]
    fn what_was_lost_is_counted_and_does_not_shift_the_detents() {
        let mut encoder = Encoder::new(EncoderRules::default(), (false, false), 0);
        // One edge of each contact is lost in the middle of a detent.
        for levels in [(true, true), (false, true), (false, false)] {
            assert_eq!(encoder.handle_levels(levels), None);
        }
        assert_eq!(encoder.illegal(), 1);
        let turns: Vec<_> = FORWARDS.into_iter().filter_map(|levels| encoder.handle_levels(levels)).collect();
        assert_eq!(turns, [Turn::Forwards]);
    }

    #[test]
    fn encoders_with_two_quarters_and_a_range() {
        let rules = EncoderRules { quarters_per_detent: 2, range: (0, 1) };
        let mut encoder = Encoder::new(rules, (false, false), 9);
        assert_eq!(encoder.position(), 1);
        for levels in FORWARDS {
            encoder.handle_levels(levels);
        }
        assert_eq!(encoder.position(), 1, "it does not go further");
        for levels in backwards() {
            encoder.handle_levels(levels);
        }
        assert_eq!(encoder.position(), 0);
    }

    proptest! {
        /// A hand that turns to and fro, with contacts that bounce at each edge, ends where it is.
        #[test]
        fn it_follows_the_hand(moves in proptest::collection::vec((any::<bool>(), 0u8..4), 0..200)) {
            let mut encoder = Encoder::new(EncoderRules::default(), (false, false), 0);
            let ring = [(false, false), (true, false), (true, true), (false, true)];
            let (mut quarter, mut level) = (0i64, ring[0]);
            for (forwards, bounces) in moves {
                quarter += if forwards { 1 } else { -1 };
                let next = ring[usize::try_from(quarter.rem_euclid(4)).unwrap()];
                for _ in 0..bounces {
                    encoder.handle_levels(next);
                    encoder.handle_levels(level);
                }
                encoder.handle_levels(next);
                level = next;
            }
            prop_assert_eq!(encoder.illegal(), 0);
            let whole = quarter as f64 / 4.0;
            prop_assert!((encoder.position() as f64 - whole).abs() < 1.0, "{} at {whole}", encoder.position());
            if quarter.rem_euclid(4) == 0 {
                prop_assert_eq!(encoder.position(), quarter / 4);
            }
        }

        /// Any levels at all.
        #[test]
        fn it_never_panics_and_stays_in_its_range(levels in proptest::collection::vec(any::<(bool, bool)>(), 0..200)) {
            let rules = EncoderRules { quarters_per_detent: 1, range: (-3, 3) };
            let mut encoder = Encoder::new(rules, (false, false), 0);
            for levels in levels {
                encoder.handle_levels(levels);
                prop_assert!((-3..=3).contains(&encoder.position()));
            }
        }
    }
}
