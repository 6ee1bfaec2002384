//! Which way a hand was moved, from what four diodes saw of it.

/// The words for it.
pub(super) const WORDS: [&str; 4] = ["up", "down", "left", "right"];

/// Light below which a diode sees no hand: the share that it has of it would be noise.
const DIM: u8 = 10;

/// How far the share of a diode against the opposite one must move, of two for everything.
const FAR: f64 = 0.4;

/// Points fewer than that are no movement.
const FEW: u32 = 4;

/// A movement under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swipe {
    /// Where it was seen first and last: between the upper and the lower diode, and the left and the right one.
    first: Option<[f64; 2]>,
    last: [f64; 2],
    points: u32,
}

impl Swipe {
    /// Takes what the upper, lower, left and right diode saw at one instant.
    pub(super) fn handle_point(&mut self, [up, down, left, right]: [u8; 4]) {
        if [up, down, left, right].into_iter().any(|light| light < DIM) {
            return;
        }
        let share = |one: u8, other: u8| {
            let (one, other) = (f64::from(one), f64::from(other));
            (one - other) / (one + other)
        };
        let point = [share(up, down), share(left, right)];
        self.first.get_or_insert(point);
        self.last = point;
        self.points += 1;
    }

    /// The hand is gone: gives the way that it went, if it did, and is ready for the next one. The lens turns the picture
    /// round: a hand that goes up is seen by the upper diode first, one that goes right by the right one.
    pub(super) fn handle_end(&mut self) -> Option<&'static str> {
        let Self { first, last: [last_up, last_left], points } = std::mem::take(self);
        let [up, left] = first.filter(|_| points >= FEW)?;
        let (vertical, horizontal) = (last_up - up, last_left - left);
        let [is_up, is_down, is_left, is_right] = WORDS;
        let (way, by) = if vertical.abs() > horizontal.abs() {
            (if vertical < 0.0 { is_up } else { is_down }, vertical.abs())
        } else {
            (if horizontal < 0.0 { is_left } else { is_right }, horizontal.abs())
        };
        (by >= FAR).then_some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(points: &[[u8; 4]]) -> Option<&'static str> {
        let mut swipe = Swipe::default();
        points.iter().for_each(|point| swipe.handle_point(*point));
        swipe.handle_end()
    }

    #[test]
    fn each_way_is_told() {
        let across = [[180, 40], [140, 70], [110, 110], [70, 140], [40, 180]];
        let points = |upright: bool, turned: bool| {
            across.map(|[one, other]| {
                let [one, other] = if turned { [other, one] } else { [one, other] };
                if upright { [one, other, 90, 90] } else { [90, 90, one, other] }
            })
        };
        assert_eq!(end_of(&points(true, false)), Some("up"));
        assert_eq!(end_of(&points(true, true)), Some("down"));
        assert_eq!(end_of(&points(false, false)), Some("left"));
        assert_eq!(end_of(&points(false, true)), Some("right"));
    }

    #[test]
    fn a_hand_that_stays_or_is_hardly_seen_goes_nowhere() {
        assert_eq!(end_of(&[[120, 100, 90, 95]; 20]), None);
        assert_eq!(end_of(&[[200, 5, 5, 5], [5, 200, 5, 5], [5, 200, 5, 5], [5, 200, 5, 5]]), None);
        assert_eq!(end_of(&[[180, 40, 90, 90], [40, 180, 90, 90]]), None, "two points are a flicker");
        assert_eq!(end_of(&[]), None);
    }

    #[test]
    fn one_movement_is_forgotten_before_the_next() {
        let mut swipe = Swipe::default();
        (0..5).for_each(|_| swipe.handle_point([180, 40, 90, 90]));
        assert_eq!(swipe.handle_end(), None);
        (0..5).for_each(|_| swipe.handle_point([40, 180, 90, 90]));
        assert_eq!(swipe.handle_end(), None);
    }
}
