//! Connections that have not logged in: how many there may be, in total and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections that have not logged in yet, by where they come from.
#[derive(Debug)]
pub(crate) struct Newcomers {
    most: usize,
    most_of_one_source: usize,
    by_source: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection that has not logged in. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Newcomer {
    newcomers: Arc<Newcomers>,
    source: IpAddr,
}

impl Newcomers {
    pub(crate) fn new(most: usize, most_of_one_source: usize) -> Self {
        Self { most, most_of_one_source, by_source: Mutex::default() }
    }

    /// Counts a new connection, or gives nothing when there are as many as there may be.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Newcomer> {
        let source = source_of(peer);
        let mut by_source = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        // The table has at most as many entries as there are newcomers, so that summing it up is quick.
        let total: usize = by_source.values().sum();
        let of_source = by_source.get(&source).copied().unwrap_or(0);
        if total >= self.most || of_source >= self.most_of_one_source {
            return None;
        }
        by_source.insert(source, of_source + 1);
        Some(Newcomer { newcomers: Arc::clone(self), source })
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut by_source = self.newcomers.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        match by_source.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_source.remove(&self.source)),
        }
    }
}

/// Who counts as one: an IPv4 address, however it is written, or a network of IPv6 (its first 64 bits), in which one
/// device may take as many addresses as it likes (RFC 8981).
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_are_bounded_in_total_and_by_source() {
        let newcomers = Arc::new(Newcomers::new(3, 2));
        let admit = |peer: &str| newcomers.admit(peer.parse().unwrap());
        let first = admit("192.0.2.1");
        let second = admit("::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit("192.0.2.1").is_none(), "of one address, however it is written");
        let third = admit("2001:db8::1");
        assert!(third.is_some());
        assert!(admit("192.0.2.2").is_none(), "in total");
        drop(first);
        let fourth = admit("2001:db8::2");
        assert!(fourth.is_some());
        drop(second);
        assert!(admit("2001:db8::3").is_none(), "of one network");
        assert!(admit("2001:db8:0:1::3").is_some());
        drop((third, fourth));
        assert!(newcomers.by_source.lock().unwrap().is_empty());
    }
}
