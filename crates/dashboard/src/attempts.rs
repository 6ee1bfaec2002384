//! Wrong log-ins slow down: the address they come from quickly, the name they try more gently, so that a stranger can
//! hardly lock the owner out.
//!
//! Each address and each name has a bucket of tries that fills again with time. A log-in takes one try from both before
//! the password is looked at, so that many at once do not get around the limit, and puts them back when it was right.

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

/// Of one name, from wherever: twenty wrong ones, then six a minute. At that speed a password of eight random letters
/// takes longer than anybody lives.
const PER_NAME: Allowance = Allowance { tries: 20, one_again_after: Duration::from_secs(10) };

/// Addresses and names that are remembered, each. When a table is full, the entry nearest to being forgiven goes.
const MAX_REMEMBERED: usize = 1_024;

/// The tries of all addresses and names.
#[derive(Default)]
pub(crate) struct Attempts {
    addresses: Buckets<IpAddr>,
    names: Buckets<String>,
}

impl Attempts {
    /// Takes a try, or says how long to wait for the next one.
    pub(crate) fn take(&mut self, address: IpAddr, name: &str, now: Moment) -> Result<(), Duration> {
        let (address, name) = (network_of(address), key_of(name));
        let wait = self.addresses.wait(&address, PER_ADDRESS, now).max(self.names.wait(&name, PER_NAME, now));
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.addresses.take(address, PER_ADDRESS, now);
        self.names.take(name, PER_NAME, now);
        Ok(())
    }

    /// Gives a try back: the log-in was right, or the gateway could not check it.
    pub(crate) fn give_back(&mut self, address: IpAddr, name: &str, now: Moment) {
        self.addresses.give_back(&network_of(address), PER_ADDRESS, now);
        self.names.give_back(&key_of(name), PER_NAME, now);
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

/// Names that are tried may be long and strange; they are remembered as their beginning.
fn key_of(name: &str) -> String {
    name.chars().take(crate::accounts::MAX_NAME_LENGTH + 1).flat_map(char::to_lowercase).collect()
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
            assert_eq!(attempts.take(HERE, &format!("name{number}"), at(0)), Ok(()));
        }
        assert_eq!(attempts.take(HERE, "ana", at(0)), Err(Duration::from_secs(30)));
        assert_eq!(attempts.take(HERE, "ana", at(10)), Err(Duration::from_secs(20)));
        assert_eq!(attempts.take(HERE, "ana", at(30)), Ok(()));
        assert_eq!(attempts.take(HERE, "ana", at(30)), Err(Duration::from_secs(30)));
        assert_eq!(attempts.take(address(1), "ana", at(30)), Ok(()), "others are not touched");
    }

    #[test]
    fn wrong_ones_from_everywhere_slow_the_name_down() {
        let mut attempts = Attempts::default();
        for number in 0..PER_NAME.tries {
            assert_eq!(attempts.take(address(number), "ana", at(0)), Ok(()));
        }
        assert_eq!(attempts.take(address(999), "ANA", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(attempts.take(address(999), "eva", at(0)), Ok(()));
        assert_eq!(attempts.take(address(999), "ana", at(10)), Ok(()));
    }

    #[test]
    fn right_ones_cost_nothing() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            attempts.take(HERE, "ana", at(0)).unwrap();
            attempts.give_back(HERE, "ana", at(0));
        }
    }

    #[test]
    fn the_neighbours_of_an_ipv6_host_are_itself() {
        let mut attempts = Attempts::default();
        for number in 0..PER_ADDRESS.tries {
            let host: IpAddr = format!("2001:db8::{number}").parse().unwrap();
            attempts.take(host, &number.to_string(), at(0)).unwrap();
        }
        assert!(attempts.take("2001:db8::ffff".parse().unwrap(), "ana", at(0)).is_err());
        assert!(attempts.take("2001:db8:0:1::1".parse().unwrap(), "ana", at(0)).is_ok());
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), address(1));
    }

    #[test]
    fn the_tables_stay_small_and_remember_the_worst() {
        let mut attempts = Attempts::default();
        for _ in 0..PER_ADDRESS.tries {
            attempts.take(HERE, "ana", at(0)).unwrap();
        }
        for number in 0..5_000 {
            attempts.take(address(number), &format!("name{number}"), at(0)).unwrap();
        }
        assert_eq!(attempts.addresses.full_at.len(), MAX_REMEMBERED);
        assert_eq!(attempts.names.full_at.len(), MAX_REMEMBERED);
        assert!(attempts.take(HERE, "ana", at(0)).is_err());
    }
}
