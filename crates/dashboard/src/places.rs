//! Who may have a connection: so many in all, and so many per address, so that one peer cannot shut out the others.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

/// Connections at the same time; further ones wait in the system's queue. A browser keeps up to six.
pub(crate) const MAX_CONNECTIONS: usize = 256;

/// Connections at the same time from one address; further ones are closed at once. Ten browsers behind one address, as
/// with a router in between, or a wall of tablets with one event stream each still fit. An IPv6 address counts for
/// itself, not its network: a whole home shares one, and a single peer in it must not shut out the rest.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 64;

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It gets a place.
    Admitted,
    /// Its address has as many as it may have, and this is the first one that is turned away since it had fewer.
    RefusedFirst,
    /// Its address is still crowded; that has been said.
    RefusedAgain,
}

/// The connections that are open, each under the key of its task.
#[derive(Debug)]
pub(crate) struct Places<K> {
    taken: HashMap<K, IpAddr>,
    /// Addresses of which a connection was refused, until they have given back half of their places: a peer that comes
    /// and goes at the limit is one change of state. Each has places taken, so there are never many.
    crowded: HashSet<IpAddr>,
    full: bool,
}

impl<K: Eq + Hash> Places<K> {
    /// Nobody is there.
    pub(crate) fn new() -> Self {
        Self { taken: HashMap::new(), crowded: HashSet::new(), full: false }
    }

    /// Whether another connection may be accepted at all.
    pub(crate) fn has_room(&self) -> bool {
        self.taken.len() < MAX_CONNECTIONS
    }

    /// Whether a connection from `peer` gets a place.
    pub(crate) fn admit(&mut self, peer: IpAddr) -> Admission {
        let address = peer.to_canonical();
        if self.of(address) < MAX_CONNECTIONS_PER_ADDRESS {
            Admission::Admitted
        } else if self.crowded.insert(address) {
            Admission::RefusedFirst
        } else {
            Admission::RefusedAgain
        }
    }

    /// Gives a place to a connection that was admitted. True when it was the last place, and the first time so since
    /// half of all places were free.
    pub(crate) fn take(&mut self, key: K, peer: IpAddr) -> bool {
        self.taken.insert(key, peer.to_canonical());
        let now_full = !self.full && !self.has_room();
        self.full |= now_full;
        now_full
    }

    /// Takes back the place of a connection that ended.
    pub(crate) fn give_back(&mut self, key: &K) {
        let Some(address) = self.taken.remove(key) else { return };
        if self.of(address) <= MAX_CONNECTIONS_PER_ADDRESS / 2 {
            self.crowded.remove(&address);
        }
        if self.taken.len() <= MAX_CONNECTIONS / 2 {
            self.full = false;
        }
    }

    fn of(&self, address: IpAddr) -> usize {
        self.taken.values().filter(|other| **other == address).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_leaves_places_for_others_and_is_told_of_once() {
        let mut places = Places::new();
        let greedy = address("192.0.2.1");
        for key in 0..MAX_CONNECTIONS_PER_ADDRESS {
            assert_eq!(places.admit(greedy), Admission::Admitted);
            assert!(!places.take(key, greedy));
        }
        assert_eq!(places.admit(greedy), Admission::RefusedFirst);
        assert_eq!(places.admit(address("::ffff:192.0.2.1")), Admission::RefusedAgain);
        assert_eq!(places.admit(address("192.0.2.2")), Admission::Admitted);
        // One goes, one comes: no news.
        places.give_back(&0);
        assert_eq!(places.admit(greedy), Admission::Admitted);
        places.take(0, greedy);
        assert_eq!(places.admit(greedy), Admission::RefusedAgain);
        // Half of them go, and as many come: that is news again.
        for key in 0..MAX_CONNECTIONS_PER_ADDRESS / 2 {
            places.give_back(&key);
        }
        for key in 0..MAX_CONNECTIONS_PER_ADDRESS / 2 {
            places.take(key, greedy);
        }
        assert_eq!(places.admit(greedy), Admission::RefusedFirst);
    }

    #[test]
    fn the_last_place_is_told_of_once() {
        let mut places = Places::new();
        let peer = |key: usize| IpAddr::from([10, 0, 0, u8::try_from(key % 250).unwrap()]);
        for key in 1..MAX_CONNECTIONS {
            assert!(!places.take(key, peer(key)));
            assert!(places.has_room());
        }
        assert!(places.take(0, peer(0)));
        assert!(!places.has_room());
        places.give_back(&0);
        assert!(places.has_room());
        assert!(!places.take(0, peer(0)));
        for key in 0..MAX_CONNECTIONS / 2 {
            places.give_back(&key);
        }
        let news = (0..MAX_CONNECTIONS / 2).filter(|key| places.take(*key, peer(*key))).count();
        assert_eq!(news, 1);
    }
}
