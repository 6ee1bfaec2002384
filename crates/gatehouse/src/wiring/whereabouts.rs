//! How this gateway is called, and how phones reach it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use gatehouse_dashboard::wire::SystemDiscovery;
use gatehouse_dashboard::{Reach, Whereabouts};
use tokio::sync::watch;

use crate::banner::network_ip;
use crate::mqtt_sockets::MqttAddresses;
use crate::page_sockets::PageAddresses;
use crate::tls::{self, Name};

/// Endings that routers give to the machines of a house, and that nobody can register: those of RFC 6762 (`local`), RFC
/// 8375 (`home.arpa`), ICANN's board resolution of 29 July 2024 (`internal`), and names that the root zone has kept free
/// since collisions were found (`lan`, `home`, `localdomain`).
const HOUSE_ENDINGS: [&str; 6] = ["local", "home.arpa", "internal", "lan", "home", "localdomain"];

/// Most addresses that are shown: a machine with containers has many that no phone reaches.
const MAX_ADDRESSES: usize = 6;

/// Names that the owner gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnNames {
    /// Those for the certificate.
    pub(crate) certificate: Vec<Name>,
    /// Those for the page.
    pub(crate) configured: Vec<String>,
    /// Origins of pages that may speak MQTT over WebSocket.
    pub(crate) origins: Vec<String>,
}

/// Name, addresses and ports of this machine. They are looked up each time: a name may be given while the gateway runs.
pub(crate) struct Surroundings {
    names: OwnNames,
    page: PageAddresses,
    mqtt: MqttAddresses,
    /// What is said over multicast DNS: another machine may have the name already.
    discovery: watch::Receiver<SystemDiscovery>,
}

impl Surroundings {
    pub(crate) fn new(
        names: OwnNames,
        page: PageAddresses,
        mqtt: MqttAddresses,
        discovery: watch::Receiver<SystemDiscovery>,
    ) -> Self {
        Self { names, page, mqtt, discovery }
    }

    /// Whether somebody else can reach the page or the broker under this address of the machine.
    pub(crate) fn listens_on(&self, address: IpAddr) -> bool {
        let listeners = [Some(self.page.plain), self.page.secure, Some(self.mqtt.plain), self.mqtt.secure];
        listeners.into_iter().flatten().any(|listener| is_open_on(listener.ip(), address))
    }

    /// The port where MQTT is really served.
    pub(crate) fn mqtt_port(&self) -> u16 {
        self.mqtt.plain.port()
    }

    /// The host names of the machine and of the configuration; one may begin with a star.
    fn host_names(&self) -> Vec<String> {
        let own = tls::own_names(&self.names.certificate).into_iter().filter_map(|name| match name {
            Name::Host(name) => Some(name),
            Name::Address(_) => None,
        });
        let announced = self.discovery.borrow().host.clone();
        own.chain(announced).chain(self.names.configured.iter().cloned()).collect()
    }
}

impl Whereabouts for Surroundings {
    fn is_own_name(&self, name: &str) -> bool {
        is_among(name, &self.host_names())
    }

    fn is_welcome_origin(&self, origin: &str) -> bool {
        self.names.origins.iter().any(|one| one == origin)
    }

    fn reach(&self) -> Reach {
        let addresses = addresses(self.mqtt.plain, || {
            let all = tls::own_names(&[]).into_iter().filter_map(|name| match name {
                Name::Address(address) => Some(address),
                Name::Host(_) => None,
            });
            network_ip().into_iter().chain(all).collect()
        });
        let names = if self.mqtt.plain.ip().is_loopback() { Vec::new() } else { best(self.host_names()) };
        Reach {
            names,
            addresses,
            mqtt: self.mqtt_port(),
            mqtts: self.mqtt.secure.map(|address| address.port()),
            http: self.page.plain.port(),
            https: self.page.secure.map(|address| address.port()),
        }
    }
}

/// Whether a listener on `listener` takes connections to `address` from elsewhere.
fn is_open_on(listener: IpAddr, address: IpAddr) -> bool {
    match listener {
        IpAddr::V6(any) if any.is_unspecified() => !address.is_loopback(),
        IpAddr::V4(any) if any.is_unspecified() => address.is_ipv4() && !address.is_loopback(),
        one => one == address && !one.is_loopback(),
    }
}

/// Whether a name is one of these, or the machine's name with an ending of the house.
fn is_among(name: &str, own: &[String]) -> bool {
    let is_it = |one: &String| match one.strip_prefix("*.") {
        Some(rest) => name
            .strip_suffix(rest)
            .and_then(|label| label.strip_suffix('.'))
            .is_some_and(|label| !label.is_empty()),
        None => one == name,
    };
    if own.iter().any(is_it) {
        return true;
    }
    // `own` has the bare name of the machine, which is the only one without a dot besides localhost.
    let bare =
        name.split_once('.').filter(|(_, ending)| HOUSE_ENDINGS.contains(ending)).map(|(label, _)| label);
    bare.is_some_and(|label| label != "localhost" && own.iter().any(|one| one == label))
}

/// Those that a phone can look up, the one of multicast DNS first; the bare name is known to few.
fn best(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.contains('.') && !name.starts_with("*."));
    names.sort_by_key(|name| !name.ends_with(".local"));
    let mut known = HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

/// The addresses that a client in the network can use: that of the listener, or of the machine where it listens on all.
fn addresses(listener: SocketAddr, machine: impl FnOnce() -> Vec<IpAddr>) -> Vec<IpAddr> {
    if !listener.ip().is_unspecified() {
        return vec![listener.ip()];
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for address in machine().into_iter().filter(|address| !address.is_loopback()) {
        if !found.contains(&address) && found.len() < MAX_ADDRESSES {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_strangers_name_is_not_ours_however_it_begins_or_ends() {
        let own = texts(&["localhost", "gateway", "gateway.local", "*.example.org", "casa.example.net"]);
        for name in [
            "gateway",
            "gateway.local",
            "gateway.lan",
            "gateway.home.arpa",
            "casa.example.net",
            "a.example.org",
            "a.b.example.org",
        ] {
            assert!(is_among(name, &own), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "gateway.evil.example",
            "gateway.local.evil.example",
            "evil-example.org",
            ".example.org",
            "example.org",
            "other.local",
            "other.lan",
            "localhost.lan",
            "xgateway",
        ] {
            assert!(!is_among(name, &own), "{name}");
        }
    }

    #[test]
    fn an_address_is_open_where_a_listener_takes_connections_to_it() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (listener, address, expected) in [
            ("::", "192.168.1.20", true),
            ("::", "fd00::20", true),
            ("::", "127.0.0.1", false),
            ("0.0.0.0", "192.168.1.20", true),
            ("0.0.0.0", "fd00::20", false),
            ("192.168.1.20", "192.168.1.20", true),
            ("192.168.1.20", "192.168.1.21", false),
            ("127.0.0.1", "192.168.1.20", false),
            ("127.0.0.1", "127.0.0.1", false),
        ] {
            assert_eq!(is_open_on(ip(listener), ip(address)), expected, "{listener} {address}");
        }
    }

    #[test]
    fn phones_are_told_what_they_can_reach() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let machine = || ["192.168.1.20", "127.0.0.1", "192.168.1.20", "fd00::20"].map(ip).to_vec();
        let everywhere = "[::]:1883".parse().unwrap();
        assert_eq!(addresses(everywhere, machine), [ip("192.168.1.20"), ip("fd00::20")]);
        let here = "10.0.0.9:1883".parse().unwrap();
        assert_eq!(addresses(here, machine), [ip("10.0.0.9")]);
        let names = best(texts(&[
            "casa.example.net",
            "gateway",
            "localhost",
            "*.a.org",
            "gateway.local",
            "gateway-gatehouse.local",
            "gateway.local",
        ]));
        assert_eq!(names, ["gateway.local", "gateway-gatehouse.local", "casa.example.net"]);
    }
}
