//! What the gateway says of itself over multicast DNS (RFC 6762, RFC 6763), so that phones and computers find it: one service
//! for each port that is open to the network.
//!
//! It is said by a responder of our own, which shares port 5353 with whatever else is there. Debian and Raspberry Pi OS mostly
//! run Avahi, which owns the machine's own name: there our services lie on a name beside it, so that two responders never
//! disagree about the addresses of one name. Discovery is a convenience: its failure is a warning.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatehouse_dashboard::wire::{DiscoverySilenceWord, SystemDiscovery};
use mdns_sd::{DaemonEvent, IfKind, RRType, ServiceDaemon, ServiceInfo};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::host_label::{MAX_LABEL_BYTES, shortened};
use crate::mqtt_sockets::MqttAddresses;
use crate::page_sockets::PageAddresses;

/// The port of multicast DNS.
const PORT: u16 = 5_353;

/// How long the last word may take: it leaves at once, and others are waiting to stop.
const GOODBYE_LIMIT: Duration = Duration::from_millis(30);

/// Trouble that is told of, before it is only counted at `debug`: a network that comes and goes may make much.
const MAX_TOLD: u32 = 3;

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// What the gateway is called.
    instance: String,
    /// Its name, without `.local`.
    host: String,
    services: Vec<Service>,
    /// Said to this machine alone, on another port; for tests.
    only_here: Option<u16>,
}

/// One port that is open to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    /// Such as `_http._tcp`.
    kind: &'static str,
    address: SocketAddr,
    /// Where the page or the endpoint is below it.
    path: Option<&'static str>,
}

impl Announcement {
    /// What is to be said of a gateway of this name with these listeners; else why there is nothing to say.
    pub(crate) fn of(
        name: &str,
        page: PageAddresses,
        mqtt: MqttAddresses,
        host: String,
    ) -> Result<Self, DiscoverySilenceWord> {
        let service = |kind, address: Option<SocketAddr>, path| {
            address.map(|address| Service { kind, address, path }).filter(|service| {
                // What only this machine can reach is nobody else's to find.
                !service.address.ip().is_loopback()
            })
        };
        let services = [
            service("_http._tcp", Some(page.plain), Some("/")),
            service("_https._tcp", page.secure, Some("/")),
            service("_mqtt._tcp", Some(mqtt.plain), None),
            service("_secure-mqtt._tcp", mqtt.secure, None),
        ];
        let services: Vec<Service> = services.into_iter().flatten().collect();
        if services.is_empty() {
            return Err(DiscoverySilenceWord::OnlyHere);
        }
        let instance = shortened(name, MAX_LABEL_BYTES).to_owned();
        Ok(Self { instance, host, services, only_here: None })
    }
}

impl Service {
    fn info(&self, announcement: &Announcement) -> mdns_sd::Result<ServiceInfo> {
        let mut about = vec![("version", env!("CARGO_PKG_VERSION"))];
        about.extend(self.path.map(|path| ("path", path)));
        let kind = format!("{}.local.", self.kind);
        let host = format!("{}.local.", announcement.host);
        let ip = self.address.ip();
        // One that listens on all addresses is found under those that the machine has at each time.
        let fixed: &[IpAddr] = if ip.is_unspecified() { &[] } else { &[ip] };
        let info = ServiceInfo::new(
            &kind,
            &announcement.instance,
            &host,
            fixed,
            self.address.port(),
            about.as_slice(),
        )?;
        let mut info = if fixed.is_empty() { info.enable_addr_auto() } else { info };
        if !fixed.is_empty() {
            info.set_interfaces(vec![IfKind::Addr(ip)]);
        } else if ip.is_ipv4() {
            info.set_interfaces(vec![IfKind::IPv4]);
        }
        Ok(info)
    }
}

/// Says it until `stop`, and then that it is over. What is being said is told in `state`.
///
/// # Errors
/// Never: a gateway that is not found is still there.
pub(crate) async fn announce(
    announcement: Result<Announcement, DiscoverySilenceWord>,
    state: watch::Sender<SystemDiscovery>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let silent = |why| SystemDiscovery { silent: Some(why), ..SystemDiscovery::default() };
    match announcement {
        Err(why) => {
            state.send_replace(silent(why));
        }
        Ok(announcement) => match Responder::start(&announcement) {
            Ok(responder) => {
                state.send_replace(SystemDiscovery {
                    host: Some(format!("{}.local", announcement.host)),
                    services: announcement.services.iter().map(|service| service.kind.to_owned()).collect(),
                    silent: None,
                });
                responder.follow(&state, &stop).await;
                responder.say_goodbye().await;
                return Ok(());
            }
            Err(problem) => {
                warn!(
                    "phones will not find the gateway by themselves, as multicast DNS does not work here: {problem}; open it by \
                     its address, or turn this off with mdns = false in [discovery]"
                );
                state.send_replace(silent(DiscoverySilenceWord::Failed));
            }
        },
    }
    stop.cancelled().await;
    Ok(())
}

/// The responder with what it says.
struct Responder {
    daemon: ServiceDaemon,
    services: Vec<String>,
    events: mdns_sd::Receiver<DaemonEvent>,
}

impl Responder {
    fn start(announcement: &Announcement) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new_with_port(announcement.only_here.unwrap_or(PORT))?;
        let events = daemon.monitor()?;
        let here = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
        if announcement.only_here.is_some() {
            daemon.disable_interface(IfKind::All)?;
            daemon.enable_interface(here)?;
        } else {
            daemon.disable_interface(here)?;
        }
        let mut services = Vec::new();
        for service in &announcement.services {
            let info = service.info(announcement)?;
            services.push(info.get_fullname().to_owned());
            daemon.register(info)?;
        }
        Ok(Self { daemon, services, events })
    }

    /// Follows what becomes of it until `stop`: somebody else may have the name already.
    async fn follow(&self, state: &watch::Sender<SystemDiscovery>, stop: &CancellationToken) {
        let mut told = 0;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = self.events.recv_async() => event,
            };
            match event {
                Ok(DaemonEvent::NameChange(change)) if matches!(change.rr_type, RRType::A | RRType::AAAA) => {
                    let name = change.new_name.trim_end_matches('.').to_owned();
                    info!("another machine is called {} already: this one is {name}", change.original);
                    state.send_modify(|state| state.host = Some(name));
                }
                Ok(DaemonEvent::Error(problem)) if told < MAX_TOLD => {
                    told += 1;
                    warn!("multicast DNS: {problem}");
                }
                Ok(event) => debug!("multicast DNS: {event:?}"),
                Err(_) => {
                    warn!(
                        "multicast DNS ended by itself: phones do not find the gateway until the next start"
                    );
                    state.send_replace(SystemDiscovery {
                        silent: Some(DiscoverySilenceWord::Failed),
                        ..SystemDiscovery::default()
                    });
                    return stop.cancelled().await;
                }
            }
        }
    }

    /// Says that the services end (RFC 6762 section 10.1). The responder repeats it while the other parts stop.
    async fn say_goodbye(&self) {
        let said = self.services.iter().filter_map(|service| self.daemon.unregister(service).ok());
        let said: Vec<_> = said.collect();
        let all = async {
            for one in said {
                let _ = one.recv_async().await;
            }
        };
        if tokio::time::timeout(GOODBYE_LIMIT, all).await.is_err() {
            debug!("the last word over multicast DNS is still on its way");
        }
    }
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceEvent;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn addresses(http: &str, https: Option<&str>, mqtt: &str) -> (PageAddresses, MqttAddresses) {
        let page = PageAddresses { plain: at(http), secure: https.map(at) };
        (page, MqttAddresses { plain: at(mqtt), secure: None })
    }

    #[test]
    fn only_what_others_can_reach_is_said() {
        let (page, mqtt) = addresses("[::]:8080", Some("[::]:8443"), "127.0.0.1:1883");
        let said = Announcement::of("Casa", page, mqtt, "casa".to_owned()).unwrap();
        let kinds: Vec<&str> = said.services.iter().map(|service| service.kind).collect();
        assert_eq!(kinds, ["_http._tcp", "_https._tcp"]);
        let (page, mqtt) = addresses("127.0.0.1:8080", Some("[::1]:8443"), "127.0.0.1:1883");
        let silence = Announcement::of("Casa", page, mqtt, "casa".to_owned());
        assert_eq!(silence, Err(DiscoverySilenceWord::OnlyHere));
    }

    #[test]
    fn a_listener_on_one_address_is_found_there_alone() {
        let (page, mqtt) = addresses("192.168.1.20:8080", None, "[::]:1883");
        let said = Announcement::of(&"casa ".repeat(40), page, mqtt, "casa".to_owned()).unwrap();
        assert!(said.instance.len() <= MAX_LABEL_BYTES);
        let http = said.services[0].info(&said).unwrap();
        assert!(!http.is_addr_auto());
        assert_eq!(http.get_addresses().len(), 1);
        let mqtt = said.services[1].info(&said).unwrap();
        assert!(mqtt.is_addr_auto() && mqtt.get_addresses().is_empty());
    }

    /// What somebody in the network sees, here over the loopback address: another responder asks, finds page and broker with
    /// their addresses, and hears at once when they end.
    #[tokio::test]
    async fn who_asks_finds_the_gateway_and_hears_its_goodbye() {
        const LIMIT: Duration = Duration::from_secs(30);
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (page, mqtt) = addresses("127.0.0.1:8080", None, "127.0.0.1:1883");
        let service = |kind, address, path| Service { kind, address, path };
        let said = Announcement {
            instance: "Casa".to_owned(),
            host: "casa-of-the-test".to_owned(),
            services: vec![
                service("_http._tcp", page.plain, Some("/")),
                service("_mqtt._tcp", mqtt.plain, None),
            ],
            only_here: Some(port),
        };
        let (sender, state) = watch::channel(SystemDiscovery::default());
        let stop = CancellationToken::new();
        let saying = tokio::spawn(announce(Ok(said), sender, stop.clone()));

        let client = ServiceDaemon::new_with_port(port).unwrap();
        client.disable_interface(IfKind::All).unwrap();
        client.enable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]).unwrap();
        for (kind, expected_port, path) in [("_http._tcp", 8080, Some("/")), ("_mqtt._tcp", 1883, None)] {
            let found = client.browse(&format!("{kind}.local.")).unwrap();
            let service = tokio::time::timeout(LIMIT, async {
                loop {
                    if let ServiceEvent::ServiceResolved(service) = found.recv_async().await.unwrap() {
                        return service;
                    }
                }
            });
            let service = service.await.unwrap_or_else(|_| panic!("{kind} is not found"));
            assert_eq!(service.get_hostname(), "casa-of-the-test.local.");
            assert_eq!(service.get_port(), expected_port);
            assert_eq!(service.get_property_val_str("path"), path);
            assert_eq!(service.get_property_val_str("version"), Some(env!("CARGO_PKG_VERSION")));
            assert!(service.get_addresses_v4().contains(&std::net::Ipv4Addr::LOCALHOST));
        }
        assert_eq!(state.borrow().host.as_deref(), Some("casa-of-the-test.local"));
        assert_eq!(state.borrow().services, ["_http._tcp", "_mqtt._tcp"]);

        let found = client.browse("_http._tcp.local.").unwrap();
        stop.cancel();
        saying.await.unwrap().unwrap();
        let gone = tokio::time::timeout(LIMIT, async {
            loop {
                if let ServiceEvent::ServiceRemoved(_, name) = found.recv_async().await.unwrap() {
                    return name;
                }
            }
        });
        assert_eq!(gone.await.expect("the goodbye is heard"), "Casa._http._tcp.local.");
    }
}
