//! What the person who started the daemon reads: where everything is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

/// The addresses, codes and users to print.
#[derive(Debug)]
pub(crate) struct Banner {
    pub(crate) name: String,
    pub(crate) http: SocketAddr,
    /// Where the dashboard is with TLS, if it is.
    pub(crate) https: Option<SocketAddr>,
    pub(crate) mqtt: SocketAddr,
    /// Where MQTT is spoken with TLS, if it is.
    pub(crate) mqtts: Option<SocketAddr>,
    /// The certificate that clients of TLS need, if the gateway is its own authority.
    pub(crate) authority: Option<PathBuf>,
    /// Its SHA-256, to compare with what a phone shows: no network can have changed it here.
    pub(crate) authority_sha256: Option<String>,
    /// This machine's address on its network, if it has one.
    pub(crate) network_ip: Option<IpAddr>,
    /// The name under which others find it over multicast DNS, if they do.
    pub(crate) announced: Option<String>,
    pub(crate) setup_code: Option<String>,
    pub(crate) demo: Option<DemoUser>,
    /// The rights set of clients without a name, if they are let in.
    pub(crate) anonymous: Option<String>,
}

/// The ready-made user of the demonstration.
#[derive(Debug)]
pub(crate) struct DemoUser {
    pub(crate) name: String,
    /// Its password; nothing when somebody gave it another one.
    pub(crate) password: Option<String>,
}

impl Banner {
    /// The lines, ready to print.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("{} is running.", self.name),
            format!("  Dashboard:   http://{}/", reachable(self.http)),
        ];
        if let Some(ip) = self.network_ip.filter(|_| self.http.ip().is_unspecified()) {
            lines.push(format!("  From a phone: http://{}/", SocketAddr::new(ip, self.http.port())));
        }
        if let Some(name) = self.announced.as_deref().filter(|_| !self.http.ip().is_loopback()) {
            lines.push(format!("  By name:     http://{name}:{}/", self.http.port()));
        }
        if let Some(https) = self.https {
            lines.push(format!("  With TLS:    https://{}/", reachable(https)));
        }
        if let Some(code) = &self.setup_code {
            lines.push(format!("  Set-up code: {code}"));
        }
        lines.push(format!("  MQTT:        {}", reachable(self.mqtt)));
        if let Some(mqtts) = self.mqtts {
            lines.push(format!("  MQTT (TLS):  {}", reachable(mqtts)));
        }
        if let (Some(_), Some(authority)) = (self.mqtts.or(self.https), &self.authority) {
            lines.push(format!("  CA for TLS:  {}", authority.display()));
            if let Some(digest) = &self.authority_sha256 {
                lines.push(format!("  CA SHA-256:  {digest}"));
            }
        }
        if let Some(user) = &self.demo {
            let password = user.password.as_deref().unwrap_or("the one you gave it");
            lines.push(format!("  MQTT user:   {}   password: {password}", user.name));
        }
        if let Some(set) = &self.anonymous {
            lines
                .push(format!("  Warning:     MQTT clients need no password; they have the rights `{set}`."));
        }
        lines.push("Ready.".to_owned());
        lines.join("\n")
    }
}

/// The address that this machine has on the network that its default route leads to. Connecting a datagram socket asks
/// the routing table and sends nothing; the address asked for is one of those reserved for documentation (RFC 5737).
pub(crate) fn network_ip() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// An address that a client on this machine can use: `0.0.0.0` means everywhere, and nobody can connect to that.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_leaves_out_what_there_is_not() {
        let mut banner = Banner {
            name: "Casa".to_owned(),
            http: SocketAddr::from(([0, 0, 0, 0], 8080)),
            https: None,
            mqtt: SocketAddr::from(([127, 0, 0, 1], 1883)),
            mqtts: None,
            authority: Some(PathBuf::from("/var/lib/gatehouse/tls/ca.crt")),
            authority_sha256: Some("E9:C0".to_owned()),
            network_ip: Some(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 20))),
            announced: Some("casa.local".to_owned()),
            setup_code: Some("ABCD-EFGH".to_owned()),
            demo: None,
            anonymous: None,
        };
        let text = banner.text();
        assert!(
            text.contains("Dashboard:   http://127.0.0.1:8080/") && text.contains("Set-up code: ABCD-EFGH")
        );
        assert!(
            text.contains("MQTT:        127.0.0.1:1883")
                && text.ends_with("Ready.")
                && !text.contains("MQTT user")
        );
        assert!(text.contains("From a phone: http://192.168.1.20:8080/") && !text.contains("TLS"));
        assert!(text.contains("  By name:     http://casa.local:8080/\n"), "{text}");
        banner.mqtts = Some("[::]:8883".parse().unwrap());
        banner.https = Some("[::]:8443".parse().unwrap());
        let text = banner.text();
        assert!(text.contains("With TLS:    https://127.0.0.1:8443/\n"), "{text}");
        assert!(text.contains("MQTT (TLS):  127.0.0.1:8883\n"), "{text}");
        assert!(
            text.contains("CA for TLS:  /var/lib/gatehouse/tls/ca.crt\n  CA SHA-256:  E9:C0\n"),
            "{text}"
        );
        banner.setup_code = None;
        banner.http = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert!(!banner.text().contains("By name"), "nor by a name");
        assert!(!banner.text().contains("From a phone"), "nobody else reaches the loopback address");
        assert!(!banner.text().contains("Set-up code") && !banner.text().contains("Warning"));
        banner.anonymous = Some("bench".to_owned());
        assert!(
            banner
                .text()
                .contains("Warning:     MQTT clients need no password; they have the rights `bench`.")
        );
    }
}
