//! How many events each device may make: a client that presses a button a thousand times a second would push a year of
//! the house's events out of the diary, and wear the card out.

use std::collections::HashMap;

use gatehouse_model::{DeviceId, Moment};

/// Events that a device may make in a row.
const BURST: f64 = 100.0;

/// Events a second that it may make for ever: a person at a button, not a contact that chatters.
const A_SECOND: f64 = 1.0;

/// Most devices that are told apart; all others share what is left.
const MAX_DEVICES: usize = 10_000;

/// What somebody has left, which grows again with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    left: f64,
    at: Moment,
}

impl Account {
    pub(crate) const fn new(left: f64, now: Moment) -> Self {
        Self { left, at: now }
    }

    /// Takes one away, if there is one; `per_second` come again, up to `most`.
    pub(crate) fn spend(&mut self, most: f64, per_second: f64, now: Moment) -> bool {
        let earned = now.saturating_since(self.at).as_secs_f64() * per_second;
        *self = Self { left: (self.left + earned).min(most), at: now };
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

/// What each device has left.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    left: HashMap<DeviceId, Account>,
    others: Option<Account>,
}

impl Budget {
    /// Whether `device` may make one more event, and takes it from what it has left.
    pub(crate) fn spend(&mut self, device: &DeviceId, now: Moment) -> bool {
        let is_new = !self.left.contains_key(device);
        let full = Account::new(BURST, now);
        let account = if is_new && self.left.len() >= MAX_DEVICES {
            self.others.get_or_insert(full)
        } else {
            self.left.entry(device.clone()).or_insert(full)
        };
        account.spend(BURST, A_SECOND, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_device_that_chatters_spends_its_own() {
        let mut budget = Budget::default();
        let (loud, quiet) = (DeviceId::new("loud").unwrap(), DeviceId::new("quiet").unwrap());
        let spent = |budget: &mut Budget, device: &DeviceId, seconds: u64| {
            let now = Moment::from_start(Duration::from_secs(seconds));
            (0..1_000).filter(|_| budget.spend(device, now)).count()
        };
        assert_eq!(spent(&mut budget, &loud, 0), 100);
        assert_eq!(spent(&mut budget, &loud, 10), 10);
        assert_eq!(spent(&mut budget, &quiet, 10), 100);
        assert_eq!(spent(&mut budget, &loud, 10_000), 100, "what is not spent does not pile up");
    }

    #[test]
    fn the_memory_is_bounded_and_those_beyond_it_share() {
        let mut budget = Budget::default();
        let now = Moment::default();
        for n in 0..MAX_DEVICES {
            assert!(budget.spend(&DeviceId::new(&format!("d{n}")).unwrap(), now));
        }
        let others =
            (0..1_000).filter(|n| budget.spend(&DeviceId::new(&format!("e{n}")).unwrap(), now)).count();
        assert_eq!((others, budget.left.len()), (100, MAX_DEVICES));
        assert!(budget.spend(&DeviceId::new("d0").unwrap(), now));
    }
}
