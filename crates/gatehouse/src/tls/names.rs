//! The names and addresses of this machine, which its certificate has to carry: a client compares them with what it
//! connected to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Most names and addresses in one certificate. A machine of a house has a handful; one that runs containers has tens.
/// The certificate travels with each handshake and has to fit small clients.
pub(super) const MAX_NAMES: usize = 64;

/// Longest name that the domain name system can carry (RFC 1035 section 2.3.4), and its longest label.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Where Linux lists its IPv6 addresses with their flags.
const IPV6_ADDRESSES: &str = "/proc/net/if_inet6";

/// The flag of an address that changes every day for the sake of privacy (RFC 8981; `IFA_F_TEMPORARY` of Linux). Clients
/// cannot know such an address, and a certificate would have to be made for it every day.
const TEMPORARY: u32 = 0x01;

/// What a client may call this gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// A host name, in lower case.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// Reads a host name or an address as somebody writes it; nothing when it is neither. A name may have a star as its
    /// first label.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let rest = name.strip_prefix("*.").unwrap_or(&name);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_LABEL_BYTES
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A name that ends in a number would be read as an address by clients.
        let ends_in_letters = rest.rsplit('.').next().is_some_and(|last| last.parse::<u64>().is_err());
        (name.len() <= MAX_NAME_BYTES && rest.split('.').all(is_label) && ends_in_letters)
            .then_some(Self::Host(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A set of them, in an order that does not depend on who was found first.
pub(super) type Names = BTreeSet<Name>;

/// Finds out what this machine is called now. What cannot be found out is left out: a certificate with fewer names is
/// better than none.
pub(super) fn of_this_machine(configured: &[Name]) -> Names {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|problem| {
        tracing::debug!(%problem, "the addresses of this machine cannot be read");
        Vec::new()
    });
    let flags = std::fs::read_to_string(Path::new(IPV6_ADDRESSES)).unwrap_or_default();
    let temporary = temporary_addresses(&flags);
    let addresses = interfaces.iter().map(if_addrs::Interface::ip).filter(|ip| !temporary.contains(ip));
    names(&host, addresses, configured)
}

/// The names of a machine with this host name and these addresses: those that are configured come first, so that they are
/// in the certificate however many addresses there are.
fn names(host: &str, addresses: impl Iterator<Item = IpAddr>, configured: &[Name]) -> Names {
    let always = [
        Some(Name::Host("localhost".to_owned())),
        Some(Name::Address(Ipv4Addr::LOCALHOST.into())),
        Some(Name::Address(Ipv6Addr::LOCALHOST.into())),
    ];
    let label = host.split('.').next().filter(|label| *label != "localhost");
    let found = [
        Name::parse(host),
        label.and_then(Name::parse),
        // The name that the machine announces by multicast DNS (RFC 6762).
        label.and_then(|label| Name::parse(&format!("{label}.local"))),
    ];
    let is_lasting = |address: &IpAddr| match address {
        // A link-local address of IPv6 is written with the interface of whoever connects, which no certificate can name.
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_multicast(),
        IpAddr::V4(address) => !address.is_multicast(),
    };
    let mut addresses: Vec<IpAddr> =
        addresses.map(|ip| ip.to_canonical()).filter(|ip| !ip.is_unspecified()).filter(is_lasting).collect();
    addresses.sort_unstable();
    let mut names = Names::new();
    let all = configured
        .iter()
        .cloned()
        .chain(always.into_iter().chain(found).flatten())
        .chain(addresses.into_iter().map(Name::Address));
    for name in all {
        if names.len() < MAX_NAMES {
            names.insert(name);
        }
    }
    names
}

/// The addresses of `/proc/net/if_inet6` that are temporary. Each line has the address as 32 hexadecimal digits, the
/// number of the interface, the length of the prefix, the scope, the flags and the interface's name.
fn temporary_addresses(table: &str) -> BTreeSet<IpAddr> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let address = u128::from_str_radix(fields.next()?, 16).ok()?;
            let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
            (flags & TEMPORARY != 0).then_some(IpAddr::V6(Ipv6Addr::from_bits(address)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &Names) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_machine_is_called_by_its_name_its_local_name_and_its_addresses() {
        let addresses = ["127.0.0.1", "192.168.1.20", "::1", "fe80::1", "fd00::20", "::ffff:10.0.0.9"];
        let addresses = addresses.map(|text| text.parse().unwrap());
        let router = Name::parse("Casa.fritz.box.").unwrap();
        assert_eq!(
            texts(&names("Gateway", addresses.into_iter(), &[router])),
            [
                "casa.fritz.box",
                "gateway",
                "gateway.local",
                "localhost",
                "10.0.0.9",
                "127.0.0.1",
                "192.168.1.20",
                "::1",
                "fd00::20"
            ]
        );
        assert_eq!(
            texts(&names("pi.example.org", [].into_iter(), &[])),
            ["localhost", "pi", "pi.example.org", "pi.local", "127.0.0.1", "::1"]
        );
        for nameless in ["", "localhost", "not a name", "-"] {
            assert_eq!(texts(&names(nameless, [].into_iter(), &[])), ["localhost", "127.0.0.1", "::1"]);
        }
    }

    #[test]
    fn the_number_of_names_has_a_limit_and_what_is_configured_comes_first() {
        let many = (0..1_000_u32).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + n)));
        let wanted = Name::parse("198.51.100.7").unwrap();
        let names = names("pi", many, std::slice::from_ref(&wanted));
        assert_eq!(names.len(), MAX_NAMES);
        assert!(names.contains(&wanted) && names.contains(&Name::Host("pi.local".to_owned())));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", ".", "a..b", "a b", "10.0.0.256", "a.1", "-a", "a-", "*", "*.", "ä", "http://a", "a:1883"]
        {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        let long = format!("{}.org", "a".repeat(64));
        assert_eq!(Name::parse(&long), None);
        assert_eq!(Name::parse("*.Example.org").unwrap().to_string(), "*.example.org");
    }

    #[test]
    fn addresses_that_change_every_day_are_known_by_their_flag() {
        let table = "fd000000000000000000000000000020 02 40 00 80     eth0\n\
                     fd00000000000000a1b2c3d4e5f60718 02 40 00 01     eth0\n\
                     nonsense\n";
        let temporary: Vec<String> = temporary_addresses(table).iter().map(ToString::to_string).collect();
        assert_eq!(temporary, ["fd00::a1b2:c3d4:e5f6:718"]);
    }
}
