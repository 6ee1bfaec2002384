//! Wrong log-ins slow down: the address they come from quickly, the name they try more gently, so that a stranger can
//! hardly lock the owner out.
//!
//! Each address and each name has a bucket of tries that fills again with time. A log-in takes one try from both before
//! the password is looked at, and puts them back when it was right. An address from which a name came in is at home for
//! that name: the two together have a bucket of their own, which nobody else can empty.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use gatehouse_model::Moment;

/// How many tries, and how quickly they come back.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    tries: u32,
    one_again_after: Duration,
}

/// Of one address: five wrong ones, then two a minute.
const PER_ADDRESS: Allowance = Allowance { tries: 5, one_again_after: Duration::from_secs(30) };

/// Of one name (or the set-up code), from wherever: twenty wrong ones, then six a minute. At that speed a password of
/// eight random letters takes longer than anybody lives.
const PER_TARGET: Allowance = Allowance { tries: 20, one_again_after: Duration::from_secs(10) };

/// Of one name from an address that is at home for it: as many as of an address.
const PER_HOME: Allowance = PER_ADDRESS;

/// Addresses, names and homes that are remembered, each. When a table is full, the entry nearest to being forgiven goes,
/// or the home that was not used for longest.
const MAX_REMEMBERED: usize = 1_024;

/// What somebody tries to get in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// The password of this name.
    Name(String),
    /// The set-up code.
    SetUp,
}

impl Target {
    /// Names that are tried may be long and strange; they are remembered as their beginning, in small letters.
    pub(super) fn name(name: &str) -> Self {
        // Two names and what stands between them are those of a client below a user.
        let beginning = name.chars().take(2 * super::MAX_NAME_LENGTH + 2);
        Self::Name(beginning.flat_map(char::to_lowercase).collect())
    }
}

/// The tries of all addresses and targets.
#[derive(Default)]
pub(super) struct Attempts {
    addresses: Buckets<IpAddr>,
    targets: Buckets<Target>,
    /// Addresses that are at home for a name, with the moment when they last came in.
    homes: HashMap<(IpAddr, Target), Moment>,
    /// The tries of those.
    at_home: Buckets<(IpAddr, Target)>,
}

impl Attempts {
    /// How long until there is a try; zero when there is one.
    pub(super) fn wait(&self, address: IpAddr, target: &Target, now: Moment) -> Duration {
        let pair = (network_of(address), target.clone());
        if self.homes.contains_key(&pair) {
            return self.at_home.wait(&pair, PER_HOME, now);
        }
        let (network, target) = pair;
        self.addresses.wait(&network, PER_ADDRESS, now).max(self.targets.wait(&target, PER_TARGET, now))
    }

    /// Takes a try, or says how long to wait for the next one.
    pub(super) fn take(&mut self, address: IpAddr, target: Target, now: Moment) -> Result<(), Duration> {
        let wait = self.wait(address, &target, now);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        let pair = (network_of(address), target);
        if self.homes.contains_key(&pair) {
            self.at_home.take(pair, PER_HOME, now);
        } else {
            self.addresses.take(pair.0, PER_ADDRESS, now);
            self.targets.take(pair.1, PER_TARGET, now);
        }
        Ok(())
    }

    /// Gives a try back: it was right, or the gateway could not check it.
    pub(super) fn give_back(&mut self, address: IpAddr, target: &Target, now: Moment) {
        let pair = (network_of(address), target.clone());
        if self.homes.contains_key(&pair) {
            self.at_home.give_back(&pair, PER_HOME, now);
        } else {
            self.addresses.give_back(&pair.0, PER_ADDRESS, now);
            self.targets.give_back(&pair.1, PER_TARGET, now);
        }
    }

    /// The try was right: it is given back, and from now on the address is at home for this target. Gives whether it was
    /// not before.
    pub(super) fn right(&mut self, address: IpAddr, target: Target, now: Moment) -> bool {
        self.give_back(address, &target, now);
        let home = (network_of(address), target);
        if self.homes.len() >= MAX_REMEMBERED && !self.homes.contains_key(&home) {
            let oldest = self.homes.iter().min_by_key(|(_, last)| **last).map(|(home, _)| home.clone());
            if let Some(oldest) = oldest {
                self.homes.remove(&oldest);
            }
        }
        self.homes.insert(home, now).is_none()
    }
}

/// An IPv6 host chooses among 2^64 addresses of its network, so the network is what counts.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
        v4 => v4,
    }
}

/// For each key the moment at which its bucket is full again. Later than that, the key is as good as unknown.
struct Buckets<K> {
    full_at: HashMap<K, Moment>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { full_at: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// How long until the key has a try; zero when it has one.
    fn wait(&self, key: &K, allowance: Allowance, now: Moment) -> Duration {
        let Some(full_at) = self.full_at.get(key) else { return Duration::ZERO };
        let longest_debt = allowance.one_again_after * (allowance.tries - 1);
        full_at.saturating_since(now).saturating_sub(longest_debt)
    }

    fn take(&mut self, key: K, allowance: Allowance, now: Moment) {
        if !self.full_at.contains_key(&key) {
            self.make_room(now);
        }
        let full_at = self.full_at.entry(key).or_insert(now);
        *full_at = (*full_at).max(now) + allowance.one_again_after;
    }

    fn give_back(&mut self, key: &K, allowance: Allowance, now: Moment) {
        if let Some(full_at) = self.full_at.get_mut(key) {
            let debt = full_at.saturating_since(now).saturating_sub(allowance.one_again_after);
            *full_at = now + debt;
        }
    }

    fn make_room(&mut self, now: Moment) {
        if self.full_at.len() < MAX_REMEMBERED {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() < MAX_REMEMBERED {
            return;
        }
        let nearest = self.full_at.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| key.clone());
        if let Some(key) = nearest {
            self.full_at.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5));

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn wrong_ones_slow_the_address_down() {
        let mut attempts = Attempts::default();
        for number in 0..PER_ADDRESS.tries {
            assert_eq!(attempts.take(HERE, Target::name(&format!("name{number}")), at(0)), Ok(()));
        }
        assert_eq!(attempts.take(HERE, Target::name("ana"), at(0)), Err(Duration::from_secs(30)));
        assert_eq!(attempts.take(HERE, Target::name("ana"), at(10)), Err(Duration::from_secs(20)));
        assert_eq!(attempts.take(HERE, Target::name("ana"), at(30)), Ok(()));
        assert_eq!(attempts.take(HERE, Target::name("ana"), at(30)), Err(Duration::from_secs(30)));
        assert_eq!(attempts.take(address(1), Target::name("ana"), at(30)), Ok(()), "others are not touched");
    }

    #[test]
    fn wrong_ones_from_everywhere_slow_the_name_down() {
        let mut attempts = Attempts::default();
        for number in 0..PER_TARGET.tries {
            assert_eq!(attempts.take(address(number), Target::name("ana"), at(0)), Ok(()));
        }
        assert_eq!(attempts.take(address(999), Target::name("ANA"), at(0)), Err(Duration::from_secs(10)));
        assert_eq!(attempts.take(address(999), Target::name("eva"), at(0)), Ok(()));
        assert_eq!(attempts.take(address(999), Target::name("ana"), at(10)), Ok(()));
    }

    #[test]
    fn right_ones_cost_nothing() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            attempts.take(HERE, Target::name("ana"), at(0)).unwrap();
            attempts.give_back(HERE, &Target::name("ana"), at(0));
        }
    }

    #[test]
    fn strangers_do_not_touch_who_is_at_home() {
        let mut attempts = Attempts::default();
        let ana = Target::name("ana");
        attempts.take(HERE, ana.clone(), at(0)).unwrap();
        attempts.right(HERE, ana.clone(), at(0));
        for number in 0..PER_TARGET.tries {
            attempts.take(address(number), ana.clone(), at(0)).unwrap();
        }
        for number in 0..PER_ADDRESS.tries {
            attempts.take(HERE, Target::name(&format!("name{number}")), at(0)).unwrap();
        }
        assert!(attempts.take(address(999), ana.clone(), at(0)).is_err(), "the name is exhausted");
        assert!(attempts.take(HERE, Target::name("eva"), at(0)).is_err(), "the address is exhausted");
        for _ in 0..PER_HOME.tries {
            assert_eq!(attempts.take(HERE, ana.clone(), at(0)), Ok(()));
        }
        let wait = Err(PER_HOME.one_again_after);
        assert_eq!(attempts.take(HERE, ana.clone(), at(0)), wait, "home is no place to guess either");
        for number in 0..5_000 {
            attempts.right(address(number), Target::name("eva"), at(1));
        }
        assert_eq!(attempts.homes.len(), MAX_REMEMBERED);
    }

    #[test]
    fn the_neighbours_of_an_ipv6_host_are_itself() {
        let mut attempts = Attempts::default();
        for number in 0..PER_ADDRESS.tries {
            let host: IpAddr = format!("2001:db8::{number}").parse().unwrap();
            attempts.take(host, Target::name(&number.to_string()), at(0)).unwrap();
        }
        assert!(attempts.take("2001:db8::ffff".parse().unwrap(), Target::name("ana"), at(0)).is_err());
        assert!(attempts.take("2001:db8:0:1::1".parse().unwrap(), Target::name("ana"), at(0)).is_ok());
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), address(1));
    }

    #[test]
    fn the_tables_stay_small_and_remember_the_worst() {
        let mut attempts = Attempts::default();
        for _ in 0..PER_ADDRESS.tries {
            attempts.take(HERE, Target::name("ana"), at(0)).unwrap();
        }
        for number in 0..5_000 {
            attempts.take(address(number), Target::name(&format!("name{number}")), at(0)).unwrap();
        }
        assert_eq!(attempts.addresses.full_at.len(), MAX_REMEMBERED);
        assert_eq!(attempts.targets.full_at.len(), MAX_REMEMBERED);
        assert!(attempts.take(HERE, Target::name("ana"), at(0)).is_err());
    }
}
