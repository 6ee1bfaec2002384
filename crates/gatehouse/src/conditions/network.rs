//! Whether others can reach this machine at all.

use std::net::IpAddr;
use std::time::Duration;

use gatehouse_model::Moment;
use tracing::info;

/// A network that is away for less than this changes nothing for anybody: a router that is switched off and on, or a phone's
/// own network that is found again.
const GONE_AFTER: Duration = Duration::from_secs(15);

/// Since when there is no network, and whether that was told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Network {
    away_since: Option<Moment>,
    is_gone: bool,
}

impl Network {
    /// Takes in a look. That the network goes and comes back is logged: by then nobody sees the page.
    pub(super) fn look(&mut self, is_there: bool, now: Moment) {
        if !is_there {
            let since = *self.away_since.get_or_insert(now);
            if !self.is_gone && now.saturating_since(since) >= GONE_AFTER {
                self.is_gone = true;
                info!(
                    "the network is gone: no interface has an address that others reach. Outputs, inputs and history go on"
                );
            }
            return;
        }
        let since = self.away_since.take();
        if std::mem::take(&mut self.is_gone)
            && let Some(since) = since
        {
            info!("the network is back after {} s", now.saturating_since(since).as_secs());
        }
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.is_gone
    }
}

/// Whether an interface that works has an address that others reach.
pub(super) fn is_there() -> bool {
    // Where the kernel does not tell, nothing is known to be wrong.
    let Ok(all) = if_addrs::get_if_addrs() else { return true };
    all.iter().any(|interface| interface.is_oper_up() && reaches_others(interface.ip()))
}

/// An address of IPv6 that an interface gives itself is there as soon as a cable is, and nobody types it. That of IPv4 is
/// what two machines on one cable have.
fn reaches_others(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified(),
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unspecified() && !address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_alone_are_no_network() {
        let is = |address: &str| reaches_others(address.parse().unwrap());
        assert!(is("192.168.1.20") && is("169.254.7.1") && is("fd00::1") && is("2001:db8::1"));
        assert!(!is("127.0.0.1") && !is("::1") && !is("fe80::1"));
    }

    #[test]
    fn a_network_that_is_away_for_a_moment_is_not_gone() {
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let mut network = Network::default();
        network.look(false, at(0));
        network.look(false, at(10));
        assert!(!network.is_gone());
        network.look(true, at(12));
        network.look(false, at(20));
        network.look(false, at(34));
        assert!(!network.is_gone(), "it was there between");
        network.look(false, at(35));
        assert!(network.is_gone());
        network.look(true, at(40));
        assert!(!network.is_gone());
    }
}
